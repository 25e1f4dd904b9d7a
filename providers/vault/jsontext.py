"""JSON whose numbers keep their text: `1.10`, `1e5` and `12345678901234567890` come out as they were written."""

import json
from collections.abc import Mapping
from typing import Any, Final

from bridge.provider import Kind, Node, ProviderError, SecretValue

_CONSTANTS: Final = {
    None: SecretValue(b"", Kind.NULL),
    True: SecretValue(b"true", Kind.BOOLEAN),
    False: SecretValue(b"false", Kind.BOOLEAN),
}


def parse(data: bytes) -> Mapping[str, Node] | None:
    """Read an object; None where the bytes are anything else."""
    try:
        found: object = json.loads(data, parse_int=_number, parse_float=_number, parse_constant=_refuse)
        return _wrapped_object(found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        # None and not an error: the parser's error would hold the whole text.
        return None


def write(node: Node) -> bytes:
    """Write compact JSON with the numbers' own text; ProviderError for bytes that JSON cannot hold."""
    if isinstance(node, SecretValue):
        return _leaf(node)
    if isinstance(node, Mapping):
        return b"{" + b",".join(_quoted(name) + b":" + write(child) for name, child in node.items()) + b"}"
    return b"[" + b",".join(map(write, node)) + b"]"


def _number(text: str) -> SecretValue:
    return SecretValue(text.encode(), Kind.NUMBER)


def _refuse(_: str) -> None:
    raise ValueError


def _wrapped_object(found: Mapping[str, Any]) -> Mapping[str, Node]:
    return {name: _wrapped(child) for name, child in found.items()}


def _wrapped(found: Any) -> Node:  # noqa: ANN401 - what a parser gives
    if isinstance(found, SecretValue):
        return found
    if isinstance(found, str):
        return SecretValue.of(found)
    if isinstance(found, dict):
        return _wrapped_object(found)
    if isinstance(found, list):
        return [_wrapped(child) for child in found]
    return _CONSTANTS[found]


def _leaf(leaf: SecretValue) -> bytes:
    if leaf.kind is Kind.NULL:
        return b"null"
    if leaf.kind in (Kind.NUMBER, Kind.BOOLEAN):
        return leaf.reveal()
    if not leaf.is_text():
        raise ProviderError("a value is not text, and Vault keeps only text", hint="store it as base64")
    return _quoted(leaf.reveal().decode())


def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
