"""Stores for the tests of a provider and for the contract's tests."""

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.scaleway import SecretManager
from tests.servers.vault import DevVault

NUMBERS = itertools.count(1)


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
