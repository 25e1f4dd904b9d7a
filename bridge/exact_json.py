"""JSON as a tree of secret values. Numbers such as `1.10`, `1e5` and `12345678901234567890` keep their exact text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from bridge.secret import Kind, SecretValue

DEPTH: Final = 256
"""The maximum nesting that is written, far below Python's recursion limit."""

Node: TypeAlias = SecretValue | Sequence["Node"] | Mapping[str, "Node"]
"""A tree as in a document; every leaf is a SecretValue, including numbers, booleans and nulls."""

_WORDS: Final = {None: (b"", Kind.NULL), True: (b"true", Kind.BOOLEAN), False: (b"false", Kind.BOOLEAN)}


class JsonError(Exception):
    """Data cannot be read or written as JSON. `str()` is the reason, such as "is not valid JSON", without values."""

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class DuplicateKeyError(JsonError):
    """An object contains a key twice, so it is unclear which value counts."""


def parse_json(data: bytes) -> Node:
    """Parse UTF-8 JSON; raise JsonError, or DuplicateKeyError if an object contains a key twice."""
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
    except JsonError as caught:
        error = type(caught)(str(caught))
    except json.JSONDecodeError as caught:
        error = JsonError(f"is not valid JSON (line {caught.lineno})")
    except UnicodeDecodeError:
        error = JsonError("is not valid UTF-8")
    except ValueError:
        error = JsonError("contains text that is not valid Unicode")
    except RecursionError:
        error = JsonError("is nested too deeply")
    # Raise outside the handler, so that the parser's error, which contains the whole text, is not chained.
    raise error


def dump_json(node: Node) -> str:
    """Return compact JSON with the keys in their original order.

    Raises JsonError for bytes that are not text, for more than DEPTH levels, and for a key that is not valid Unicode.
    """
    text = _encoded(node, DEPTH)
    try:
        text.encode()
    except UnicodeEncodeError:
        pass  # raised below, because the codec's error contains the text
    else:
        return text
    raise JsonError("has a key that is not valid Unicode")


def quoted(text: str) -> str:
    """Format a text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Node]:
    built: dict[str, Node] = {}
    for key, child in pairs:
        key.encode()  # ValueError for a lone surrogate
        if key in built:
            raise DuplicateKeyError("contains a key twice in one object")
        built[key] = _node(child)
    return built


def _node(parsed: Any) -> Node:  # noqa: ANN401 - the parser's result
    if isinstance(parsed, (SecretValue, dict)):
        return parsed
    if isinstance(parsed, str):
        return SecretValue.of(parsed)
    if isinstance(parsed, list):
        return [_node(child) for child in parsed]
    return SecretValue(*_WORDS[parsed])


def _number(text: str) -> SecretValue:
    return SecretValue(text.encode(), Kind.NUMBER)


def _refuse_constant(_: str) -> NoReturn:
    raise JsonError("is not valid JSON: it contains NaN or Infinity")


def _encoded(node: Node, depth: int) -> str:
    if isinstance(node, SecretValue):
        return _leaf(node)
    if not depth:
        raise JsonError(f"is nested deeper than {DEPTH} levels")
    if isinstance(node, Mapping):
        return "{" + ",".join(f"{quoted(key)}:{_encoded(child, depth - 1)}" for key, child in node.items()) + "}"
    return "[" + ",".join(_encoded(child, depth - 1) for child in node) + "]"


def _leaf(leaf: SecretValue) -> str:
    if leaf.kind is Kind.NULL:
        return "null"
    if not leaf.is_text():
        raise JsonError("contains bytes that are not text, so it cannot be written as JSON", hint="store it as base64")
    text = leaf.reveal().decode()
    return text if leaf.kind in (Kind.NUMBER, Kind.BOOLEAN) else quoted(text)
