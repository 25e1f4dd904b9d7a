"""Picks a field of a document and turns it into one value."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, TypeAlias

from bridge.config.reference import Reference
from bridge.errors import Problem
from bridge.exact_json import JsonError, dump_json, quoted
from bridge.provider import Document, Node
from bridge.secret import Kind, SecretValue

LONGEST: Final = 500
"""Maximum length of each text in a provider's problem; bridge's own texts are a fifth of that."""
Place: TypeAlias = tuple[int, tuple[str, ...]]
"""The place of a value in a document: the index of the mapping, and the keys that lead to the value."""
MANIFEST_KEYS: Final = frozenset({"apiVersion", "kind", "metadata"})


def located(reference: Reference, problem: Problem) -> Problem:
    """Prefix a problem in a document with the document's reference; overlong provider texts are shortened."""
    place, what, hint = (_cut(text) for text in (problem.where, problem.what, problem.hint))
    return problem._replace(where=f"{reference}: {place}" if place else str(reference), what=what, hint=hint)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


class FieldError(Exception):
    """A field is absent or unusable; the message says why and contains no value."""


def top_level(document: Document) -> Mapping[str, Node]:
    """Return the fields of all mappings in a document; FieldError if it is opaque or gives a field twice."""
    if isinstance(document.content, SecretValue):
        raise FieldError("is a single value without fields")
    merged: dict[str, Node] = {}
    for mapping in document.content:
        twice = merged.keys() & mapping.keys()
        if twice:
            raise FieldError(f"more than one of its documents gives {', '.join(sorted(twice))}")
        merged.update(mapping)
    return merged


def is_manifests(document: Document) -> bool:
    """Whether any part of a document looks like a Kubernetes object."""
    return not isinstance(document.content, SecretValue) and any(
        mapping.keys() >= MANIFEST_KEYS for mapping in document.content
    )


def pick(document: Document, field: str | None) -> SecretValue:
    """Return the value of a field (`a`, or `a.b` if no field has that exact name), or the whole document.

    A structured value becomes compact JSON, unless it is a whole document and the store keeps its text. FieldError if
    the value is absent or null.
    """
    if field is None:
        if document.whole is not None:
            return document.whole
        if isinstance(document.content, SecretValue):
            return document.content
        if len(document.content) == 1:
            return as_value(document.content[0])
        raise FieldError("has more than one document; name a field")
    node: Node = top_level(document)
    path = _path(node, field)
    if path is None:
        raise FieldError(f"has no field {field}")
    for name in path:
        assert isinstance(node, Mapping)
        node = node[name]
    return as_value(node)


def place(document: Document, field: str | None) -> Place:
    """Return the place of a field that `pick` has found; None for a whole document."""
    if field is not None and not isinstance(document.content, SecretValue):
        for index, mapping in enumerate(document.content):
            path = _path(mapping, field)
            if path is not None:
                return index, path
    return 0, ()


def _path(node: Node, field: str) -> tuple[str, ...] | None:
    """Follow a dotted path. At each level, the longest literal name takes precedence over the nested one."""
    if not isinstance(node, Mapping):
        return None
    if field in node:
        return (field,)
    parts = field.split(".")
    for count in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:count])
        if head in node:
            below = _path(node[head], ".".join(parts[count:]))
            if below is not None:
                return (head, *below)
    return None


def as_value(node: Node) -> SecretValue:
    """Turn a node into one value; FieldError for null, and for what cannot be written as JSON."""
    if isinstance(node, SecretValue):
        if node.kind is Kind.NULL:
            raise FieldError("is null")
        return node
    try:
        return SecretValue.of(dump_json(node))
    except JsonError as error:
        raise FieldError(str(error)) from None


def json_escaped(value: SecretValue) -> SecretValue:
    """Return a text as it is written within the quotes of a JSON string."""
    return SecretValue.of(quoted(value.reveal().decode())[1:-1])


def decoded(value: SecretValue) -> SecretValue:
    """Decode a standard base64 value; white space between lines is allowed. FieldError for anything else."""
    try:
        data = base64.b64decode(b"".join(value.reveal().split()), validate=True)
    except binascii.Error:
        data = None
    if data is None:
        raise FieldError("is not valid base64")
    return SecretValue(data, Kind.BYTES)
