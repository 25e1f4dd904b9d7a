"""Picks a field of a document and makes one value of what is found."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from bridge.config.reference import Reference
from bridge.errors import Problem
from bridge.exact_json import JsonError, dump_json, quoted
from bridge.provider import Document, Node
from bridge.secret import Kind, SecretValue

LONGEST: Final = 500
"""Characters of each text in a provider's problem; ours have a fifth of that."""
MANIFEST_KEYS: Final = frozenset({"apiVersion", "kind", "metadata"})


def located(reference: Reference, problem: Problem) -> Problem:
    """Put a document's reference in front of a problem in it; a provider's text is cut if it is endless."""
    place, what, hint = (_cut(text) for text in (problem.where, problem.what, problem.hint))
    return problem._replace(where=f"{reference}: {place}" if place else str(reference), what=what, hint=hint)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


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
    try:
        return SecretValue.of(dump_json(node))
    except JsonError as error:
        raise FieldError(str(error)) from None


def json_escaped(value: SecretValue) -> SecretValue:
    """Return a text as it stands within the quotes of a JSON text."""
    return SecretValue.of(quoted(value.reveal().decode())[1:-1])


def decoded(value: SecretValue) -> SecretValue:
    """Decode a value that holds standard base64, white space around lines allowed; FieldError for anything else."""
    try:
        data = base64.b64decode(b"".join(value.reveal().split()), validate=True)
    except binascii.Error:
        data = None
    if data is None:
        raise FieldError("is not valid base64")
    return SecretValue(data, Kind.BYTES)
