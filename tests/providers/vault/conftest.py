from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.vault.sessions import Desk
from tests.providers.vault.wire import Wire, wire
from tests.servers.vault import DevVault


@pytest.fixture
def fake() -> Iterator[Wire]:
    """A server that answers what the test says."""
    with wire() as made:
        yield made


@pytest.fixture
def fake_desk(tmp_path: Path, fake: Wire) -> Desk:
    """A desk in front of the fake, with a token and without questions about the engine."""
    return Desk(tmp_path, fake.address, {"VAULT_TOKEN": "hvs.CANARY"}, {"mount": "secret", "kv_version": 2})


@pytest.fixture
def relay(dev_vault: DevVault) -> Iterator[Wire]:
    """The real server behind one that notes and may interfere."""
    with wire(dev_vault.address) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, relay: Wire, dev_vault: DevVault, mount: str) -> Desk:
    """A desk in front of the real server, as root, with a fresh engine."""
    return Desk(tmp_path, relay.address, {"VAULT_TOKEN": dev_vault.root}, {"mount": mount})
