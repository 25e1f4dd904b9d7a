from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.scaleway.desk import Reader
from tests.servers.scaleway import SecretManager


@pytest.fixture
def manager() -> Iterator[SecretManager]:
    with SecretManager() as server:
        yield server


@pytest.fixture
def reader(manager: SecretManager, tmp_path: Path) -> Reader:
    return Reader(manager, tmp_path)
