from collections.abc import Callable
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
def folder_of(tmp_path: Path, sops_of: Callable[[str], Path]) -> Callable[[str], Folder]:
    """Make a folder whose sops is of the release that is named."""
    return lambda release: Folder(tmp_path, sops_of(release), by_options=release == "3.8.1")


@pytest.fixture
def old(folder_of: Callable[[str], Folder]) -> Folder:
    return folder_of("3.8.1")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, sops_binary: Path) -> Folder:
    """One folder for many generated files."""
    return Folder(tmp_path_factory.mktemp("sops"), sops_binary)
