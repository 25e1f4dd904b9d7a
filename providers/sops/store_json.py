"""Reads the JSON store, which the binary store is made of: one object, numbers as sops counts them."""

import json
from typing import Final, NoReturn

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import scalars, tree
from bridge_providers.sops.tree import Stored, Tree


def load(data: bytes) -> Stored:
    """Read an encrypted JSON file."""
    return tree.take_metadata([_Builder().document(_parse(data))])


class _Broken(Exception):
    """What Python's parser would take and sops would not; the text says why, without a value."""


class _Pairs(list[tuple[str, object]]):
    """An object's entries in order, duplicates included."""


def _parse(data: bytes) -> object:
    """Parse the text without changing a number or losing a duplicate key."""
    problem = ""
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_Pairs,
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} is not valid JSON"
    except UnicodeDecodeError:
        problem = "is not valid UTF-8"
    except RecursionError:
        problem = str(tree.too_deep())
    except _Broken as error:
        problem = str(error)
    # Raised here and not in a handler: the parser's error holds the whole file.
    raise ProviderError(problem)


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
        raise _Broken("holds a number that is too large")
    return scalars.number(scalars.float_text(value))


def _constant(_: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON."""
    raise _Broken("is not valid JSON: it holds NaN or Infinity")


class _Builder:
    """Makes a tree of what the parser gives, within bounds."""

    _words: Final = {None: (b"", Kind.NULL), True: (b"true", Kind.BOOLEAN), False: (b"false", Kind.BOOLEAN)}

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
        if isinstance(value, str):
            return SecretValue(_encode(value))
        if isinstance(value, SecretValue):
            return value
        if depth >= tree.MAX_DEPTH:
            raise tree.too_deep()
        if isinstance(value, _Pairs):
            return self._object(value, depth)
        if isinstance(value, list):
            return [self._node(item, depth + 1) for item in value]
        assert value is None or isinstance(value, bool)
        return SecretValue(*self._words[value])

    def _object(self, pairs: _Pairs, depth: int) -> dict[str, Tree]:
        """Build an object."""
        entries: dict[str, Tree] = {}
        for key, value in pairs:
            _encode(key)
            if key in entries:
                raise ProviderError(f"the key {tree.name([key])} stands twice in one object")
            entries[key] = self._node(value, depth + 1)
        return entries


def _encode(text: str) -> bytes:
    """Return the UTF-8 of a text; a lone surrogate, which sops never writes, is refused."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Raised here and not in the handler: the codec's error holds the text.
    raise ProviderError("holds text that is not valid Unicode")
