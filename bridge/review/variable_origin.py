"""Finds where a variable's value would come from, by the names that documents show without a key."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.objects import ObjectId
from bridge.provider import Leaf, Outline
from bridge.review.state import Side

Leaves: TypeAlias = Mapping[tuple[str, ...], Leaf]
"""How a value is stored: the leaves below its name."""
MANIFEST: Final = frozenset({"apiVersion", "kind", "metadata"})
_SECTIONS: Final = frozenset({"data", "stringData", "binaryData"})
_ELSEWHERE: Final = "the env file or the template"


class Given(NamedTuple):
    """Where a variable's value comes from.

    - `places`: the documents that may give it, in order; only the last is known to have it, if `leaves` has any.
    - `leaves`: how it is stored, or None if that is not visible.
    """

    places: tuple[str, ...]
    leaves: Leaves | None
    decode: str | None = None

    @property
    def shown(self) -> str:
        """The places as text."""
        places = [*self.places, *([] if self.leaves or self.leaves is None else [_ELSEWHERE])]
        return " or ".join(places)


class Origins:
    """The origins of all variables on one side."""

    def __init__(self, state: Side) -> None:
        self._state: Final = state
        self._by_name: Final[dict[Reference, Mapping[str, Leaves]]] = {}

    def of(self, name: str) -> Given:
        """Return where a variable's value comes from."""
        environment = self._state.environment
        assert environment is not None  # only an environment has variables
        variable = environment.variables.get(name)
        if variable is not None:
            outline = self._outline(variable.reference.document)
            leaves = None if outline is None else _field(outline, variable.reference.field)
            return Given((str(variable.reference),), leaves, variable.decode)
        return self._in_sources(name, environment)

    def _in_sources(self, name: str, environment: Environment) -> Given:
        possible: list[str] = []
        is_known = True
        for reference in environment.sources:
            outline = self._outline(reference)
            if outline is None:
                is_known = False
                possible.append(str(reference))
            elif not is_manifests(outline) and (leaves := self._fields(reference, outline).get(name)):
                return Given((*possible, str(reference)), leaves if is_known else None)
        return Given(tuple(possible), {} if is_known else None)

    def of_key(self, id_: ObjectId, key: str) -> Mapping[str, Leaves]:
        """Return how the manifests in documents store a key, if they show which object they are."""
        environment = self._state.environment
        found: dict[str, Leaves] = {}
        for reference in environment.sources if environment else ():
            outline = self._outline(reference)
            leaves = _manifest_key(outline, id_, key) if outline and is_manifests(outline) else {}
            if leaves:
                found[str(reference)] = leaves
        return found

    def _outline(self, reference: Reference) -> Outline | None:
        return self._state.documents[reference].outline

    def _fields(self, reference: Reference, outline: Outline) -> Mapping[str, Leaves]:
        """Return the leaves of a document by the first of their keys."""
        if reference not in self._by_name:
            fields: dict[str, dict[tuple[str, ...], Leaf]] = defaultdict(dict)
            for (_, keys), leaf in outline.leaves.items():
                if keys:
                    fields[keys[0]][keys[1:]] = leaf
            self._by_name[reference] = fields
        return self._by_name[reference]


def same(before: Leaves, after: Leaves) -> bool:
    """Whether a value is stored equally, wherever it is stored."""
    return before.keys() == after.keys() and all(leaf.same_as(after[name]) for name, leaf in before.items())


def is_manifests(outline: Outline) -> bool:
    """Whether any part of a document looks like a Kubernetes object."""
    names: dict[int, set[str]] = defaultdict(set)
    for number, keys in outline.leaves:
        names[number].update(keys[:1])
    return any(names_of_part >= MANIFEST for names_of_part in names.values())


def _field(outline: Outline, field: str | None) -> Leaves:
    """Return the leaves of a field, whose name may be dotted, or of the whole document."""
    if field is None:
        return {(str(number), *keys): leaf for (number, keys), leaf in outline.leaves.items()}
    found = {}
    for (_, keys), leaf in outline.leaves.items():
        name = ".".join(keys)
        if name == field or name.startswith(f"{field}."):
            found[tuple(name[len(field) :].split(".")[1:])] = leaf
    return found


def _manifest_key(outline: Outline, id_: ObjectId, key: str) -> Leaves:
    parts = {
        number
        for number, keys in outline.leaves
        if _shows(outline, (number, ("kind",)), id_.kind) and _shows(outline, (number, ("metadata", "name")), id_.name)
    }
    return {
        keys: leaf
        for (number, keys), leaf in outline.leaves.items()
        if number in parts and keys[:1] and keys[0] in _SECTIONS and keys[1:] == (key,)
    }


def _shows(outline: Outline, place: tuple[int, tuple[str, ...]], text: str) -> bool:
    """Whether a value is in clear and is this text."""
    leaf = outline.leaves.get(place)
    return leaf is not None and [value.reveal() for value in leaf.clear] == [text.encode()]
