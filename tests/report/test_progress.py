"""Progress on a terminal: shown after two seconds of silence, erased before anything else is printed."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import progress
from bridge.errors import Problem
from bridge.parallel import Batch
from bridge.report import streams
from bridge.report.record import Record
from bridge.report.talk import begin_progress, say
from tests.clock import Clock

ERASE = progress.ERASE


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def shown(clock: Clock) -> Iterator[list[str]]:
    """Return what is written to a terminal of 40 columns."""
    written: list[str] = []
    progress.begin(written.append, lambda: 40)
    yield written
    progress.end()


def test_quick_step_shows_nothing(shown: list[str], clock: Clock) -> None:
    with progress.ProgressStep("reading {} of {} documents", 3) as step:
        for _ in range(3):
            clock.sleep(0.6)
            step.add()
    assert shown == []


def test_slow_step_is_updated_and_erased(shown: list[str], clock: Clock) -> None:
    with progress.ProgressStep("reading {} of {} documents", 1200) as step:
        clock.sleep(2)
        step.add(1100)
        step.add()  # too soon for an update
        clock.sleep(0.25)
        step.show()
    assert shown == [f"{ERASE}reading 1,100 of 1200 documents", f"{ERASE}reading 1,101 of 1200 documents", ERASE]


def test_line_never_wraps(shown: list[str], clock: Clock) -> None:
    with progress.ProgressStep("x" * 80) as step:
        clock.sleep(2)
        step.show()
    assert shown[0] == f"{ERASE}{'x' * 38}…"


def test_message_erases_line_and_begins_silence_again(
    shown: list[str], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.ProgressStep("writing {} of {} objects", 5) as step:
        clock.sleep(2)
        step.show()
        say(Record(), "warning", [Problem("", "something")])
        assert shown[-1] == ERASE
        clock.sleep(1.9)
        step.add()
        assert len(shown) == 2
        streams.report()
    assert len(shown) == 2
    assert capsys.readouterr().err == "bridge: warning: something\n"


def test_outermost_step_in_main_thread_has_line(shown: list[str], clock: Clock) -> None:
    def inner(_: int) -> None:
        with progress.ProgressStep("inner") as step:
            step.show()

    with progress.ProgressStep("syncing {} of {} environments", 2) as step:
        clock.sleep(2)
        inner(0)
        batch = Batch(inner, [1, 2])
        batch.start(1)
        batch.finish(clock.now + 60, step)
    assert [text for text in shown if "inner" in text] == []
    assert shown[0] == f"{ERASE}syncing 2 of 2 environments"


def test_line_is_erased_if_step_is_interrupted(shown: list[str], clock: Clock) -> None:
    def interrupted() -> None:
        with progress.ProgressStep("waiting") as step:
            clock.sleep(2)
            step.show()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown == [f"{ERASE}waiting", ERASE]


@pytest.mark.parametrize("pause", [True, False])
def test_step_without_terminal_costs_no_wakeups(pause: bool, clock: Clock) -> None:
    assert clock.now
    if pause:
        progress.begin(lambda _: None, lambda: 80)
    with progress.ProgressStep("waiting") as step:
        assert step.pause == (progress.PAUSE if pause else float("inf"))
    progress.end()


RUN = """
import sys, time
from pathlib import Path
from bridge import progress
from bridge.sources import session
progress.SILENCE = 0.0
told, go = map(Path, sys.argv[1:3])
del sys.argv[1:3]
read = session.SessionStore.read
def slow(self, reference):
    told.touch()
    while not go.exists():
        time.sleep(0.01)
    return read(self, reference)
session.SessionStore.read = slow
from bridge.cli import run
run()
"""
CONFIG = Path(__file__).parents[2] / "config"


class Run:
    """`bridge check --live` with its stderr on a terminal or not; it reads only once it may `go` on."""

    def __init__(self, tmp_path: Path, *, terminal: bool, arguments: tuple[str, ...] = (), **environ: str) -> None:
        self.go = tmp_path / "go"
        self.ours, theirs = pty.openpty() if terminal else os.pipe()
        command = [sys.executable, "-c", RUN, str(tmp_path / "told"), str(self.go), "check", "staging", "--live"]
        self.process = subprocess.Popen(
            [*command, "--config", str(CONFIG), *arguments],
            env={"PATH": os.defpath, "HOME": str(tmp_path), "TERM": "xterm", "KUBECONFIG": "/nonexistent", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        os.close(theirs)
        self.text = ""

    def until(self, text: str) -> None:
        """Read stderr until it has this text."""
        while text not in self.text and self._more():
            pass
        assert text in self.text

    def end(self) -> str:
        """Let the run read, and return all of its stderr."""
        self.go.touch()
        while self._more():
            pass
        self.process.wait(60)
        os.close(self.ours)
        return self.text

    def _more(self) -> bool:
        try:
            content = os.read(self.ours, 4096)
        except OSError:  # the other side of a terminal was closed
            return False
        self.text += content.decode()
        return bool(content)


def on_screen(text: str) -> list[str]:
    """Return the lines that stay on a terminal."""
    lines = [line.rpartition("\033[2K")[2].strip("\r") for line in text.split("\n")]
    return [re.sub(r"\033\[[\d;]*m", "", line) for line in lines]


def test_progress_is_on_terminal_and_gone_before_message(tmp_path: Path) -> None:
    run = Run(tmp_path, terminal=True)
    run.until("reading 0 of 1 documents")
    text = run.end()
    assert not any("reading" in line for line in on_screen(text))
    assert any(line.startswith("bridge: error: ") for line in on_screen(text))
    assert "demo-" not in text  # the values of the demo


def test_interrupt_leaves_clean_line(tmp_path: Path) -> None:
    run = Run(tmp_path, terminal=True)
    run.until("reading 0 of 1 documents")
    run.process.send_signal(signal.SIGINT)
    run.until("interrupted")
    assert on_screen(run.end())[-2:] == ["bridge: interrupted", ""]
    assert run.process.returncode == 130


@pytest.mark.parametrize(
    ("terminal", "arguments", "environ"),
    [
        (False, (), {}),
        (True, ("--output", "json"), {}),
        (True, ("--log-format", "json"), {}),
        (True, (), {"CI": "true"}),
        (True, (), {"TERM": "dumb"}),
    ],
)
def test_no_progress_elsewhere(
    terminal: bool, arguments: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    text = Run(tmp_path, terminal=terminal, arguments=arguments, **environ).end()
    assert "reading" not in text
    assert "\033[2K" not in text


def test_quiet_run_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    begun: list[object] = []
    monkeypatch.setattr("bridge.report.streams.talk", Terminal)
    monkeypatch.setattr(progress, "begin", lambda *_: begun.append(1))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    record = Record()
    for quiet in (True, False):
        record.quiet = quiet
        begin_progress(record)
        assert len(begun) == (not quiet)
