from pathlib import Path

import pytest

from tests.providers.sops.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder without the real sops: for files that fail before a key is needed."""
    return Folder(tmp_path)


@pytest.fixture
def sops(tmp_path: Path, sops_binary: Path) -> Folder:
    return Folder(tmp_path, sops_binary)


@pytest.fixture
def old(tmp_path: Path, old_sops_binary: Path) -> Folder:
    return Folder(tmp_path, old_sops_binary, by_options=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, sops_binary: Path) -> Folder:
    """One folder for many generated files."""
    return Folder(tmp_path_factory.mktemp("sops"), sops_binary)
