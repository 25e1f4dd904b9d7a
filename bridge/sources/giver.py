"""Finds the place that gives a variable now, document after document, as `lookup` does among values."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge.config.environment import Environment
from bridge.config.names import suggestion
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import ConfigError, Problem, Refusal
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.fields import is_manifests
from bridge.sources.moving import Use, all_uses, uses_of
from bridge.sources.slots import Slot, value_at


class Giver(NamedTuple):
    """The document, and the places in it that give a variable: several where manifests have several of its keys.

    `is_new` says that nothing gives the variable in any source yet.
    """

    reference: Reference
    document: Document | None
    slots: tuple[Slot, ...]
    is_new: bool = False

    @property
    def seen(self) -> tuple[SecretValue | None, ...]:
        """What stands in each place."""
        return tuple(value_at(self.document, slot) for slot in self.slots)


def find_giver(
    name: str,
    environment: Environment,
    templates: Mapping[ObjectId, TemplateObject],
    read: Callable[[Reference], Document | None],
) -> Giver:
    """Return what gives a variable: `variables`, else the first source that has it, else the first of the list.

    ConfigError for a name that nothing uses; Refusal where no source could take it.
    """
    uses = _uses(name, environment, templates)
    exception = environment.variables.get(name)
    if exception:
        reference = exception.reference.document
        slot = Slot(exception.reference.field, base64=exception.decode == "base64")
        return Giver(reference, read(reference), (slot,))
    first: Giver | None = None
    for reference in environment.sources:
        document = read(reference)
        slots = _slots(name, uses, document)
        found = Giver(reference, document, slots)
        if any(one is not None for one in found.seen):
            return found
        first = first or found._replace(is_new=True)
    if first is None:
        hint = "list one under `sources`"
        raise Refusal(Problem(environment.shown(environment.file), "lists no source to put a value into", hint))
    if not first.slots:
        hint = f"give it under `variables`, as {name}: REFERENCE"
        raise Refusal(Problem(str(first.reference), f"consists of manifests and has no key for {name} alone", hint))
    return first


def _uses(name: str, environment: Environment, templates: Mapping[ObjectId, TemplateObject]) -> list[Use]:
    """Return the keys that the variable fills; a key without one is meant by its own name, for manifests alone."""
    uses = uses_of(name, templates)
    plain = [use for use in all_uses(templates) if use.key == name and not use.names]
    if not uses and name not in environment.infrastructure and not plain:
        known = {variable for use in all_uses(templates) for variable in use.names}
        hint = suggestion(name, known | environment.infrastructure.keys())
        raise ConfigError(Problem(name, "no template and no infrastructure uses it", hint))
    return [use for use in uses if use.variable] or ([] if uses else plain)


def _slots(name: str, uses: list[Use], document: Document | None) -> tuple[Slot, ...]:
    if document is None or not is_manifests(document):
        return (Slot(name),)
    slots = tuple(Slot(use.key, use.object) for use in uses)
    held = tuple(slot for slot in slots if value_at(document, slot) is not None)
    return held or slots
