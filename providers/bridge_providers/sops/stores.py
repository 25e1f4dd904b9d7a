"""Picks the store of a file by its suffix, as sops does (cmd/sops/formats); each is imported by its first file."""

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

from bridge_providers.sops import damage
from bridge_providers.sops.tree import Comments, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

YAML: Final = "yaml"
JSON: Final = "json"
DOTENV: Final = "dotenv"
INI: Final = "ini"
BINARY: Final = "binary"
_SUFFIXES: Final = {".yaml": YAML, ".yml": YAML, ".json": JSON, ".env": DOTENV, ".ini": INI}
_COMMENTED: Final = frozenset({YAML, DOTENV, INI})


def store_of(path: str) -> str:
    """Name the store of a file; what has no known suffix is binary."""
    return next((store for suffix, store in _SUFFIXES.items() if path.endswith(suffix)), BINARY)


def load(data: bytes, store: str) -> Stored:
    """Read a file without opening its values; ProviderError where it is not what its suffix says."""
    damage.check_conflict(data)
    reader: Callable[[bytes], Stored] = import_module(f"bridge_providers.sops.store_{store}").load
    stored = reader(data)
    return stored._replace(comments=partial(_comments, data, store)) if store in _COMMENTED else stored


def _comments(data: bytes, store: str) -> Comments:
    reader: Callable[[bytes], Comments] = import_module(f"bridge_providers.sops.comments_{store}").comments
    return reader(data)
