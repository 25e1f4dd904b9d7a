from pathlib import Path

import pytest

from tests.providers.scaleway.reader import Reader
from tests.servers.scaleway import SecretManager


@pytest.fixture
def reader(manager: SecretManager, tmp_path: Path) -> Reader:
    return Reader(manager, tmp_path)
