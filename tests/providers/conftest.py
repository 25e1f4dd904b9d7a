"""Stores for the tests of a provider and for the contract's tests."""

import functools
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader

from tests.providers.sops.gnupg import Gpg
from tests.servers.scaleway import SecretManager
from tests.servers.vault import DevVault

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _descriptions_are_read_once() -> Iterator[None]:
    """Keep what botocore reads for each of its clients, a megabyte of JSON: that is half of a short test's time."""
    load, services = JSONFileLoader.load_file, Loader.list_available_services

    @functools.cache
    def loaded(path: str) -> Any:
        return load(JSONFileLoader(), path)

    @functools.cache
    def available(folders: tuple[str, ...], kind: str) -> Any:
        return services(Loader(include_default_search_paths=False, extra_search_paths=folders), kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: loaded(path))
        patch.setattr(
            Loader, "list_available_services", lambda self, type_name: available(tuple(self.search_paths), type_name)
        )
        yield


@pytest.fixture
def manager() -> Iterator[SecretManager]:
    """A fake Secret Manager."""
    with SecretManager() as server:
        yield server


@pytest.fixture
def mount(dev_vault: DevVault) -> str:
    """A fresh version 2 engine of the real server."""
    name = f"kv-{next(NUMBERS)}"
    dev_vault.mount(name, 2)
    return name


@pytest.fixture
def mount_1(dev_vault: DevVault) -> str:
    """A fresh version 1 engine of the real server."""
    name = f"old-{next(NUMBERS)}"
    dev_vault.mount(name, 1)
    return name


@pytest.fixture(scope="module")
def gpg(gpg_program: str) -> Iterator[Gpg]:
    """A folder of gpg's with two keys, of which the second wants a passphrase."""
    # Not below pytest's own folder: the path of the agent's socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="bridge-gpg-", ignore_cleanup_errors=True) as folder:
        empty = Gpg(gpg_program, Path(folder), ("", ""))
        try:
            yield empty.made()
        finally:
            empty.end()
