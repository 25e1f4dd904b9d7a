"""JSON as a tree of secret values. Numbers keep their text: `1.10`, `1e5` and `12345678901234567890` stay the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from bridge.secret import Kind, SecretValue

DEPTH: Final = 256
"""Levels of nesting that are written; far from what Python's recursion can bear."""

Node: TypeAlias = SecretValue | Sequence["Node"] | Mapping[str, "Node"]
"""A tree as it stands in a document; every leaf is a SecretValue, also numbers, booleans and nulls."""

_WORDS: Final = {None: (b"", Kind.NULL), True: (b"true", Kind.BOOLEAN), False: (b"false", Kind.BOOLEAN)}


class JsonError(Exception):
    """What cannot be read or written as JSON. `str()` says why, as in "is not valid JSON", and holds no value."""

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class DuplicateKeyError(JsonError):
    """An object has a key twice: nobody can say which value counts."""


def parse_json(data: bytes) -> Node:
    """Read UTF-8 JSON; raises JsonError, and DuplicateKeyError for an object that has a key twice."""
    error: JsonError
    try:
        return _node(
            json.loads(
                data.decode(),
                object_pairs_hook=_object,
                parse_int=_number,
                parse_float=_number,
                parse_constant=_refuse_constant,
            )
        )
    except JsonError as found:
        error = type(found)(str(found))
    except json.JSONDecodeError as found:
        error = JsonError(f"is not valid JSON (line {found.lineno})")
    except UnicodeDecodeError:
        error = JsonError("is not valid UTF-8")
    except ValueError:
        error = JsonError("holds text that is not valid Unicode")
    except RecursionError:
        error = JsonError("is nested too deeply")
    # Raised here and not in a handler: the parser's error holds the whole text.
    raise error


def dump_json(node: Node) -> str:
    """Write compact JSON, with the keys in their order.

    Raises JsonError for bytes that are not text, for more than DEPTH levels, and for a key that is not valid Unicode.
    """
    text = _written(node, DEPTH)
    try:
        text.encode()
    except UnicodeEncodeError:
        pass  # raised below: the codec's error holds the text
    else:
        return text
    raise JsonError("has a key that is not valid Unicode")


def quoted(text: str) -> str:
    """Return a text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Node]:
    built: dict[str, Node] = {}
    for key, child in pairs:
        key.encode()  # ValueError for a lone surrogate
        if key in built:
            raise DuplicateKeyError("has a key twice in one object")
        built[key] = _node(child)
    return built


def _node(found: Any) -> Node:  # noqa: ANN401 - what the parser gives
    if isinstance(found, (SecretValue, dict)):
        return found
    if isinstance(found, str):
        return SecretValue.of(found)
    if isinstance(found, list):
        return [_node(child) for child in found]
    return SecretValue(*_WORDS[found])


def _number(text: str) -> SecretValue:
    return SecretValue(text.encode(), Kind.NUMBER)


def _refuse_constant(_: str) -> NoReturn:
    raise JsonError("is not valid JSON: it holds NaN or Infinity")


def _written(node: Node, depth: int) -> str:
    if isinstance(node, SecretValue):
        return _leaf(node)
    if not depth:
        raise JsonError(f"is nested deeper than {DEPTH} levels")
    if isinstance(node, Mapping):
        return "{" + ",".join(f"{quoted(key)}:{_written(child, depth - 1)}" for key, child in node.items()) + "}"
    return "[" + ",".join(_written(child, depth - 1) for child in node) + "]"


def _leaf(leaf: SecretValue) -> str:
    if leaf.kind is Kind.NULL:
        return "null"
    if not leaf.is_text():
        raise JsonError("holds bytes that are not text, so it cannot be written as JSON", hint="store it as base64")
    text = leaf.reveal().decode()
    return text if leaf.kind in (Kind.NUMBER, Kind.BOOLEAN) else quoted(text)
