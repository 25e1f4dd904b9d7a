"""Finds the document that currently gives a variable, in the order in which `lookup` searches."""

from collections.abc import Callable, Collection, Mapping

from bridge.config.environment import Environment
from bridge.config.names import did_you_mean, is_variable
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, TemplateUse, all_uses, uses_of
from bridge.errors import ConfigError, Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.select import is_manifests
from bridge.stores.slots import Slot, value_at
from bridge.stores.write import Edit, same_value


class ValueLocation(NamedTuple):
    """The document, and its fields or keys that give a variable; manifests may have several of the variable's keys.

    `is_new` is true if no source gives the variable yet.
    """

    reference: Reference
    document: Document | None
    slots: tuple[Slot, ...]
    is_new: bool = False

    @property
    def seen(self) -> tuple[SecretValue | None, ...]:
        """The current value of each slot."""
        return tuple(value_at(self.document, slot) for slot in self.slots)

    def edits(self, value: SecretValue) -> list[Edit]:
        """Return what it takes to give every slot this value; nothing for the slots that already have it."""
        pairs = zip(self.slots, self.seen, strict=True)
        return [Edit(slot, value, seen) for slot, seen in pairs if not same_value(seen, value)]


def locate_value(
    name: str,
    environment: Environment,
    templates: Mapping[ObjectId, TemplateObject],
    read: Callable[[Reference], Document | None],
    *,
    beside: Reference | None = None,
) -> ValueLocation:
    """Return what gives a variable: `variables`, else the first source that has it, else the first possible source.

    A variable that no source gives yet goes to the source `beside` if there is one of this name. ConfigError if nothing
    uses the name; Refusal if no source could take it, or if a value there would have no effect.
    """
    uses, literals = _uses(name, environment, templates)
    exception = environment.variables.get(name)
    if exception:
        if literals:
            raise _settled(literals)
        reference = exception.reference.document
        slot = Slot(exception.reference.field, base64=exception.decode == "base64")
        return ValueLocation(reference, read(reference), (slot,))
    first = _in_sources(name, environment, uses, literals, read, beside=beside)
    if literals and first is None:
        raise _settled(literals)
    if first is None:
        hint = "list a source under `sources`"
        raise Refusal(Problem(environment.shown(environment.file), "has no source to put a value into", hint))
    if not first.slots:
        hint = f"add it under `variables`: `{name}: REFERENCE`"
        raise Refusal(Problem(str(first.reference), f"consists of manifests and has no key for only {name}", hint))
    return first


def keys_of(
    name: str, environment: Environment, templates: Mapping[ObjectId, TemplateObject]
) -> frozenset[tuple[ObjectId, str]]:
    """Return the objects' keys that a value of this name fills; ConfigError if nothing uses the name."""
    uses, literals = _uses(name, environment, templates)
    return frozenset((use.object, use.key) for use in uses or literals)


def _in_sources(  # noqa: PLR0913 - what `locate_value` has, and the keys that it has found
    name: str,
    environment: Environment,
    uses: list[TemplateUse],
    literals: list[TemplateUse],
    read: Callable[[Reference], Document | None],
    *,
    beside: Reference | None,
) -> ValueLocation | None:
    """Return the first source that gives the value, else the first that could; for a literal, only manifests count."""
    first: ValueLocation | None = None
    earlier: list[tuple[Reference, Document]] = []  # manifests: each takes precedence over variables in later sources
    for reference in environment.sources:
        document = read(reference)
        has_manifests = document is not None and is_manifests(document)
        if document and has_manifests:
            earlier.append((reference, document))
        if literals and not has_manifests:
            continue
        slots = _slots(name, literals or [use for use in uses if use.variable], document)
        candidate = ValueLocation(reference, document, slots)
        has_value = any(value is not None for value in candidate.seen)
        if (has_value or reference == beside) and not has_manifests and name not in environment.infrastructure:
            _check_counts(name, uses, earlier)
        if has_value:
            return candidate
        if first is None or reference == beside:
            first = candidate._replace(is_new=True)
    return first


def _uses(
    name: str, environment: Environment, templates: Mapping[ObjectId, TemplateObject]
) -> tuple[list[TemplateUse], list[TemplateUse]]:
    """Return the keys that the variable fills, or, if it fills none, the keys of this name with a literal value."""
    uses = uses_of(name, templates)
    if uses or name in environment.infrastructure:
        return uses, []
    literals = [use for use in all_uses(templates) if use.key == name and not use.names]
    if not literals:
        known = {variable for use in all_uses(templates) for variable in use.names}
        raise _unknown(name, environment, known | environment.infrastructure.keys())
    return [], literals


def _unknown(name: str, environment: Environment, known: Collection[str]) -> ConfigError:
    """Describe a name that nothing uses, without showing it: someone may have written the value in its place."""
    hint = did_you_mean(name, known) or "run `bridge set ENV NAME`, without the value"
    listed = f"; they use {', '.join(sorted(known))}" if known else ""
    return ConfigError(Problem(environment.name, f"no template or infrastructure uses this name{listed}", hint))


def _settled(literals: list[TemplateUse]) -> Refusal:
    """Say where the keys get their text: only sources that consist of manifests could override it."""
    return Refusal(
        *(
            Problem(
                f"{use.object} key {use.key}",
                f"has a literal value in {use.template.place}, so no source is used",
                f"change it in {use.template.place}"
                + (f", or write {use.key}: ${{{use.key}}} there" if is_variable(use.key) else ""),
            )
            for use in literals
        )
    )


def _check_counts(name: str, uses: list[TemplateUse], earlier: list[tuple[Reference, Document]]) -> None:
    """Raise Refusal if earlier sources give every key that the variable fills."""
    problems = []
    for use in uses:
        slot = Slot(use.key, use.object)
        winner = next((reference for reference, document in earlier if value_at(document, slot) is not None), None)
        if winner is None:
            return
        what = f"{winner} gives the whole key, so {name} has no effect"
        problems.append(Problem(f"{use.object} key {use.key}", what, f"change the key in {winner}"))
    raise Refusal(*problems)


def _slots(name: str, uses: list[TemplateUse], document: Document | None) -> tuple[Slot, ...]:
    if document is None or not is_manifests(document):
        return (Slot(name),)
    slots = tuple(Slot(use.key, use.object) for use in uses)
    held = tuple(slot for slot in slots if value_at(document, slot) is not None)
    return held or slots
