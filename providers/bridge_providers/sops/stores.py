"""Chooses the store of a file by its suffix, as sops does (cmd/sops/formats); each is imported when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import damage
from bridge_providers.sops.tree import Stored, Tree, is_not_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

YAML: Final = "yaml"
JSON: Final = "json"
DOTENV: Final = "dotenv"
INI: Final = "ini"
BINARY: Final = "binary"
BINARY_FIELD: Final = "data"
"""The field of a binary file's JSON envelope that contains the value."""
_SUFFIXES: Final = {".yaml": YAML, ".yml": YAML, ".json": JSON, ".env": DOTENV, ".ini": INI}
_COMMENTED: Final = frozenset({YAML, DOTENV, INI})


def store_of(path: str) -> str:
    """Return the store of a file; a file without a known suffix is binary."""
    return next((store for suffix, store in _SUFFIXES.items() if path.endswith(suffix)), BINARY)


def has_comments(store: str) -> bool:
    """Return whether a file of a store may have comments."""
    return store in _COMMENTED


def load(data: bytes, store: str) -> Stored:
    """Read a file without decrypting its values; ProviderError if it does not have the format of its suffix."""
    damage.check_conflict(data)
    reader: Callable[[bytes], Stored] = import_module(f"bridge_providers.sops.store_{store}").load
    stored = reader(data)
    return stored._replace(has_comments=has_comments(store))


def load_clear(data: bytes, store: str) -> "Sequence[dict[str, Tree]] | None":
    """Read a file that is not encrypted; None if it is, ProviderError if it does not have its suffix's format."""
    try:
        load(data, store)
    except ProviderError as error:
        if not is_not_encrypted(error) and (store != BINARY or b'"sops"' in data):
            raise
    else:
        return None
    if store == BINARY:
        return ({BINARY: SecretValue(data, Kind.BYTES)},)
    reader: Callable[[bytes], Sequence[dict[str, Tree]]]
    reader = import_module(f"bridge_providers.sops.store_{store}").documents
    return reader(data)
