"""Makes a document of what an access gives: base64, checksum, and the content by the secret's type."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from bridge.provider import Kind, Node, ProviderError, SecretValue

# Types whose content is a JSON object (the documentation's "secret types JSON format"). The others are one value,
# except that an opaque secret with an object inside has its fields too.
STRUCTURED: Final = frozenset({"key_value", "basic_credentials", "database_credentials", "ssh_key"})
_WORDS: Final = {None: (b"", Kind.NULL), True: (b"true", Kind.BOOLEAN), False: (b"false", Kind.BOOLEAN)}
_HINT: Final = "write it anew; the store keeps it as it was written"


def decode(data: object, checksum: object) -> SecretValue:
    """Return the bytes of an access's `data`; ProviderError where they are not what was stored."""
    content = _decoded(data)
    if content is None:
        raise ProviderError("the API's answer has no data in base64")
    if checksum is not None and checksum not in _checksums(content):
        raise ProviderError("the data do not have the checksum that they were stored with", hint=_HINT)
    return SecretValue(content, Kind.BYTES)


def _decoded(data: object) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        return None


def _checksums(content: bytes) -> tuple[int, int]:
    """Return the checksums that may be meant: the documentation does not say whether of the data or of their base64."""
    return zlib.crc32(content), zlib.crc32(base64.b64encode(content))


def read(value: SecretValue, kind: str) -> tuple[Mapping[str, Node], ...] | SecretValue:
    """Return a secret's fields, or the one value that it is; ProviderError where its type promises fields."""
    found: object = None
    if kind in STRUCTURED or kind == "opaque":
        found = _parsed(value)
    if isinstance(found, _TwiceError):
        raise ProviderError("its JSON gives a key twice in one object", hint=_HINT)
    if isinstance(found, dict):
        return (found,)
    if kind in STRUCTURED:
        raise ProviderError(f"its type is {kind}, and its content is no JSON object", hint=_HINT)
    return value


class _TwiceError(Exception):
    """A key stands twice in an object."""


def _parsed(value: SecretValue) -> object:
    """Return an object's fields, and an error as a value: the parser's would hold the text. None for anything else."""
    try:
        found = json.loads(
            value.reveal().decode(),
            object_pairs_hook=_object,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refuse,
        )
    except _TwiceError as error:
        return error.with_traceback(None)
    except (ValueError, RecursionError):
        return None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Node]:
    built: dict[str, Node] = {}
    for key, child in pairs:
        key.encode()  # a lone surrogate is no text: ValueError, as for any other broken JSON
        if key in built:
            raise _TwiceError
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
    """Keep a number's text: 1.10, 1e5 and 12345678901234567890 come out as they were written."""
    return SecretValue(text.encode(), Kind.NUMBER)


def _refuse(_: str) -> None:
    raise ValueError
