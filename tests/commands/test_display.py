"""`--color` and `--quiet`: what they decide, and what they leave alone."""

import io
import json
from typing import Any

import pytest

from bridge.cli import main
from bridge.report import streams
from bridge.report.style import style_of
from tests.desk import Desk
from tests.terminal import Terminal, answer

RED = "\033["


@pytest.mark.parametrize(
    ("flag", "environ", "on_terminal", "elsewhere"),
    [
        ("auto", {}, True, False),
        ("auto", {"TERM": "dumb"}, False, False),
        ("auto", {"NO_COLOR": "1"}, False, False),
        ("auto", {"NO_COLOR": ""}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, True, True),
        ("auto", {"FORCE_COLOR": "0", "TERM": "dumb"}, True, True),  # set, whatever the value is
        ("auto", {"FORCE_COLOR": ""}, True, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, True, True),
        ("never", {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_flag_wins_over_variables_and_variables_over_terminal(
    monkeypatch: pytest.MonkeyPatch, flag: str, environ: dict[str, str], *, on_terminal: bool, elsewhere: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    kept = streams.COLOR.set(flag)
    try:
        assert (style_of(Terminal()).colour, style_of(io.StringIO()).colour) == (on_terminal, elsewhere)
    finally:
        streams.COLOR.reset(kept)


def test_color_of_one_run_does_not_reach_next(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert RED in offline_desk.run("plan", "staging", "--color", "always").out
    assert RED not in offline_desk.run("plan", "staging").out
    assert RED not in offline_desk.run("plan", "staging", "--color", "always", "-o", "markdown").out
    assert RED not in offline_desk.run("plan", "staging", "--color", "always", "-o", "json").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert RED in offline_desk.run("plan", "staging").out
    assert RED not in offline_desk.run("plan", "staging", "--color=never").out


@pytest.mark.parametrize("command", ["plan", "check", "status", "sync", "adopt", "scan"])
def test_quiet_run_that_succeeds_prints_nothing(offline_desk: Desk, command: str) -> None:
    first = ["--first"] if command in {"sync", "adopt"} else []
    rest = [str(offline_desk.folder / "base")] if command == "scan" else []
    loud = offline_desk.run(command, "staging", *first, *rest)
    assert loud.out
    quiet = offline_desk.run(command, "staging", *first, *rest, "-q")
    assert (quiet.status, quiet.out, quiet.err) == (loud.status, "", "")


def test_quiet_run_drops_warnings_and_keeps_errors_with_hints(offline_desk: Desk) -> None:
    offline_desk.environment(secrets_from="any")
    offline_desk.values(OPENAI_API_KEY=None)
    offline_desk.env_file(OPENAI_API_KEY="CANARY-from-env-file")
    assert "bridge: warning: " in offline_desk.run("plan", "staging").err
    assert offline_desk.run("plan", "staging", "--quiet").err == ""
    refused = offline_desk.run("plan", "stagign", "--quiet")
    assert (refused.status, refused.out) == (2, "")
    assert [line.partition(": ")[2].partition(":")[0] for line in refused.err.splitlines()] == ["error", "hint"]


def test_quiet_exit_status_tells_changes(offline_desk: Desk) -> None:
    assert offline_desk.run("plan", "staging", "--exit-code", "-q").status == 4


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_quiet_leaves_reports_for_machines_complete(offline_desk: Desk, form: str) -> None:
    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if '"run"' not in line]

    loud, quiet = (offline_desk.run("plan", "staging", "-o", form, *flag) for flag in ([], ["-q"]))
    assert lines(quiet.out) == lines(loud.out)
    assert quiet.out


def test_quiet_leaves_json_log_complete(offline_desk: Desk) -> None:
    result = offline_desk.run("plan", "staging", "-q", "--log-format", "json")
    assert json.loads(result.err.splitlines()[-1])["message"] == "ended"


def test_quiet_still_asks_and_shows_what_it_asks_about(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
    answer(monkeypatch, "n")
    asked = offline_desk.run("sync", "staging", "-q")
    assert (asked.status, asked.out) == (1, "")
    assert "Secret/agent-secrets  to create" in asked.err
    assert "Is this the right cluster? [y/N]" in asked.err


def test_quiet_help_is_still_help(capfd: pytest.CaptureFixture[str]) -> None:
    arguments: list[Any] = ["-q", "help", "exit-codes"]
    assert main(arguments) == 0
    assert capfd.readouterr().out.startswith("# Exit codes")
