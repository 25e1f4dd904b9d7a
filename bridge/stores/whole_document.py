"""A whole document in the place of another one: what that changes, by name alone, and what is written."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bridge.provider import Document, Kind, Node, ProviderError
from bridge.secret import SecretValue
from bridge.sources.manifest_document import SECTIONS, identify
from bridge.sources.select import is_manifests
from bridge.stores.write import AGAIN


class Difference(NamedTuple):
    """The names of the values that change, come and go."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


class Whole(NamedTuple):
    """A document that is to replace the one that is there (None: there is none); a `bridge.stores.write.Change`."""

    wanted: Document
    seen: Document | None

    @property
    def is_needed(self) -> bool:
        """Say whether the two differ."""
        return self.seen is None or not self.holds(self.seen)

    @property
    def difference(self) -> Difference:
        """Name what replacing it does."""
        old, new = dict(_values(self.seen)), dict(_values(self.wanted))
        changed = tuple(name for name in new if name in old and not _same(new[name], old[name]))
        added, removed = (tuple(name for name in one if name not in other) for one, other in ((new, old), (old, new)))
        return Difference(changed, added, removed)

    def made(self, present: Document | None) -> Document:
        """Return the document to write; ProviderError where somebody wrote since it was decided."""
        seen = self.seen.revision if self.seen else None
        if (present.revision if present else None) != seen:
            raise ProviderError("it was changed meanwhile by somebody else; nothing was written", hint=AGAIN)
        return grafted(self.wanted, present)

    def holds(self, document: Document) -> bool:
        """Say whether a document has all these values, and no others."""
        one, other = document.content, self.wanted.content
        if isinstance(one, SecretValue) or isinstance(other, SecretValue):
            return isinstance(one, SecretValue) and isinstance(other, SecretValue) and _same(one, other)
        if document.whole is not None and self.wanted.whole is not None:
            return document.whole.same_as(self.wanted.whole)
        return _same(one, other)


def grafted(document: Document, present: Document | None) -> Document:
    """Return the document with the very nodes of the present one where they are the same: those nobody touches."""
    content = document.content
    if present is None or isinstance(content, SecretValue) or isinstance(present.content, SecretValue):
        return document
    old = present.content
    mappings = (_mapping(one, old[index]) if index < len(old) else one for index, one in enumerate(content))
    return document._replace(content=tuple(mappings))


def _mapping(new: Mapping[str, Node], old: Mapping[str, Node]) -> Mapping[str, Node]:
    return {key: _grafted(child, old[key]) if key in old else child for key, child in new.items()}


def _grafted(new: Node, old: Node) -> Node:
    if _same(new, old):
        return old
    return _mapping(new, old) if isinstance(new, Mapping) and isinstance(old, Mapping) else new


def _same(one: Node, other: Node) -> bool:
    """Compare two trees leaf by leaf, their kinds too; the order of a mapping's keys does not count."""
    if isinstance(one, SecretValue) or isinstance(other, SecretValue):
        both = isinstance(one, SecretValue) and isinstance(other, SecretValue)
        return both and _kind(one) is _kind(other) and one.same_as(other)  # type: ignore[arg-type, union-attr]
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
            return False
        return one.keys() == other.keys() and all(_same(child, other[key]) for key, child in one.items())
    return len(one) == len(other) and all(map(_same, one, other))


def _kind(leaf: SecretValue) -> Kind:
    """Return a leaf's kind; bytes that are a text are the text."""
    return Kind.TEXT if leaf.kind is Kind.BYTES and leaf.is_text() else leaf.kind


def _values(document: Document | None) -> Iterator[tuple[str, Node]]:
    """Yield what a document holds by name: an object's keys, fields, or its one value."""
    content: Sequence[Mapping[str, Node]] | SecretValue = document.content if document else ()
    if isinstance(content, SecretValue):
        yield "its value", content
        return
    manifests = document is not None and is_manifests(document)
    for mapping in content:
        id_ = identify(mapping, None) if manifests else ""
        if isinstance(id_, str):
            yield from mapping.items()
            continue
        for name, node in mapping.items():
            if name in SECTIONS[id_.kind] and isinstance(node, Mapping):
                yield from ((f"{id_} key {key}", child) for key, child in node.items())
            else:
                yield f"{id_} {name}", node
