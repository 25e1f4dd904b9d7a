"""Locates a value in a document, and replaces it without changing anything else."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.config.reference import Reference
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Document, Node, Revision
from bridge.secret import Kind, SecretValue
from bridge.sources.manifest_document import ENCODED, SECTIONS, identify
from bridge.sources.select import FieldError, decoded, is_manifests, pick, top_level

NOWHERE: Final = Revision("")
"""The revision of a document that is not written yet; a Writer assigns one."""


class Slot(NamedTuple):
    """The location of a value: a key of an object in manifests, else a field, else (no field) the whole document.

    `base64` is true if the value is stored in base64.
    """

    field: str | None = None
    object: ObjectId | None = None
    base64: bool = False

    def within(self, reference: Reference) -> str:
        """Format the location with the document's reference."""
        if self.object:
            return f"{reference} {self.object} key {self.field}"
        return str(reference._replace(field=self.field))


def value_at(document: Document | None, slot: Slot) -> SecretValue | None:
    """Return the value in the slot, decoded if possible, or None if it is absent or null."""
    if document is None:
        return None
    if slot.object:
        return _key(document, slot.object, slot.field or "")
    try:
        value = pick(document, slot.field)
    except FieldError:
        return None
    return _decoded(value) if slot.base64 else value


def with_value(document: Document | None, slot: Slot, value: SecretValue) -> Document:
    """Return the document with this value in the slot; FieldError if it does not fit."""
    leaf = SecretValue(value.reveal(), Kind.TEXT if value.is_text() else Kind.BYTES)
    if slot.object:
        assert slot.field is not None
        return Document(_with_key(_mappings(document), slot.object, slot.field, leaf), NOWHERE)
    if slot.base64:
        leaf = _encoded(leaf)
    if slot.field is None:
        if document and not isinstance(document.content, SecretValue):
            raise FieldError("has fields, which would all be replaced")
        return Document(leaf, NOWHERE)
    if document and is_manifests(document):
        raise FieldError("consists of manifests, which only hold keys of objects")
    return Document(_with_field(_mappings(document), slot.field, leaf), NOWHERE)


def _decoded(value: SecretValue) -> SecretValue:
    try:
        return decoded(value)
    except FieldError:
        return value


def _encoded(value: SecretValue) -> SecretValue:
    return SecretValue(base64.b64encode(value.reveal()))


def _mappings(document: Document | None) -> tuple[Mapping[str, Node], ...]:
    if document is None:
        return ()
    if isinstance(document.content, SecretValue):
        raise FieldError("is a single value without fields")
    return document.content


def node_at(document: Document | None, index: int, keys: Sequence[str]) -> Node | None:
    """Return the node at a path of keys in a document, or None if it does not exist."""
    mappings = _mappings(document)
    node: Node | None = mappings[index] if index < len(mappings) else None
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


# Fields


def _with_field(
    mappings: tuple[Mapping[str, Node], ...], field: str, leaf: SecretValue
) -> tuple[Mapping[str, Node], ...]:
    """Put the field where it is; a new field goes into the last of several mappings."""
    if not mappings:
        return (_nested({}, field, leaf),)
    top_level(Document(mappings, NOWHERE))  # refuses a field that is given twice
    for index, mapping in enumerate(mappings):
        if _has(mapping, field):
            return (*mappings[:index], _nested(mapping, field, leaf), *mappings[index + 1 :])
    return (*mappings[:-1], _nested(mappings[-1], field, leaf))


def _nested(mapping: Mapping[str, Node], field: str, leaf: SecretValue) -> Mapping[str, Node]:
    """Follow a dotted path as `pick` does: the longest literal name that leads to it, else one mapping per part."""
    if field in mapping or "." not in field:
        return {**mapping, field: leaf}
    head, rest = next((split for split in _splits(field) if _leads_to(mapping, *split)), field.split(".", 1))
    child = mapping.get(head, {})
    if not isinstance(child, Mapping):
        raise FieldError(f"cannot hold {field}: {head} is a value, not a mapping")
    return {**mapping, head: _nested(child, rest, leaf)}


def _splits(field: str) -> Iterator[Sequence[str]]:
    parts = field.split(".")
    for count in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:count]), ".".join(parts[count:])


def _leads_to(mapping: Mapping[str, Node], head: str, rest: str) -> bool:
    return _has(mapping.get(head), rest)


def _has(node: Node | None, field: str) -> bool:
    if not isinstance(node, Mapping):
        return False
    return field in node or any(_leads_to(node, *split) for split in _splits(field))


# Keys of objects


def _key(document: Document, id_: ObjectId, key: str) -> SecretValue | None:
    current: SecretValue | None = None
    for mapping in _mappings(document):
        if identify(mapping, None) == id_:
            for section in SECTIONS[id_.kind]:  # the later section takes precedence, as in the API server
                value = _section(mapping, section).get(key)
                if isinstance(value, SecretValue) and value.kind is not Kind.NULL:
                    current = _decoded(value) if (id_.kind, section) in ENCODED else value
    return current


def _with_key(
    mappings: tuple[Mapping[str, Node], ...], id_: ObjectId, key: str, leaf: SecretValue
) -> tuple[Mapping[str, Node], ...]:
    """Put the key where it is, else into the object's first manifest, else into a new manifest."""
    ours = [index for index, mapping in enumerate(mappings) if identify(mapping, None) == id_]
    if not ours:
        named = {"name": SecretValue.of(id_.name)}
        texts = {"apiVersion": SecretValue.of("v1"), "kind": SecretValue.of(id_.kind)}
        manifest: Mapping[str, Node] = {**texts, "metadata": named}
        return (*mappings, _with_entry(manifest, id_.kind, key, leaf))
    has = [index for index in ours if any(key in _section(mappings[index], name) for name in SECTIONS[id_.kind])]
    index = (has or ours)[0]
    return (*mappings[:index], _with_entry(mappings[index], id_.kind, key, leaf), *mappings[index + 1 :])


def _with_entry(mapping: Mapping[str, Node], kind: str, key: str, leaf: SecretValue) -> Mapping[str, Node]:
    sections = SECTIONS[kind]
    present = [section for section in sections if key in _section(mapping, section)]
    plain, encoded = sorted(sections, key=lambda section: (kind, section) in ENCODED)
    # A new text goes to the section for text, unless all of the object's keys are in base64.
    new = encoded if not leaf.is_text() or (_section(mapping, encoded) and not _section(mapping, plain)) else plain
    section = present[-1] if present else new
    if (kind, section) in ENCODED:
        leaf = _encoded(leaf)
    elif not leaf.is_text():
        raise FieldError(f"cannot hold key {key} in {section}: the value is not text")
    return {**mapping, section: {**_section(mapping, section), key: leaf}}


def _section(mapping: Mapping[str, Node], section: str) -> Mapping[str, Node]:
    node = mapping.get(section)
    return node if isinstance(node, Mapping) else {}
