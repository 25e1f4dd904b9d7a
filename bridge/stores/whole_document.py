"""Replaces a whole document with another: what that changes, by name only, and what is written."""

from collections.abc import Iterator, Mapping, Sequence

from bridge.named_tuple import NamedTuple
from bridge.provider import Document, Kind, Node, ProviderError
from bridge.secret import SecretValue
from bridge.sources.manifest_document import SECTIONS, identify
from bridge.sources.select import is_manifests
from bridge.stores.write import AGAIN


class DocumentDifference(NamedTuple):
    """The names of the values that change, are added and are removed."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


class Whole(NamedTuple):
    """A document that replaces the current one (None: there is none yet); a `DocumentChange`."""

    wanted: Document
    seen: Document | None

    @property
    def is_needed(self) -> bool:
        """True if the two documents differ."""
        return self.seen is None or not self.holds(self.seen)

    @property
    def difference(self) -> DocumentDifference:
        """The names of the values that change."""
        old, new = dict(_values(self.seen)), dict(_values(self.wanted))
        changed = tuple(name for name in new if name in old and not _same(new[name], old[name]))
        added = tuple(name for name in new if name not in old)
        removed = tuple(name for name in old if name not in new)
        return DocumentDifference(changed, added, removed)

    def applied_to(self, present: Document | None) -> Document:
        """Return the document to write; ProviderError if it has changed since the decision."""
        seen = self.seen.revision if self.seen else None
        if (present.revision if present else None) != seen:
            raise ProviderError("the document has changed in the meantime; nothing was written", hint=AGAIN)
        return grafted(self.wanted, present)

    def holds(self, document: Document) -> bool:
        """Return whether a document has exactly these values."""
        content, wanted = document.content, self.wanted.content
        if isinstance(content, SecretValue) or isinstance(wanted, SecretValue):
            return isinstance(content, SecretValue) and isinstance(wanted, SecretValue) and _same(content, wanted)
        if document.whole is not None and self.wanted.whole is not None:
            return document.whole.same_as(self.wanted.whole)
        return _same(content, wanted)


def grafted(document: Document, present: Document | None) -> Document:
    """Return the document with the very nodes of the present document wherever they are unchanged."""
    content = document.content
    if present is None or isinstance(content, SecretValue) or isinstance(present.content, SecretValue):
        return document
    old = present.content
    mappings = (_mapping(new, old[index]) if index < len(old) else new for index, new in enumerate(content))
    return document._replace(content=tuple(mappings))


def _mapping(new: Mapping[str, Node], old: Mapping[str, Node]) -> Mapping[str, Node]:
    return {key: _grafted(child, old[key]) if key in old else child for key, child in new.items()}


def _grafted(new: Node, old: Node) -> Node:
    if _same(new, old):
        return old
    return _mapping(new, old) if isinstance(new, Mapping) and isinstance(old, Mapping) else new


def _same(first: Node, second: Node) -> bool:
    """Compare two trees leaf by leaf, including kinds; ignore the order of a mapping's keys."""
    if isinstance(first, SecretValue) or isinstance(second, SecretValue):
        both = isinstance(first, SecretValue) and isinstance(second, SecretValue)
        return both and _kind(first) is _kind(second) and first.same_as(second)  # type: ignore[arg-type, union-attr]
    if isinstance(first, Mapping) or isinstance(second, Mapping):
        if not (isinstance(first, Mapping) and isinstance(second, Mapping)):
            return False
        return first.keys() == second.keys() and all(_same(child, second[key]) for key, child in first.items())
    return len(first) == len(second) and all(map(_same, first, second))


def _kind(leaf: SecretValue) -> Kind:
    """Return a leaf's kind; bytes that are valid text count as text."""
    return Kind.TEXT if leaf.kind is Kind.BYTES and leaf.is_text() else leaf.kind


def _values(document: Document | None) -> Iterator[tuple[str, Node]]:
    """Yield the values in a document by name: an object's keys, fields, or its single value."""
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
