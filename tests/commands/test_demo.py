"""`bridge demo` ends well and shows no value; the wheel's own test runs it as a process."""

import base64
from pathlib import Path

import pytest

from bridge import trust
from bridge.cli import main
from bridge.commands.demo import example


def test_demo_tells_its_story(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")  # the user's own cluster is out of reach
    assert main(["demo"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.count("$ bridge ") == 7
    for value in ("demo-openai-key", "demo-livekit-secret", "edited-by-hand"):
        assert value not in out
        assert base64.b64encode(value.encode()).decode() not in out
    assert "key OPENAI_API_KEY does not decrypt: it was changed or moved after encryption" in out


def test_step_that_ends_otherwise_than_it_should_is_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file in example().rglob("*"):
        if file.is_file() and file.name != "demo.agekey":
            copy = tmp_path / file.relative_to(example())
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    monkeypatch.setattr("bridge.commands.demo.example", lambda: tmp_path)
    assert main(["demo"]) == 1
    assert capfd.readouterr().err == "bridge: error: demo: bridge plan ended with 1 instead of 0\n"


@pytest.mark.slow
def test_demo_goes_on_next_to_machines_trust_file(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "trust.yaml").write_text("")
    monkeypatch.setattr(trust, "SYSTEM", str(tmp_path / "trust.yaml"))
    assert main(["demo"]) == 0
    assert capfd.readouterr().out.count("trust file: ") == 1
