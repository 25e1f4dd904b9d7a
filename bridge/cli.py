"""The program: run one command, and catch every exception in one place."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from typing import Final, NoReturn

from bridge import late_warnings, process, progress
from bridge.errors import ANYTHING, BUG, BridgeError, Problem, Stopped, ending, shortage
from bridge.parser import parse
from bridge.report import streams
from bridge.report.record import Record
from bridge.report.streams import guarded

UNCHECKED: Final = frozenset({"help", "completion", "doctor"})
"""The commands that run even if the trust file is invalid: the first two use no credential, and doctor reports it."""
CONNECTING: Final = frozenset({"sync", "plan", "status"})
"""The commands that start to connect before their modules are imported, because both take as long."""
SWITCH: Final = 0.0005
"""Seconds after which Python lets another thread run. The default is ten times as long, and a thread that connects has
to wait so long several times, while the main thread imports modules."""
AGAIN: Final = "run the same command again: it continues from the current state"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. This raises nothing and shows no traceback."""
    record = Record()
    kept = late_warnings.COLLECTED.set(late_warnings.Collected([], {}))
    try:
        with process.own():
            return _finish(record, _guarded(argv, record))
    except (KeyboardInterrupt, process.Terminated) as stop:  # after everything has been reported
        return process.status_of(stop)
    finally:
        progress.end()
        late_warnings.COLLECTED.reset(kept)


def _guarded(argv: Sequence[str] | None, record: Record) -> int:
    with _spare_files() as give_up, guarded() as out:
        try:
            process.listen()
            status = _run(argv, record)
        except (KeyboardInterrupt, process.Terminated) as stop:
            status = _stop(stop, record)
        except BaseException as error:  # noqa: BLE001 - the text of any exception may contain a value
            give_up()
            status = _bug(error, record, has_report=out is None or out.is_used)
    return _report_lost(out.error, status, record) if out and out.error else status


@contextmanager
def _spare_files() -> Iterator[Callable[[], None]]:
    """Keep two spare files open; yield a function that closes them, so that a run out of files can report that."""
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
    _choose_display(args, record)
    if streams.talk().isatty():
        from bridge.report.talk import begin_progress  # noqa: PLC0415 - start-up: a pipe shows no progress

        begin_progress(record)
    try:
        if args.command not in UNCHECKED:
            _check_trust(args)
        _tell_folder(args, record)
        return _run_command(args, record)
    except ANYTHING as error:
        if not isinstance(error, BridgeError) and (record.changed or not shortage(error)):
            raise
        return _fail(args, ending(error, touched=False), record)


def _run_command(args: argparse.Namespace, record: Record) -> int:
    """Import a command's module and run it. A fleet connects later, to each cluster that its environments choose.

    A status page is a fleet's report, also if it is of one environment.
    """
    module = f"bridge.commands.{getattr(args, 'module', args.command)}"
    is_fleet = getattr(args, "all", False) or getattr(args, "shard", None) or getattr(args, "output", "") == "html"
    if args.command not in CONNECTING or is_fleet:
        return int(import_module(module).run(args, record))
    from bridge.commands.arguments import opening  # noqa: PLC0415 - start-up: the other commands do not need it

    with opening(args) as opened:
        return int(import_module(module).run(args, record, opened))


def _choose_display(args: argparse.Namespace, record: Record) -> None:
    """Apply --color and --quiet."""
    record.quiet = args.quiet
    streams.COLOR.set(args.color)
    if args.quiet and getattr(args, "output", "") == "text":
        streams.hush()


def _check_trust(args: argparse.Namespace) -> None:
    """Refuse an invalid trust file, or one in the environments' checkout, before doing anything else."""
    from bridge import trust  # noqa: PLC0415 - start-up: `--version` does not need it

    if trust.find(os.environ):
        from bridge.commands.arguments import folder_of  # noqa: PLC0415 - as above

        trust.check_file(os.environ, folder_of(args))


def _tell_folder(args: argparse.Namespace, record: Record) -> None:
    """Name the environments' folder if it was found above the current folder."""
    has_folder = args.command != "completion" and hasattr(args, "config")
    if not has_folder or args.config or os.environ.get("BRIDGE_CONFIG"):
        return
    from bridge.commands.arguments import folder_of  # noqa: PLC0415 - start-up: `help` does not need it

    folder = folder_of(args)
    if folder.parts[0] == "..":
        from bridge.report.talk import tell  # noqa: PLC0415 - start-up: most runs have their folder here

        tell(record, f"using the environments in {folder}")


def _finish(record: Record, status: int) -> int:
    """Report late warnings, the metrics and the end of the run; the exit status stays unchanged."""
    if process.has_printed():
        from bridge.report.talk import printed  # noqa: PLC0415 - start-up

        late_warnings.add(printed())
    late = late_warnings.unprinted()
    if not late and not record.metrics and not record.as_json:
        return status
    from bridge.report.talk import say, tell_end  # noqa: PLC0415 - start-up

    with guarded():
        try:
            say(record, "warning", late)
            if record.metrics:
                from bridge.report.publish import publish  # noqa: PLC0415 - start-up

                say(record, "warning", publish(record, status))
        except BaseException as error:  # noqa: BLE001 - including signals: the run itself is over
            output = "the metrics" if record.metrics else "the warnings"
            say(record, "warning", [Problem(output, f"were not written ({type(error).__name__})")])
        tell_end(record, status)
    return status


def _report_lost(error: OSError, status: int, record: Record) -> int:
    """Keep the exit status if the reader closed the pipe; any other write error is a failure.

    If the run has written something, it ends as stopped, so that the next run reports what exists.
    """
    if isinstance(error, ConnectionError):
        return status
    from bridge.commands.results import PENDING  # noqa: PLC0415 - start-up
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    message, hint = f"cannot write the report: {(error.strerror or 'unknown reason').lower()}", ""
    if record.changed and status not in {BUG, Stopped.exit_status} and status < 128:  # 128 and up are signals
        status, hint = Stopped.exit_status, AGAIN
    with guarded():
        say(record, "error", [Problem("", message, hint)])
    return 1 if status in {0, PENDING} else status  # pending changes are useless to a reader without the report


def _fail(args: argparse.Namespace, error: BridgeError, record: Record) -> int:
    """Report the error of a command that has not printed its report yet."""
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    if getattr(args, "output", "text") == "json":
        from bridge.report.cluster import cluster_field  # noqa: PLC0415 - start-up
        from bridge.report.data import SCHEMA, problems  # noqa: PLC0415 - start-up
        from bridge.report.output import write_json  # noqa: PLC0415 - start-up

        head = {"schema": SCHEMA, "result": "failed"} | cluster_field(record.cluster)
        write_json(record, head | {"errors": problems(error.problems)})
    say(record, "error", error.problems)
    return error.exit_status


def _stop(stop: BaseException, record: Record) -> int:
    from bridge.report.talk import tell  # noqa: PLC0415 - start-up

    tell(record, "terminated" if isinstance(stop, process.Terminated) else "interrupted", "error")
    return process.status_of(stop)


def _bug(error: BaseException, record: Record, *, has_report: bool) -> int:
    """Report a bug or a shortage that no command has handled, and what the run has written.

    With `has_report`, the report has begun and may be incomplete, so nothing is added to it.
    """
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    final = ending(error, touched=bool(record.changed))
    if not has_report and not record.changed and record.args:
        return _fail(record.args, final, record)
    say(record, "error", final.problems)
    if not record.changed:
        return final.exit_status
    say(
        record,
        "error",
        [Problem("", f"these objects were or may have been written: {', '.join(record.changed)}", AGAIN)],
    )
    return Stopped.exit_status


def run() -> NoReturn:
    """Run the `bridge` program once and exit. The process ends afterwards, so garbage collection is a waste of time."""
    gc.disable()
    sys.setswitchinterval(SWITCH)
    status = main()
    process.end_streams()
    os._exit(status)  # nothing is left to do, and taking the interpreter apart takes as long as a request
