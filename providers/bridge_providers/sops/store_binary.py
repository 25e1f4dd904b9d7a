"""Reads the binary store: a JSON envelope around one value."""

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import store_json
from bridge_providers.sops.stores import BINARY_FIELD
from bridge_providers.sops.tree import Stored


def load(data: bytes) -> Stored:
    """Read an encrypted file of any other suffix."""
    stored = store_json.load(data)
    if list(stored.documents[0]) != [BINARY_FIELD]:
        raise ProviderError(f"is not a valid sops binary file: it must contain only `{BINARY_FIELD}` and `sops`")
    value = stored.documents[0][BINARY_FIELD]
    if not isinstance(value, SecretValue) or value.kind is not Kind.TEXT:
        raise ProviderError(f"is not a valid sops binary file: `{BINARY_FIELD}` is not text")
    return stored
