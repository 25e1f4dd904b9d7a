import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.providers.sops.folder import Folder
from tests.providers.sops.gnupg import Gpg


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
