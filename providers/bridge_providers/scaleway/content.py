"""Makes a document of what an access gives: base64, checksum, and the content by the secret's type."""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Final

from bridge.provider import DuplicateKeyError, JsonError, Kind, Node, ProviderError, SecretValue, parse_json

# Types whose content is a JSON object (the documentation's "secret types JSON format"). The others are one value,
# except that an opaque secret with an object inside has its fields too.
STRUCTURED: Final = frozenset({"key_value", "basic_credentials", "database_credentials", "ssh_key"})
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
    found: Node | None = None
    if kind in STRUCTURED or kind == "opaque":
        found = _parsed(value)
    if isinstance(found, Mapping):
        return (found,)
    if kind in STRUCTURED:
        raise ProviderError(f"its type is {kind}, and its content is no JSON object", hint=_HINT)
    return value


def _parsed(value: SecretValue) -> Node | None:
    """Return the tree of a JSON text; None for any other text."""
    try:
        return parse_json(value.reveal())
    except DuplicateKeyError as error:
        what = f"its JSON {error}"
    except JsonError:
        return None
    raise ProviderError(what, hint=_HINT)
