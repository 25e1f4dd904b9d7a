"""Names the values of a document as users know them: the variables that `bridge set` takes, or an object's key."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, all_uses, use_of
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Leaf, Outline
from bridge.review.trails import Place
from bridge.review.variable_origin import SECTIONS, is_manifests


class Named(NamedTuple):
    """A value: its name, and the variables that it gives, if the environment uses it."""

    label: str
    variables: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Return whether a user may mean this value by a name."""
        return name in {self.label, *self.variables}


class VariableNames:
    """The names in one environment."""

    def __init__(self, environment: Environment, templates: Mapping[ObjectId, TemplateObject]) -> None:
        self._environment: Final = environment
        self._templates: Final = templates
        self._uses: Final = all_uses(templates)
        used = {name for use in self._uses for name in use.names} | environment.infrastructure.keys()
        self._without_reference: Final = used - environment.variables.keys()

    def of(self, reference: Reference, outline: Outline) -> Mapping[Place, Named]:
        """Return the name of each value in a document, without what only describes an object."""
        kinds = _objects(outline)
        found = {place: self._named(reference, kinds, place) for place in outline.leaves}
        return {place: named for place, named in found.items() if named}

    def of_place(self, reference: Reference, outline: Outline, place: Place) -> Named | None:
        """Return the name of one value; None if it only describes an object."""
        return self._named(reference, _objects(outline), place)

    def variables_of(self, key: str) -> frozenset[str]:
        """Return the variables that fill a key, which is called `KIND/NAME key KEY`."""
        return next(
            (use.names or frozenset({use.key}) for use in self._uses if f"{use.object} key {use.key}" == key),
            frozenset(),
        )

    def _named(self, reference: Reference, kinds: Mapping[int, ObjectId] | None, place: Place) -> Named | None:
        if kinds is None:
            return self._field(reference, place)
        number, keys = place
        return self._key(kinds.get(number), keys) if keys and keys[0] in SECTIONS else None

    def _field(self, reference: Reference, place: Place) -> Named:
        label = ".".join(place[1]) or reference.path
        variables = [
            name
            for name, variable in self._environment.variables.items()
            if variable.reference.document == reference and _is_within(label, variable.reference.field)
        ]
        first = place[1][0] if place[1] else ""
        if reference in self._environment.sources and first in self._without_reference:
            variables.append(first)
        return Named(variables[0] if len(variables) == 1 else label, tuple(variables))

    def _key(self, id_: ObjectId | None, keys: tuple[str, ...]) -> Named:
        key = ".".join(keys[1:])
        if id_ is None:
            return Named(key)
        use = use_of(id_, key, self._templates)
        label = f"{id_} key {key}"
        if use is None:
            return Named(label)
        return Named(label, tuple(sorted(use.names)) or (key,))


def _is_within(label: str, field: str | None) -> bool:
    return field is None or label == field or label.startswith(f"{field}.")


def _objects(outline: Outline) -> Mapping[int, ObjectId] | None:
    """Return the objects that a document's parts describe, as far as that is in clear; None if it has fields."""
    if not is_manifests(outline):
        return None
    found = {}
    for number in {number for number, _ in outline.leaves}:
        kind = "".join(_texts(outline.leaves.get((number, ("kind",)))))
        name = "".join(_texts(outline.leaves.get((number, ("metadata", "name")))))
        if kind and name:
            found[number] = ObjectId(kind, name)
    return found


def _texts(leaf: Leaf | None) -> Iterator[str]:
    for value in leaf.clear if leaf else ():
        if value.is_text():
            yield value.reveal().decode()
