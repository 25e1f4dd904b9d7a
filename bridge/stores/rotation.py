"""A value that is replaced while a second variable of the same document keeps the old one."""

from collections.abc import Callable, Mapping

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import ConfigError, Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.offline import secret_names
from bridge.stores.locate import ValueLocation, keys_of, locate_value
from bridge.stores.update import changed_document
from bridge.stores.write import Edit, same_value

Key = tuple[ObjectId, str]


class Rotation(NamedTuple):
    """A value and the variable `previous` that keeps the old one: where both are, and which objects' keys they fill."""

    name: str
    previous: str
    location: ValueLocation
    kept: ValueLocation
    keys: frozenset[Key]
    previous_keys: frozenset[Key]

    @property
    def reference(self) -> Reference:
        """The document that has both values."""
        return self.location.reference

    @property
    def value(self) -> SecretValue:
        """The current value."""
        value = self.location.seen[0]
        assert value is not None, "located with a value"
        return value

    @property
    def old(self) -> SecretValue | None:
        """The value that the last rotation replaced, or None if there was no rotation yet."""
        first = self.kept.seen[0]
        return None if first is None or first.is_empty() else first

    @property
    def document(self) -> Document:
        """The current document."""
        return changed_document(self.reference, self.location.document, [])

    @property
    def document_with_previous(self) -> Document:
        """The current document, with the current value also as the previous one."""
        return changed_document(self.reference, self.location.document, self.kept.edits(self.value))

    @property
    def document_before(self) -> Document | None:
        """The current document, with the previous value as the current one; None before the first rotation."""
        if self.old is None:
            return None
        return changed_document(self.reference, self.location.document, self.location.edits(self.old))

    def edits(self, value: SecretValue) -> list[Edit]:
        """Return what a rotation to a new value changes; nothing if it is the current one.

        The previous value is always among the edits, so that another run's change of it is noticed.
        """
        if value.same_as(self.value):
            return []
        kept = zip(self.kept.slots, self.kept.seen, strict=True)
        return [*self.location.edits(value), *(Edit(slot, self.value, seen) for slot, seen in kept)]


def locate_rotation(
    name: str,
    previous: str,
    environment: Environment,
    templates: Mapping[ObjectId, TemplateObject],
    read: Callable[[Reference], Document | None],
) -> Rotation:
    """Find a value and the variable that keeps the old one.

    ConfigError or Refusal if they could not both be live: they are in different documents, or pods do not get both.
    """
    location = locate_value(name, environment, templates, read)
    keys, previous_keys = _keys(name, previous, environment, templates)
    if any(value is None for value in location.seen):
        what = f"no source gives it a value, so {previous} would have none to keep"
        raise Refusal(Problem(name, what, f"run `bridge set {environment.name} {name}` with its current value first"))
    kept = locate_value(previous, environment, templates, read, beside=location.reference)
    rotation = Rotation(name, previous, location, kept, keys, previous_keys)
    _check_places(rotation, environment)
    return rotation


def _keys(
    name: str, previous: str, environment: Environment, templates: Mapping[ObjectId, TemplateObject]
) -> tuple[frozenset[Key], frozenset[Key]]:
    """Return the keys that each of the two fills, once it is certain that pods may get both."""
    if name == previous:
        raise ConfigError(Problem("--keep-previous", "must name another variable", f"use {name}_PREVIOUS"))
    keys = keys_of(name, environment, templates)
    if not keys:
        what = f"fills no key of an object, so no pod needs {previous}"
        raise Refusal(Problem(name, what, f"run `bridge set {environment.name} {name}` without --keep-previous"))
    try:
        previous_keys = keys_of(previous, environment, templates)
    except ConfigError:
        previous_keys = frozenset()
    if not previous_keys:  # the name is not shown: someone may have written the value in its place
        hint = f"add a key with the text ${{{name}_PREVIOUS}} to the template of {name}"
        raise Refusal(
            Problem("--keep-previous", "no template uses this name, so pods would not get the old value", hint)
        )
    is_secret = name in secret_names(templates.values()) or environment.infrastructure.get(name) == "secret"
    shown = sorted(str(id_) for id_, _ in previous_keys if id_.kind == "ConfigMap")
    if is_secret and (shown or environment.infrastructure.get(previous) == "required"):
        what = f"{name} is secret, but {previous} is public ({shown[0] if shown else 'under `infrastructure`'})"
        raise Refusal(Problem("--keep-previous", what, f"use {previous} only in Secrets"))
    return keys, previous_keys


def _check_places(rotation: Rotation, environment: Environment) -> None:
    """Raise Refusal if one revision of a document cannot have both values."""
    name, previous, location, kept = rotation.name, rotation.previous, rotation.location, rotation.kept
    if kept.reference != location.reference:
        is_there = any(value is not None for value in kept.seen)
        what = f"{'is' if is_there else 'would be'} in {kept.reference}, but {name} is in {location.reference}"
        line = f"`{previous}: {location.reference}#{previous}`"
        hint = f"add {line} under `variables` in {environment.shown(environment.file)}"
        raise Refusal(Problem(previous, what, hint))
    for where, found in ((name, location), (previous, kept)):
        if not all(same_value(value, found.seen[0]) for value in found.seen):
            places = " and ".join(slot.within(found.reference) for slot in found.slots)
            hint = f"make them equal: `bridge set {environment.name} {where}`"
            raise Refusal(Problem(where, f"has different values in {places}", hint))
    old, new = SecretValue(b"old"), SecretValue(b"new")
    edits = [*location.edits(new), *kept.edits(old)]
    if not _holds(changed_document(location.reference, location.document, edits), location, new):
        what = f"is in the same place as {previous}, {location.slots[0].within(location.reference)}"
        raise Refusal(Problem(name, what, "give them different fields"))


def _holds(document: Document, location: ValueLocation, value: SecretValue) -> bool:
    return all(same_value(found, value) for found in location._replace(document=document).seen)
