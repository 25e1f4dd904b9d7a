"""The streams of a run, closed, full or without a reader, in any encoding: what the run did stays the same."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs.conftest import Desk

FULL = "bridge: error: the report cannot be written: no space left on device\n"
WRITTEN = {
    "Secret/shared-secrets",
    "Secret/agent-secrets",
    "ConfigMap/shared-config",
    "ConfigMap/agent-config",
    "ConfigMap/front-config",
    "ConfigMap/bridge-voice-agent-staging",
}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(offline_desk: Desk, third_party: Path) -> Run:
    """Return a function that runs bridge as a shell does, with redirections."""

    def run(arguments: str, *, stdout: int = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[str]:
        command = f"{shlex.quote(sys.executable)} -m bridge {arguments}"
        home = {"PATH": os.defpath, "HOME": str(offline_desk.folder), "BRIDGE_CONFIG": str(offline_desk.folder)}
        home |= {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
        return subprocess.run(
            ["sh", "-c", command],
            check=False,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=home | {"PYTHONPATH": os.pathsep.join([str(third_party), *sys.path])} | environ,
            timeout=60,
        )

    return run


@pytest.fixture
def nobody() -> int:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def written(desk: Desk) -> set[str]:
    return set(desk.target.versions())


def test_a_reader_that_went_away_changes_nothing(offline_desk: Desk, run: Run, nobody: int) -> None:
    done = run("sync staging", stdout=nobody)
    assert (done.returncode, done.stderr) == (0, "")
    assert written(offline_desk) == WRITTEN


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_a_run_keeps_its_status_without_a_reader(form: str, run: Run, nobody: int) -> None:
    assert run(f"plan staging --exit-code --output {form}", stdout=nobody).returncode == 4


def test_errors_are_told_without_a_reader_too(offline_desk: Desk, run: Run, nobody: int) -> None:
    offline_desk.values(OPENAI_API_KEY=None)
    done = run("plan staging --output json", stdout=nobody)
    assert done.returncode == 1
    assert done.stderr.startswith("bridge: error: base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: ")


def test_a_report_that_has_no_room_is_a_failure_after_the_run(offline_desk: Desk, run: Run) -> None:
    done = run("sync staging > /dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)
    assert written(offline_desk) == WRITTEN


def test_a_failed_run_keeps_its_status_where_the_report_has_no_room(offline_desk: Desk, run: Run) -> None:
    done = run("plan nowhere --output json > /dev/full")
    error = f"bridge: error: {offline_desk.folder}: no environment 'nowhere'; there are staging\n"
    assert (done.returncode, done.stderr) == (2, error + FULL)


def test_a_closed_stdout_takes_nothing(offline_desk: Desk, run: Run) -> None:
    done = run("sync staging >&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert written(offline_desk) == WRITTEN


def test_a_closed_stderr_leaves_the_report_alone(run: Run) -> None:
    done = run("plan nowhere --output json 2>&-")
    assert done.returncode == 2
    assert json.loads(done.stdout)["result"] == "failed"


def test_both_streams_closed(run: Run) -> None:
    assert run("plan nowhere >&- 2>&-").returncode == 2


def test_a_full_stderr_changes_no_status(run: Run) -> None:
    assert run("plan nowhere 2> /dev/full").returncode == 2


@pytest.mark.parametrize("arguments", ["--help", "--version", "plan --help"])
def test_help_without_a_reader(arguments: str, run: Run, nobody: int) -> None:
    done = run(arguments, stdout=nobody)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_that_has_no_room(run: Run) -> None:
    done = run("--help > /dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)


def test_a_name_that_the_streams_encoding_has_not(offline_desk: Desk, run: Run) -> None:
    offline_desk.write("base/é.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {K: b}\n")
    offline_desk.environment(templates=["base/é.yml"])
    done = run("plan staging", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    + K  new  from base/\\xe9.yml" in done.stdout.splitlines()
    offline_desk.environment(templates=["base/ü.yml"])
    done = run("plan staging", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (2, "bridge: error: base/\\xfc.yml: no such file\n")


def test_a_name_that_the_file_systems_encoding_has_not(offline_desk: Desk, run: Run) -> None:
    offline_desk.environment(templates=["base/é.yml"])
    done = run("sync staging", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "bridge: error: base/\\xe9.yml: its name cannot be written in this locale's encoding",
        "bridge: hint: set LC_ALL=C.UTF-8, or PYTHONUTF8=1",
    ]
    assert written(offline_desk) == set()


def test_a_revision_cannot_steer_the_terminal_nor_forge_a_line(offline_desk: Desk, run: Run) -> None:
    offline_desk.environment(providers={"plain": {"revision": "\x1b[31m1\n5 unchanged: written\u202e"}})
    for form in ("text", "markdown"):
        out = run(f"plan staging --output {form}").stdout
        assert all(line.isprintable() for line in out.split("\n"))
        assert "5 unchanged: written" not in out.splitlines()
    assert "  plain:values.json @ \\x1b[31m1\\n5 unchanged: written\\u202e" in run("plan staging").stdout.splitlines()
