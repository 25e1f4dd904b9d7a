"""Picks the store of a file by its suffix, as sops does (cmd/sops/formats); each is imported by its first file."""

from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from bridge.provider import SecretValue
from bridge_providers.sops import damage
from bridge_providers.sops.tree import Stored, Tree

if TYPE_CHECKING:
    from collections.abc import Callable


class Writing(Protocol):
    """What each edit_*.py has."""

    @staticmethod
    def fresh(documents: list[dict[str, Tree]], block: dict[str, Tree], indent: int | None) -> bytes:
        """Return a new file of encrypted documents and their metadata; None indents as sops does by itself."""
        ...

    @staticmethod
    def change(data: bytes, documents: list[dict[str, Tree]], stamps: dict[str, SecretValue]) -> bytes:
        """Return a file with other documents, and other values for the metadata in `stamps`."""
        ...

    @staticmethod
    def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
        """Say why a value cannot be written, so that it continues "key NAME holds "; None where it can."""
        ...


YAML: Final = "yaml"
INI: Final = "ini"
BINARY: Final = "binary"
_SUFFIXES: Final = {".yaml": YAML, ".yml": YAML, ".json": "json", ".env": "dotenv", ".ini": INI}
_COMMENTED: Final = frozenset({YAML, "dotenv", INI})


def store_of(path: str) -> str:
    """Name the store of a file; what has no known suffix is binary."""
    return next((store for suffix, store in _SUFFIXES.items() if path.endswith(suffix)), BINARY)


def has_comments(store: str) -> bool:
    """Say whether a file of a store may have comments."""
    return store in _COMMENTED


def writer_of(store: str) -> Writing:
    """Return what writes a store."""
    module: Writing = import_module(f"bridge_providers.sops.edit_{store}")  # type: ignore[assignment] # a module of this shape
    return module


def load(data: bytes, store: str) -> Stored:
    """Read a file without opening its values; ProviderError where it is not what its suffix says."""
    damage.check_conflict(data)
    reader: Callable[[bytes], Stored] = import_module(f"bridge_providers.sops.store_{store}").load
    stored = reader(data)
    return stored._replace(has_comments=has_comments(store))
