"""Reads the JSON store, on which the binary store is based: one object, with numbers as sops reads them."""

import json
from typing import Final, NoReturn

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import scalars, tree
from bridge_providers.sops.tree import Stored, Tree

_WORDS: Final = {None: (b"", Kind.NULL), True: (b"true", Kind.BOOLEAN), False: (b"false", Kind.BOOLEAN)}


def load(data: bytes) -> Stored:
    """Read an encrypted JSON file."""
    return tree.take_metadata(documents(data))


def documents(data: bytes) -> list[dict[str, Tree]]:
    """Read the one object of a file, encrypted or not."""
    return [_Builder().document(_parse(data))]


class _Broken(Exception):
    """JSON that Python's parser accepts and sops does not; the text says why, without a value."""


class _Pairs(list[tuple[str, object]]):
    """An object's entries in order, duplicates included."""


def _parse(data: bytes) -> object:
    """Parse the text without changing a number or losing a duplicate key."""
    problem = ""
    try:
        return decoder().decode(data.decode())
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} is not valid JSON"
    except UnicodeDecodeError:
        problem = "is not valid UTF-8"
    except RecursionError:
        problem = str(tree.too_deep())
    except _Broken as error:
        problem = str(error)
    # Raise outside the handlers, so that the parser's error, which contains the whole file, is not chained.
    raise ProviderError(problem)


def decoder() -> json.JSONDecoder:
    """Return a parser that changes no number and loses no duplicate key."""
    return json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_whole, parse_float=_fraction, parse_constant=_constant)


def is_exact(number: SecretValue) -> bool:
    """Return whether a number in clear reads back with the same text."""
    try:
        parsed = decoder().decode(number.reveal().decode())
    except (ValueError, _Broken):
        return False
    return isinstance(parsed, SecretValue) and parsed.same_as(number)


def _whole(text: str) -> SecretValue:
    """Read a number without point or exponent: exact within 64 bits, a float beyond."""
    # 20 characters hold every 64-bit number with its sign.
    if len(text) <= 20 and -(2**63) <= int(text) < 2**63:
        return scalars.number(str(int(text)))
    return _fraction(text)


def _fraction(text: str) -> SecretValue:
    """Read a number as a float."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Broken("contains a number that is too large")
    return scalars.number(scalars.float_text(value))


def _constant(_: str) -> NoReturn:
    """Refuse NaN and Infinity, which are not JSON."""
    raise _Broken("is not valid JSON: it contains NaN or Infinity")


def leaf(value: object) -> SecretValue:
    """Wrap what the parser returns for anything but an object or a list."""
    if isinstance(value, str):
        return SecretValue(_encode(value))
    if isinstance(value, SecretValue):
        return value
    assert value is None or isinstance(value, bool)
    return SecretValue(*_WORDS[value])


class _Builder:
    """Makes a tree of what the parser returns, within bounds."""

    def __init__(self) -> None:
        self._values = 0

    def document(self, root: object) -> dict[str, Tree]:
        """Build the one object of the file."""
        if not isinstance(root, _Pairs):
            raise ProviderError("is not a JSON object")
        return self._object(root, 0)

    def _node(self, value: object, depth: int) -> Tree:
        """Build any value."""
        self._values += 1
        if self._values > tree.MAX_VALUES:
            raise tree.too_many()
        if not isinstance(value, list):
            return leaf(value)
        if depth >= tree.MAX_DEPTH:
            raise tree.too_deep()
        if isinstance(value, _Pairs):
            return self._object(value, depth)
        return [self._node(item, depth + 1) for item in value]

    def _object(self, pairs: _Pairs, depth: int) -> dict[str, Tree]:
        """Build an object."""
        entries: dict[str, Tree] = {}
        for key, value in pairs:
            _encode(key)
            if key in entries:
                raise ProviderError(f"duplicate key {tree.name([key])} in one object")
            entries[key] = self._node(value, depth + 1)
        return entries


def _encode(text: str) -> bytes:
    """Return the UTF-8 of a text; a lone surrogate, which sops never writes, is refused."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Raise outside the handler, so that the codec error, which contains the text, is not chained.
    raise ProviderError("contains text that is not valid Unicode")
