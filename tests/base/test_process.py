"""What a run makes of its process: nothing is printed by libraries, no core is dumped, signals end it in order."""

import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge import cli, process
from bridge.report import streams

CONFIG = Path(__file__).parents[2] / "config"
CANARY = "CANARY-of-a-library"
LOUD = f"""
import gc, logging, threading, warnings
class Loud:
    def __del__(self):
        raise ValueError("{CANARY}")
class Failing(logging.Handler):
    def emit(self, record):
        try:
            raise ValueError("{CANARY}")
        except ValueError:
            self.handleError(record)
def explode(*_):
    raise ValueError("{CANARY}")
def loud(*_):
    logging.getLogger("a.library").warning("{CANARY}")
    logging.warning("{CANARY}")
    failing = logging.getLogger("another.library")
    failing.addHandler(Failing())
    failing.error("{CANARY}")
    warnings.warn("{CANARY}")
    warnings.simplefilter("always")
    warnings.warn("{CANARY}", DeprecationWarning)
    thread = threading.Thread(target=explode)
    thread.start()
    thread.join()
    Loud()
    gc.collect()
    raise SystemExit(CODE)
"""
RUN = """
import sys
import bridge.commands.check
bridge.commands.check.run = loud
from bridge.start import run
run()
"""


def bridge(code: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PATH": os.defpath, **kept, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded-before", "loaded-by-the-run"])
@pytest.mark.parametrize("environ", [{}, {"PYTHONWARNINGS": "default"}], ids=["usual", "warnings-wanted"])
def test_libraries_print_nothing(*, loaded: bool, environ: dict[str, str]) -> None:
    loud = LOUD.replace("raise SystemExit(CODE)", "return 0")
    late = f"def loud(*_):\n    found = {{}}\n    exec({loud!r}, found, found)\n    return found['loud']()\n"
    done = bridge((loud if loaded else late) + RUN, "check", "staging", **environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_same_libraries_are_loud_without_us() -> None:
    """Else the test above would prove nothing."""
    done = bridge(LOUD.replace("raise SystemExit(CODE)", "return 0") + "loud()")
    assert done.stderr.count(CANARY) >= 6


def test_process_is_restored_for_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> list[Any]:
        return [
            sys.unraisablehook,
            threading.excepthook,
            list(logging.root.handlers),
            logging.raiseExceptions,
            warnings.showwarning,
            list(sys.meta_path),
            resource.getrlimit(resource.RLIMIT_CORE),
            [signal.getsignal(number) for number in process.SIGNALS],
        ]

    seen: list[Any] = []
    monkeypatch.setattr("bridge.commands.arguments.environment_of", lambda _: seen.append(state()) or sys.exit(0))
    before = state()
    assert cli.main(["plan", "staging"]) == 3
    assert state() == before
    assert seen[0] != before


@pytest.mark.parametrize("first_out", [0, 1])
def test_overlapping_runs_share_process(first_out: int) -> None:
    def state() -> list[Any]:
        core = resource.getrlimit(resource.RLIMIT_CORE)
        return [sys.unraisablehook, logging.raiseExceptions, warnings.showwarning, list(sys.meta_path), core]

    go = [threading.Event(), threading.Event()]
    inside = [threading.Event(), threading.Event()]

    def run(number: int) -> None:
        with process.own():
            inside[number].set()
            assert go[number].wait(60)

    before = state()
    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in (0, 1)]
    for number, thread in enumerate(threads):
        thread.start()
        assert inside[number].wait(60)
    owned = state()
    assert owned != before
    go[first_out].set()
    threads[first_out].join(60)
    assert (state(), process.is_owned()) == (owned, True)
    go[1 - first_out].set()
    threads[1 - first_out].join(60)
    assert (state(), process.is_owned()) == (before, False)


@pytest.mark.parametrize("first_out", [0, 1])
def test_runs_that_overlap_in_two_threads_write_their_own_reports(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], first_out: int
) -> None:
    go = {"one": threading.Event(), "two": threading.Event()}
    inside = {name: threading.Event() for name in go}

    def run(args: Any, _record: Any) -> int:
        inside[args.environment].set()
        assert go[args.environment].wait(60)
        print(CANARY)  # noqa: T201
        streams.report().write(f"report of {args.environment}\n")
        return 0

    monkeypatch.setattr("bridge.commands.check.run", run)
    threads = {name: threading.Thread(target=cli.main, args=(["check", name],), daemon=True) for name in go}
    for name, thread in threads.items():
        thread.start()
        assert inside[name].wait(60)
    order = list(go)[::-1] if first_out else list(go)
    for name in order:
        go[name].set()
        threads[name].join(60)
    print("after")  # noqa: T201
    assert capfd.readouterr().out.splitlines() == [*(f"report of {name}" for name in order), "after"]


def test_caller_keeps_hooks_that_it_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def explode(_: object) -> None:
        thread = threading.Thread(target=lambda: 1 // 0)
        thread.start()
        thread.join()
        sys.exit(0)

    monkeypatch.setattr("bridge.commands.arguments.environment_of", explode)
    assert cli.main(["plan", "staging"]) == 3
    assert [one.exc_type for one in told] == [ZeroDivisionError]


def crash(code: str, folder: Path) -> list[str]:
    """Run something that dies of SIGABRT in a folder, with cores allowed; return what lies there then."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    subprocess.run(
        [sys.executable, "-c", code, "plan", "staging"],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
        timeout=60,
        check=False,
    )
    return [path.name for path in folder.iterdir()]


def test_run_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    die = "import os\ndef loud(*_):\n    held = 'CANARY-core' * 2\n    os.abort()\n"
    without, with_us = tmp_path / "without", tmp_path / "with"
    without.mkdir()
    with_us.mkdir()
    assert crash(die + RUN, with_us) == []
    if not crash(f"{die}loud()", without):
        pytest.skip("this system dumps no core into the current folder")


def test_limit_of_core_is_linuxs_word_for_none() -> None:
    """1 and not 0: a program that collects cores (systemd-coredump) would get one for 0."""
    look = (
        "import resource\nfrom bridge.report.streams import report\n"
        "def loud(*_):\n    print(resource.getrlimit(resource.RLIMIT_CORE), file=report())\n    return 0\n"
    )
    limits = bridge(look + RUN, "check", "staging").stdout
    assert limits.startswith(f"({process.CORE}, ")
    assert (1 if sys.platform == "linux" else 0) == process.CORE


def test_command_of_exec_has_limit_that_we_were_started_with() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    shell = "ulimit -Sc; ulimit -Hc"
    command = [sys.executable, "-m", "bridge", "exec", "staging", "--config", str(CONFIG), "--", "sh", "-c", shell]

    def limits(soft: int) -> list[str]:
        return subprocess.run(
            command,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (soft, hard)),
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.split()

    plain = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout.split()
    assert limits(0) == ["0", plain[1]]
    if hard:
        assert limits(hard)[0] == plain[1]


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGHUP, 129, "terminated"), (signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_signal_ends_run_in_order(number: signal.Signals, status: int, word: str) -> None:
    code = f"import os\ndef loud(*_):\n    os.kill(os.getpid(), {int(number)})\n    return 0\n"
    done = bridge(code + RUN, "check", "staging")
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"bridge: {word}\n")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_signal_that_our_parent_ignores_stays_ignored(number: signal.Signals) -> None:
    code = f"import os\ndef loud(*_):\n    os.kill(os.getpid(), {int(number)})\n    return 0\n"
    ignoring = f"import signal\nsignal.signal({int(number)}, signal.SIG_IGN)\n"
    assert bridge(ignoring + code + RUN, "check", "staging").returncode == 0


def test_interrupt_that_arrives_in_destructor_is_not_lost() -> None:
    code = """
import os, signal, time
class Slow:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100): pass
def loud(*_):
    Slow()
    time.sleep(60)
"""
    done = bridge(code + RUN, "check", "staging")
    assert (done.returncode, done.stderr) == (130, "bridge: interrupted\n")


@pytest.fixture
def started() -> Callable[[], "subprocess.Popen[bytes]"]:
    """Start bridge; return once its first module is there, for before that Python itself is starting."""

    def start() -> "subprocess.Popen[bytes]":
        code = "import bridge.start, os\nos.write(1, b'.')\nbridge.start.run()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "check", "staging", "--config", str(CONFIG)],
            env={"PATH": os.defpath},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stdout.read(1) == b"."
        return process

    return start


def test_process_ends_without_taking_interpreter_apart(tmp_path: Path) -> None:
    """That takes as long as a request; the report is complete nevertheless."""
    told = tmp_path / "told"
    code = f"import atexit, pathlib\natexit.register(pathlib.Path({str(told)!r}).touch)\n"
    done = bridge(code + "from bridge.start import run\nrun()", "--version")
    assert (done.returncode, done.stdout.startswith("bridge "), told.exists()) == (0, True, False)


@pytest.mark.slow
def test_interrupt_at_any_instant_shows_no_traceback(started: Callable[[], "subprocess.Popen[bytes]"]) -> None:
    """From the first module to the end of the interpreter; what is asserted does not depend on where it hits."""
    ends = set()
    for step in range(60):
        process = started()
        try:
            process.wait(timeout=step * 0.005)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert err in {b"", b"bridge: interrupted\n"}
        assert process.returncode in {0, 130, -signal.SIGINT}
        ends.add(process.returncode)
    assert ends - {0}


def test_first_module_loads_nothing_before_it_takes_signal() -> None:
    code = "import sys; before = set(sys.modules); import bridge.start; print(set(sys.modules) - before)"
    assert set(eval(bridge(code).stdout)) == {"bridge", "bridge.start"}
