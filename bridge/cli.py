"""The program: one run of a command, and the one place that catches."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import NoReturn

from bridge import late_warnings
from bridge.errors import BUG, BridgeError, Problem, Stopped, bug
from bridge.parser import parse
from bridge.report.record import CURRENT, Record
from bridge.report.streams import guarded


class _Terminated(BaseException):
    """SIGTERM: an exception, so that sessions are closed on the way out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Nothing is raised, and no traceback is shown."""
    record = Record()
    kept, late = CURRENT.set(record), late_warnings.COLLECTED.set([])
    try:
        return _finish(record, _guarded(argv, record))
    finally:
        CURRENT.reset(kept)
        late_warnings.COLLECTED.reset(late)


def _guarded(argv: Sequence[str] | None, record: Record) -> int:
    with guarded() as out:
        try:
            status = _run(argv, record)
        except (KeyboardInterrupt, _Terminated) as stop:
            status = _stop(stop)
        except BaseException as error:  # noqa: BLE001 - whatever it is, its text may hold a value
            status = _bug(error, record)
    return _report_lost(out.error, status) if out and out.error else status


def _run(argv: Sequence[str] | None, record: Record) -> int:
    try:
        args = parse(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    with suppress(ValueError):  # not the main thread: whoever called us there has the signals
        signal.signal(signal.SIGTERM, _terminate)
    record.environment = getattr(args, "environment", None) or os.environ.get("K8_ENV", "")
    record.as_json = getattr(args, "log_format", "text") == "json"
    record.metrics = getattr(args, "metrics", None)
    try:
        module = getattr(args, "module", args.command)
        return int(import_module(f"bridge.commands.{module}").run(args))
    except BridgeError as error:
        return _fail(args, error, record)


def _finish(record: Record, status: int) -> int:
    """Tell what no report has told, and those who watch how the run has ended; its status stays as it is."""
    late = late_warnings.take()
    if not late and not record.metrics and not record.as_json:
        return status
    from bridge.report.talk import say, tell_end  # noqa: PLC0415 - start-up

    with guarded():
        try:
            say("warning", late)
            if record.metrics:
                from bridge.report.publish import publish  # noqa: PLC0415

                say("warning", publish(record, status))
        except BaseException as error:  # noqa: BLE001 - also a signal: the run itself is over
            what = "the metrics" if record.metrics else "the warnings"
            say("warning", [Problem(what, f"were not written ({type(error).__name__})")])
        tell_end(status)
    return status


def _report_lost(error: OSError, status: int) -> int:
    """Keep a run's status where nobody reads its report any more; any other reason is a failure."""
    if isinstance(error, ConnectionError):
        return status
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    with guarded():
        say("error", [Problem("", f"the report cannot be written: {(error.strerror or 'unknown reason').lower()}")])
    return status or 1


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _fail(args: argparse.Namespace, error: BridgeError, record: Record) -> int:
    """Report an error of a command that has not printed its report yet."""
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    if getattr(args, "output", "text") == "json":
        from bridge.report.cluster import cluster_field  # noqa: PLC0415
        from bridge.report.data import SCHEMA, problems  # noqa: PLC0415
        from bridge.report.write import write_json  # noqa: PLC0415

        head = {"schema": SCHEMA, "result": "failed"} | cluster_field(record.cluster)
        write_json(head | {"errors": problems(error.problems)})
    say("error", error.problems)
    return error.exit_status


def _stop(stop: BaseException) -> int:
    from bridge.report.talk import tell  # noqa: PLC0415 - start-up

    terminated = isinstance(stop, _Terminated)
    tell("terminated" if terminated else "interrupted", "error")
    return 143 if terminated else 130


def _bug(error: BaseException, record: Record) -> int:
    """Name a bug that no command has met itself, as in the writing of its report; and what the run has written."""
    from bridge.report.talk import say  # noqa: PLC0415

    say("error", [bug(error)])
    if not record.changed:
        return BUG
    what = f"written before that, or perhaps written: {', '.join(record.changed)}"
    say("error", [Problem("", what, "run the same command again: it sees what is there")])
    return Stopped.exit_status


def run() -> NoReturn:
    """Be the `bridge` program: one run, then the process ends, so that collecting garbage would only cost time."""
    gc.disable()
    status = main()
    gc.freeze()  # else the interpreter looks through everything once more on its way out
    sys.exit(status)
