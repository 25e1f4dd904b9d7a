"""The command line: what it accepts, its exit statuses, and what it says on the way out."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge import __version__, cli
from bridge.errors import ConfigError, Problem


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capfd.readouterr().out == f"bridge {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["sync", "--unknown"], ["sync", "--time", "1"], ["plan", "--output", "xml"], ["sync", "a", "b"]],
)
def test_wrong_arguments_end_with_2_and_usage(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("usage: bridge")
    assert "error:" in err


@pytest.mark.parametrize("limit", ["0", "-1", "soon", "nan", "inf", "86400", ""])
def test_time_limit_that_is_none(limit: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sync", "staging", f"--timeout={limit}"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "bridge sync: error: argument --timeout: must be a number of seconds greater than 0 and less than 86400"
    )


def test_missing_environment_argument_is_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("K8_ENV", raising=False)
    (tmp_path / "staging.yaml").write_text("")
    assert cli.main(["plan", "--config", str(tmp_path)]) == 2
    assert capfd.readouterr().err == (
        "bridge: error: no environment given\nbridge: hint: pass one of staging, or set K8_ENV\n"
    )


@pytest.mark.parametrize(("command", "missing"), [("set", "NAME"), ("offboard", "RECIPIENT")])
def test_single_argument_that_is_an_environment_lacks_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str, missing: str
) -> None:
    monkeypatch.delenv("K8_ENV", raising=False)
    (tmp_path / "staging.yaml").write_text("")
    assert cli.main([command, "staging", "--config", str(tmp_path)]) == 2
    assert capfd.readouterr().err == (
        f"bridge: error: no {missing} given\n"
        f"bridge: hint: write `bridge {command} staging {missing} --config {tmp_path}`\n"
    )
    assert cli.main([command, "CANARY", "--config", str(tmp_path)]) == 2
    assert "no environment given" in capfd.readouterr().err


def test_environment_comes_from_k8_env_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("K8_ENV", "stagign")
    (tmp_path / "staging.yaml").write_text("")
    assert cli.main(["plan", "--config", str(tmp_path)]) == 2
    assert capfd.readouterr().err == (
        f"bridge: error: {tmp_path}: no environment 'stagign'; found staging\nbridge: hint: did you mean staging?\n"
    )


def test_bug_shows_its_place_but_not_its_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("CANARY-bug")

    monkeypatch.setattr("bridge.commands.arguments.environment_of", explode)
    assert cli.main(["plan", "staging"]) == 3
    out, err = capfd.readouterr()
    assert "CANARY" not in out + err
    assert "Traceback" not in err
    first, second = err.splitlines()
    assert first == "bridge: error: a bug in bridge (RuntimeError)"
    assert second.startswith("bridge: hint: please report it with this trace: bridge.cli:")


def test_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.commands.arguments.environment_of", interrupt)
    assert cli.main(["plan", "staging"]) == 130
    assert capfd.readouterr().err == "bridge: interrupted\n"


def test_problems_share_hint_and_cannot_steer_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ConfigError(
            Problem("a\x1b[31m", "x\ny", "do it"),
            Problem("b", "z", "do it"),
            Problem("b", "z", "do it"),
            Problem("", "c"),
        )

    monkeypatch.setattr("bridge.commands.arguments.environment_of", fail)
    assert cli.main(["plan", "staging"]) == 2
    assert capfd.readouterr().err == (
        "bridge: error: a\\x1b[31m: x\\ny\nbridge: error: b: z\nbridge: hint: do it\nbridge: error: c\n"
    )


def test_error_is_json_if_json_is_requested(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "staging", "--output", "json", "--config", str(tmp_path)]) == 2
    assert '"result": "failed"' in capfd.readouterr().out


def test_module_runs_as_program() -> None:
    command = [sys.executable, "-m", "bridge", "--version"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == f"bridge {__version__}\n"


def test_command_that_leaves_interpreter_has_not_succeeded(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bridge.commands.arguments.environment_of", lambda _args: sys.exit(0))
    assert cli.main(["plan", "staging"]) == 3
    assert capfd.readouterr().err.splitlines()[0] == "bridge: error: a bug in bridge (SystemExit)"


def test_command_runs_in_another_thread(tmp_path: Path) -> None:
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(cli.main(["plan", "staging", "--config", str(tmp_path)])))
    thread.start()
    thread.join()
    assert statuses == [2]


def test_caller_gets_its_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    sys.stdout.write("first ")
    assert cli.main(["--version"]) == 0
    sys.stdout.write("last\n")
    assert (sys.stdout, sys.stderr) == before
    assert capfd.readouterr().out == f"first bridge {__version__}\nlast\n"


def test_streams_that_are_no_files(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"bridge {__version__}\n"
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["nothing"]) == 2
    assert (sys.stdout, sys.stderr) == (None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync", "staging", "--unknown"],
        ["sync", "staging", "--in-cluster", "--context", "x"],
        ["sync", "staging", "--dry-run", "--metrics", "file"],
        ["exec", "staging"],
        ["scan", "staging", "--unknown", "path"],
        ["import", "staging", "file"],
        ["demo", "--unknown"],
    ],
)
def test_misuse_of_command_shows_usage_of_that_command(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    err = capfd.readouterr().err.splitlines()
    assert err[0].startswith(f"usage: bridge {arguments[0]} ")
    assert err[-1].startswith(f"bridge {arguments[0]}: error: ")
    assert all(len(line) <= 80 for line in err[:-1])


@pytest.mark.parametrize("name", [[], ["staging"]])
@pytest.mark.parametrize("is_there", [True, False])
def test_without_any_environment_hint_is_how_to_draft_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: list[str],
    *,
    is_there: bool,
) -> None:
    monkeypatch.delenv("K8_ENV", raising=False)
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    if is_there:
        Path("config").mkdir()
    assert cli.main(["plan", *name]) == 2
    draft = f"create one from your kustomize layout: `bridge init {''.join(name) or 'ENV'} --from .`"
    assert capfd.readouterr().err.splitlines()[-1].endswith(draft)
