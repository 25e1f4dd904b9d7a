"""Turn an access answer into a document: decode base64, verify the checksum, and parse by the secret's type."""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Final

from bridge.provider import DuplicateKeyError, JsonError, Kind, Node, ProviderError, SecretValue, parse_json

# Types whose content is a JSON object (the documentation's "secret types JSON format"). All other types hold one
# value, but an opaque secret that contains an object has fields too.
STRUCTURED: Final = frozenset({"key_value", "basic_credentials", "database_credentials", "ssh_key"})
_HINT: Final = "write the secret again in the format of its type"


def decode(data: object, checksum: object) -> SecretValue:
    """Return the bytes in an access answer's `data`; raise ProviderError if they are not what was stored."""
    content = _decoded(data)
    if content is None:
        raise ProviderError("the API's answer contains no base64 data")
    if checksum is not None and checksum not in _checksums(content):
        raise ProviderError("the data do not match their checksum", hint="write the secret again")
    return SecretValue(content, Kind.BYTES)


def _decoded(data: object) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        return None


def _checksums(content: bytes) -> tuple[int, int]:
    """Return both possible checksums: the documentation does not say whether they cover the data or the base64."""
    return zlib.crc32(content), zlib.crc32(base64.b64encode(content))


def read(value: SecretValue, kind: str) -> tuple[Mapping[str, Node], ...] | SecretValue:
    """Return a secret's fields, or its single value; raise ProviderError if its type requires fields."""
    parsed: Node | None = None
    if kind in STRUCTURED or kind == "opaque":
        parsed = _parsed(value)
    if isinstance(parsed, Mapping):
        return (parsed,)
    if kind in STRUCTURED:
        raise ProviderError(f"its type is {kind}, but its content is not a JSON object", hint=_HINT)
    return value


def _parsed(value: SecretValue) -> Node | None:
    """Return the parsed JSON, or None if the text is not JSON."""
    try:
        return parse_json(value.reveal())
    except DuplicateKeyError as error:
        message = f"its JSON {error}"
    except JsonError:
        return None
    raise ProviderError(message, hint=_HINT)
