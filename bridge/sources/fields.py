"""Picks a field of a document and makes one value of what is found."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Final

from bridge.config.reference import Reference
from bridge.errors import Problem
from bridge.provider import Document, Node
from bridge.secret import Kind, SecretValue

DEPTH: Final = 256
"""Levels of nesting that one value may have; far from what Python's recursion can bear."""
MANIFEST_KEYS: Final = frozenset({"apiVersion", "kind", "metadata"})


def located(reference: Reference, problem: Problem) -> Problem:
    """Put a document's reference in front of a problem in it."""
    where = f"{reference}: {problem.where}" if problem.where else str(reference)
    return problem._replace(where=where)


class FieldError(Exception):
    """A field is absent or unfit; the text says why and holds no value."""


def top_level(document: Document) -> Mapping[str, Node]:
    """Return the fields of all mappings of a document; FieldError for an opaque one and for a field given twice."""
    if isinstance(document.content, SecretValue):
        raise FieldError("is one opaque value and has no fields")
    merged: dict[str, Node] = {}
    for mapping in document.content:
        twice = merged.keys() & mapping.keys()
        if twice:
            raise FieldError(f"several of its documents give {', '.join(sorted(twice))}")
        merged.update(mapping)
    return merged


def is_manifests(document: Document) -> bool:
    """Say whether any part of a document looks like a Kubernetes object."""
    return not isinstance(document.content, SecretValue) and any(
        mapping.keys() >= MANIFEST_KEYS for mapping in document.content
    )


def pick(document: Document, field: str | None) -> SecretValue:
    """Return the value of a field (`a`, or `a.b` where no field has that very name), or the whole document.

    What is chosen as a whole and has parts becomes compact JSON, except for a document whose store keeps its text.
    FieldError where it is absent or null.
    """
    if field is None:
        if document.whole is not None:
            return document.whole
        if isinstance(document.content, SecretValue):
            return document.content
        if len(document.content) == 1:
            return as_value(document.content[0])
        raise FieldError("has several documents; name a field")
    node = _find(top_level(document), field)
    if node is None:
        raise FieldError(f"has no field {field}")
    return as_value(node)


def _find(node: Node, field: str) -> Node | None:
    """Follow a dotted path; at each level the longest literal name wins over the nested one."""
    if not isinstance(node, Mapping):
        return None
    if field in node:
        return node[field]
    parts = field.split(".")
    for count in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:count])
        if head in node:
            found = _find(node[head], ".".join(parts[count:]))
            if found is not None:
                return found
    return None


def as_value(node: Node) -> SecretValue:
    """Make one value of a node; FieldError for null, and for what cannot be written as JSON."""
    if isinstance(node, SecretValue):
        if node.kind is Kind.NULL:
            raise FieldError("is null")
        return node
    text = _json(node, DEPTH)
    try:
        return SecretValue.of(text)
    except ValueError:
        pass  # raised below, although this one holds no text
    raise FieldError("has a key that is not valid Unicode")


def _json(node: Node, depth: int) -> str:
    """Write compact JSON, numbers with their literal text, and keys in the document's order."""
    if isinstance(node, SecretValue):
        return _json_leaf(node)
    if not depth:
        raise FieldError(f"is nested deeper than {DEPTH} levels")
    if isinstance(node, Mapping):
        return "{" + ",".join(f"{_quoted(key)}:{_json(child, depth - 1)}" for key, child in node.items()) + "}"
    return "[" + ",".join(_json(child, depth - 1) for child in node) + "]"


def _json_leaf(leaf: SecretValue) -> str:
    if leaf.kind is Kind.NULL:
        return "null"
    if not leaf.is_text():
        raise FieldError("holds bytes that are no text, so it cannot be written as JSON")
    text = leaf.reveal().decode()
    return text if leaf.kind in (Kind.NUMBER, Kind.BOOLEAN) else _quoted(text)


def json_escaped(value: SecretValue) -> SecretValue:
    """Return a text as it stands within the quotes of a JSON text."""
    return SecretValue.of(_quoted(value.reveal().decode())[1:-1])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def decoded(value: SecretValue) -> SecretValue:
    """Decode a value that holds standard base64, white space around lines allowed; FieldError for anything else."""
    try:
        data = base64.b64decode(b"".join(value.reveal().split()), validate=True)
    except binascii.Error:
        data = None
    if data is None:
        raise FieldError("is not valid base64")
    return SecretValue(data, Kind.BYTES)
