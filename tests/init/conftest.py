"""An empty folder to draft in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.cli import main
from tests.desk import Result


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run bridge in an empty folder; no value of a layout may be shown, and none may be in a drafted file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("BRIDGE_CONFIG", "K8_ENV", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        status = main(arguments)
        out, err = capfd.readouterr()
        assert "CANARY" not in out + err + "".join(path.read_text() for path in Path("drafts").glob("*"))
        assert "Q0FOQVJZ" not in out + err  # in base64
        return Result(status, out, err)

    return run
