"""Which folder has the environments: here, or above, up to the repository's root, and never a stranger's."""

import os
import subprocess
from pathlib import Path

import pytest

from bridge import cli
from bridge.config.folder import config_folder

FOUND = Path("../../config")
HERE = Path("config")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an environment, whose folder apps/web is the current one."""
    repository = tmp_path / "work" / "repository"
    (repository / "apps" / "web").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    add_environment(repository)
    monkeypatch.chdir(repository / "apps" / "web")
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    monkeypatch.delenv("K8_ENV", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return repository


def add_environment(place: Path, name: str = "staging.yaml") -> None:
    (place / "config").mkdir(exist_ok=True)
    (place / "config" / name).write_text("id: x\n")


def found(**environ: str) -> Path:
    return config_folder(None, {"HOME": os.environ["HOME"], **environ})


def test_folder_is_argument_else_variable_else_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_folder("a", {"BRIDGE_CONFIG": "b"}) == Path("a")
    assert config_folder(None, {"BRIDGE_CONFIG": "b"}) == Path("b")
    assert config_folder(None, {"BRIDGE_CONFIG": ""}) == HERE
    assert config_folder(None, {}) == HERE


def test_folder_is_found_above_up_to_root_of_repository(repository: Path) -> None:
    assert found() == FOUND
    assert found(BRIDGE_CONFIG="other") == Path("other")
    assert config_folder(None, {}) == FOUND  # without a home folder


def test_nearest_folder_with_environment_wins(repository: Path) -> None:
    (repository / "apps" / "config").mkdir()
    (repository / "apps" / "config" / "staging.sops.yaml").touch()  # no environment's name
    assert found() == FOUND
    add_environment(repository / "apps", "prod.yml")
    assert found() == Path("../config")
    Path("config").mkdir()
    assert found() == Path("../config")
    add_environment(Path())
    assert found() == HERE


def test_new_environment_does_not_go_into_folder_above(repository: Path) -> None:
    assert config_folder(None, {"HOME": os.environ["HOME"]}, is_new=True) == HERE


def test_search_never_goes_above_root_of_repository(repository: Path) -> None:
    (repository / "config" / "staging.yaml").unlink()
    add_environment(repository.parent)
    assert found() == HERE


def test_search_never_goes_above_submodule(repository: Path) -> None:
    subprocess.run(["git", "init", "--quiet", repository / "apps"], check=True)
    assert found() == HERE


def test_search_needs_repository(repository: Path) -> None:
    (repository / ".git").rename(repository / "git")
    assert found() == HERE


def test_search_never_goes_above_home(repository: Path) -> None:
    assert found(HOME=str(repository)) == FOUND
    assert found(HOME=str(repository / "apps")) == HERE
    assert found(HOME=str(repository / "apps" / "web")) == HERE
    link = repository.parent / "home"
    link.symlink_to(repository / "apps")
    assert found(HOME=str(link)) == HERE


def test_search_never_leaves_file_system(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(monkeypatch, repository, 2)
    assert found() == HERE


def test_search_never_enters_folder_of_another_user(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(monkeypatch, repository, 4)
    assert found() == HERE


def test_folder_of_another_user_is_left_out(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(monkeypatch, repository / "config", 4)
    assert found() == HERE


def elsewhere(monkeypatch: pytest.MonkeyPatch, place: Path, field: int) -> None:
    """Let a folder be in another file system (2, st_dev), or another user's (4, st_uid)."""
    stat = Path.stat

    def changed(path: Path, **options: bool) -> os.stat_result:
        status = list(stat(path, **options))
        if Path(os.path.normpath(Path.cwd() / path)) == place:
            status[field] += 1
        return os.stat_result(status)

    monkeypatch.setattr(Path, "stat", changed)


def test_search_follows_real_folders_from_behind_link(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`..` leads to the parent of the folder that a link leads to, for the system and so for the search."""
    (repository.parent / "web").symlink_to(repository / "apps" / "web")
    add_environment(repository.parent)
    monkeypatch.chdir(repository.parent / "web")
    assert found() == FOUND


def test_linked_folder_is_found(repository: Path) -> None:
    (repository / "config").rename(repository / "environments")
    (repository / "config").symlink_to("environments")
    assert found() == FOUND


def test_deleted_current_folder_is_no_error(repository: Path) -> None:
    Path("../web").resolve().rmdir()
    assert found() == HERE


def test_run_names_folder_that_it_found_above(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan"]) == 2
    err = capfd.readouterr().err.splitlines()
    assert err[0] == "bridge: using the environments in ../../config"
    assert err[-1] == "bridge: hint: pass one of staging, or set K8_ENV"
    for quiet in (["--config", "../../config"], ["--quiet"]):
        assert cli.main(["plan", *quiet]) == 2
        assert "using" not in capfd.readouterr().err


def test_init_drafts_here_and_says_nothing_of_folder_above(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "new", "--from", "nowhere"]) != 0
    assert "using" not in capfd.readouterr().err
    assert cli.main(["init", "new", "--like", "nothing"]) != 0
    assert capfd.readouterr().err.startswith("bridge: using the environments in ../../config\n")


def test_trust_file_in_same_checkout_as_folder_above_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = repository / "trust.yaml"
    file.write_text("stores: []\n")
    file.chmod(0o644)
    monkeypatch.setenv("BRIDGE_TRUST", str(file))
    assert cli.main(["plan", "staging"]) == 2
    assert "the trust file is in the checkout" in capfd.readouterr().err
