"""A team that works with one of three releases of sops, and the desk of a reviewer who has nothing but a clone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.providers.sops.folder import Folder
from tests.review.team import Team

AT_HAND = (
    *("KUBECONFIG", "BRIDGE_CONFIG", "BRIDGE_TRUST", "K8_ENV", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "VAULT_TOKEN"),
    *("VAULT_ADDR", "XDG_CONFIG_HOME"),
)


def take_everything_away(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Take keys, tokens, kubeconfigs and settings away, as in the pipeline of a fork; after the programs are found."""
    monkeypatch.setenv("HOME", str(folder))
    for name in AT_HAND:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def team(
    sops_binary: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Team:
    """A team with the newest sops."""
    take_everything_away(monkeypatch, tmp_path / "home")
    return Team(Folder(tmp_path, sops_binary), capfd)


@pytest.fixture(params=["3.8.1", "3.11.0", "3.13.2"])
def team_of_release(
    request: pytest.FixtureRequest,
    sops_of: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Team:
    """The same with each of three releases."""
    binary = sops_of(request.param)
    take_everything_away(monkeypatch, tmp_path / "home")
    return Team(Folder(tmp_path, binary, by_options=request.param == "3.8.1"), capfd)
