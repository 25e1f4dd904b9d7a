"""Picks the store of a file by its suffix, as sops does (cmd/sops/formats); each is imported by its first file."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from bridge.provider import ProviderError
from bridge_providers.sops.tree import Stored

if TYPE_CHECKING:
    from collections.abc import Callable

YAML: Final = "yaml"
BINARY: Final = "binary"
_SUFFIXES: Final = {".yaml": YAML, ".yml": YAML, ".json": "json", ".env": "dotenv", ".ini": "ini"}


def store_of(path: str) -> str:
    """Name the store of a file; what has no known suffix is binary."""
    return next((store for suffix, store in _SUFFIXES.items() if path.endswith(suffix)), BINARY)


def load(data: bytes, store: str) -> Stored:
    """Read a file without opening its values; ProviderError where it is not what its suffix says."""
    if store == "ini":
        raise ProviderError("is an ini file, which this version cannot read", hint="use YAML, JSON or dotenv")
    reader: Callable[[bytes], Stored] = import_module(f"bridge_providers.sops.store_{store}").load
    return reader(data)
