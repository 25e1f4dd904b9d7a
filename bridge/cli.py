"""The program: one run of a command, and the one place that catches."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from typing import NoReturn

from bridge import late_warnings, process
from bridge.errors import ANYTHING, BUG, BridgeError, Problem, Stopped, ending, shortage
from bridge.parser import parse
from bridge.report import streams
from bridge.report.record import Record
from bridge.report.streams import guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Nothing is raised, and no traceback is shown."""
    record = Record()
    kept = late_warnings.COLLECTED.set(late_warnings.Collected([], {}))
    try:
        with process.own():
            return _finish(record, _guarded(argv, record))
    except (KeyboardInterrupt, process.Terminated) as stop:  # after all has been told
        return process.status_of(stop)
    finally:
        late_warnings.COLLECTED.reset(kept)


def _guarded(argv: Sequence[str] | None, record: Record) -> int:
    with _spare_files() as give_up, guarded() as out:
        try:
            process.listen()
            status = _run(argv, record)
        except (KeyboardInterrupt, process.Terminated) as stop:
            status = _stop(stop, record)
        except BaseException as error:  # noqa: BLE001 - whatever it is, its text may hold a value
            give_up()
            status = _bug(error, record)
    return _report_lost(out.error, status, record) if out and out.error else status


@contextmanager
def _spare_files() -> Iterator[Callable[[], None]]:
    """Keep two files open for a run that can open no more; yields what closes them, so that it can say so."""
    files = ExitStack()
    with suppress(OSError):
        for _ in range(2):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))
    with files:
        yield files.close


def _run(argv: Sequence[str] | None, record: Record) -> int:
    try:
        with redirect_stdout(streams.report()), redirect_stderr(streams.talk()):  # argparse prints help and version
            args = parse(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    record.args = args
    record.environment = getattr(args, "environment", None) or os.environ.get("K8_ENV", "")
    record.as_json = getattr(args, "log_format", "text") == "json"
    record.metrics = getattr(args, "metrics", None)
    try:
        _check_trust(args)
        module = getattr(args, "module", args.command)
        return int(import_module(f"bridge.commands.{module}").run(args, record))
    except ANYTHING as error:
        if not isinstance(error, BridgeError) and (record.changed or not shortage(error)):
            raise
        return _fail(args, ending(error, touched=False), record)


def _check_trust(args: argparse.Namespace) -> None:
    """Refuse a trust file that is wrong, or that the environments' checkout brings, before anything else is done."""
    from bridge import trust  # noqa: PLC0415 - start-up: `--version` does without

    if trust.find(os.environ):
        from bridge.config.environment import config_folder  # noqa: PLC0415 - as above

        trust.check_file(os.environ, config_folder(getattr(args, "config", None), os.environ))


def _finish(record: Record, status: int) -> int:
    """Tell what no report has told, and those who watch how the run has ended; its status stays as it is."""
    if process.has_printed():
        from bridge.report.talk import printed  # noqa: PLC0415 - start-up

        late_warnings.add(printed())
    late = late_warnings.untold()
    if not late and not record.metrics and not record.as_json:
        return status
    from bridge.report.talk import say, tell_end  # noqa: PLC0415 - start-up

    with guarded():
        try:
            say(record, "warning", late)
            if record.metrics:
                from bridge.report.publish import publish  # noqa: PLC0415

                say(record, "warning", publish(record, status))
        except BaseException as error:  # noqa: BLE001 - also a signal: the run itself is over
            what = "the metrics" if record.metrics else "the warnings"
            say(record, "warning", [Problem(what, f"were not written ({type(error).__name__})")])
        tell_end(record, status)
    return status


def _report_lost(error: OSError, status: int, record: Record) -> int:
    """Keep a run's status where nobody reads its report any more; any other reason is a failure.

    A run that has written something then ends as one that stopped after it: the next one tells what is there.
    """
    if isinstance(error, ConnectionError):
        return status
    from bridge.commands.results import PENDING  # noqa: PLC0415 - start-up
    from bridge.report.talk import say  # noqa: PLC0415

    what, hint = f"the report cannot be written: {(error.strerror or 'unknown reason').lower()}", ""
    if record.changed and status not in {BUG, Stopped.exit_status} and status < 128:  # from there on a signal's
        status, hint = Stopped.exit_status, "run the same command again: it sees what is there"
    with guarded():
        say(record, "error", [Problem("", what, hint)])
    return 1 if status in {0, PENDING} else status  # whoever acts on pending changes would have to see them


def _fail(args: argparse.Namespace, error: BridgeError, record: Record) -> int:
    """Report an error of a command that has not printed its report yet."""
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    if getattr(args, "output", "text") == "json":
        from bridge.report.cluster import cluster_field  # noqa: PLC0415
        from bridge.report.data import SCHEMA, problems  # noqa: PLC0415
        from bridge.report.write import write_json  # noqa: PLC0415

        head = {"schema": SCHEMA, "result": "failed"} | cluster_field(record.cluster)
        write_json(record, head | {"errors": problems(error.problems)})
    say(record, "error", error.problems)
    return error.exit_status


def _stop(stop: BaseException, record: Record) -> int:
    from bridge.report.talk import tell  # noqa: PLC0415 - start-up

    tell(record, "terminated" if isinstance(stop, process.Terminated) else "interrupted", "error")
    return process.status_of(stop)


def _bug(error: BaseException, record: Record) -> int:
    """Name a bug that no command has met itself, as in the writing of its report; and what the run has written."""
    from bridge.report.talk import say  # noqa: PLC0415

    found = ending(error, touched=bool(record.changed))
    say(record, "error", found.problems)
    if not record.changed:
        return found.exit_status
    what = f"written before that, or perhaps written: {', '.join(record.changed)}"
    say(record, "error", [Problem("", what, "run the same command again: it sees what is there")])
    return Stopped.exit_status


def run() -> NoReturn:
    """Be the `bridge` program: one run, then the process ends, so that collecting garbage would only cost time."""
    gc.disable()
    status = main()
    process.end_streams()
    gc.freeze()  # else the interpreter looks through everything once more on its way out
    sys.exit(status)
