"""Finds where a variable's value would come from, by the names that documents show without a key."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from bridge.config.reference import Reference
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Leaf, Outline
from bridge.review.state import Side

Leaves: TypeAlias = Mapping[tuple[str, ...], Leaf]
"""How a value is stored: the leaves below its name."""
MANIFEST: Final = frozenset({"apiVersion", "kind", "metadata"})
SECTIONS: Final = frozenset({"data", "stringData", "binaryData"})
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
        self._unknown: Final[list[tuple[int, str]]] = []  # the sources whose names are not visible, with their places
        self._fields: Final[dict[str, tuple[int, str, Leaves]]] = {}  # the first source that has each name
        self._keys: Final[dict[tuple[ObjectId, str], dict[str, Leaves]]] = {}
        for position, reference in enumerate(state.environment.sources if state.environment else ()):
            self._add(position, reference)

    def _add(self, position: int, reference: Reference) -> None:
        outline, name = self._state.documents[reference].outline, str(reference)
        if outline is None:
            self._unknown.append((position, name))
        elif is_manifests(outline):
            for key, leaves in _manifest_keys(outline):
                self._keys.setdefault(key, {})[name] = leaves
        else:
            for field, leaves in _by_field(outline).items():
                self._fields.setdefault(field, (position, name, leaves))

    def of(self, name: str) -> Given:
        """Return where a variable's value comes from."""
        environment = self._state.environment
        assert environment is not None  # only an environment has variables
        variable = environment.variables.get(name)
        if variable is not None:
            outline = self._state.documents[variable.reference.document].outline
            leaves = None if outline is None else _field(outline, variable.reference.field)
            return Given((str(variable.reference),), leaves, variable.decode)
        position, source, leaves = self._fields.get(name, (len(environment.sources), "", {}))
        possible = [other for at, other in self._unknown if at < position]
        return Given((*possible, *filter(None, [source])), None if possible else leaves)

    def of_key(self, id_: ObjectId, key: str) -> Mapping[str, Leaves]:
        """Return how the manifests in documents store a key, if they show which object they are."""
        return self._keys.get((id_, key), {})


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


def _by_field(outline: Outline) -> Mapping[str, Leaves]:
    """Return the leaves of a document by the first of their keys."""
    fields: dict[str, dict[tuple[str, ...], Leaf]] = defaultdict(dict)
    for (_, keys), leaf in outline.leaves.items():
        if keys:
            fields[keys[0]][keys[1:]] = leaf
    return fields


def _manifest_keys(outline: Outline) -> Iterator[tuple[tuple[ObjectId, str], Leaves]]:
    """Yield the keys of the objects in a document that show their kind and name."""
    for (number, keys), leaf in outline.leaves.items():
        if len(keys) == 2 and keys[0] in SECTIONS:
            kind, name = (_text(outline, number, *place) for place in (("kind",), ("metadata", "name")))
            if kind and name:
                yield (ObjectId(kind, name), keys[1]), {keys: leaf}


def _text(outline: Outline, number: int, *keys: str) -> str:
    """Return a plaintext value. It is only compared with our own names, and never shown."""
    leaf = outline.leaves.get((number, keys))
    return leaf.clear[0].reveal().decode(errors="replace") if leaf and len(leaf.clear) == 1 else ""
