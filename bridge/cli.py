"""The command line: the parser, and the one place that catches."""

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Final, NoReturn

from bridge import __version__
from bridge.errors import BridgeError, Problem
from bridge.report.streams import guarded

BUG: Final = 3
TIMEOUT: Final = 120.0
DAY: Final = 86_400

EPILOG: Final = """\
exit status:
  0    done
  1    refused or failed, nothing was written
  2    the arguments, the environment file, a template or the env file are wrong
  3    a bug of bridge
  4    changes are pending (plan --exit-code)
  5    stopped between writes, run again
  75   only temporary failures, nothing was written, try again
  130  interrupted (143: terminated)
"""


class _Terminated(BaseException):
    """SIGTERM: an exception, so that sessions are closed on the way out."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bridge",
        description="Fetches values from secret stores and writes them into Kubernetes Secrets and ConfigMaps.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bridge {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _sync(_command(commands, "sync", "make the cluster's objects equal to the sources", ("text", "json", "markdown")))
    plan = _command(commands, "plan", "show what sync would do, without any value", ("text", "json", "markdown"))
    _allow(plan)
    plan.add_argument("--show-config", action="store_true", help="show ConfigMap values that stand in plain files")
    plan.add_argument("--exit-code", action="store_true", help="exit with 4 when something would change")
    _command(commands, "check", "find what is wrong with the files, without cluster, network or key", ("text", "json"))
    _command(commands, "status", "show where each variable comes from and what the cluster has", ("text", "json"))
    demo = commands.add_parser("demo", help="the whole story in seconds, on an embedded cluster", allow_abbrev=False)
    demo.description = "Shows plan, sync, drift, healing and a refusal on an embedded cluster; needs no account."
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, forms: tuple[str, ...]
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    command.add_argument("environment", nargs="?", metavar="ENV", help="name of the environment (default: $K8_ENV)")
    command.add_argument(
        "--config", metavar="DIR", help="folder of the environments (default: $BRIDGE_CONFIG or ./config)"
    )
    command.add_argument("--output", choices=forms, default="text", help="form of the report (default: text)")
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"limit of the run (default: {TIMEOUT:.0f})",
    )
    return command


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < DAY:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, more than 0 and less than {DAY}")
    return value


def _sync(sync: argparse.ArgumentParser) -> None:
    _allow(sync)
    sync.add_argument("--dry-run", action="store_true", help="write nothing; the same as plan")


def _allow(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-shrink", action="store_true", help="admit that keys or objects are lost")
    command.add_argument("--allow-fallback", action="store_true", help="admit that a lower layer gives a key now")
    command.add_argument("--prune", action="store_true", help="delete objects that left the templates")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Nothing is raised, and no traceback is shown."""
    with guarded() as out:
        try:
            status = _run(argv)
        except (KeyboardInterrupt, _Terminated) as stop:
            status = _stop(stop)
        except BaseException as error:  # noqa: BLE001 - whatever it is, its text may hold a value
            status = _bug(error)
    return _report_lost(out.error, status) if out and out.error else status


def _run(argv: Sequence[str] | None) -> int:
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    with suppress(ValueError):  # not the main thread: whoever called us there has the signals
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(import_module(f"bridge.commands.{args.command}").run(args))
    except BridgeError as error:
        return _fail(args, error)


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


def _fail(args: argparse.Namespace, error: BridgeError) -> int:
    """Report an error of a command that has not printed its report yet."""
    from bridge.report.talk import say  # noqa: PLC0415 - start-up

    if getattr(args, "output", "text") == "json":
        from bridge.report.data import SCHEMA, problems  # noqa: PLC0415
        from bridge.report.write import write_json  # noqa: PLC0415

        write_json({"schema": SCHEMA, "result": "failed", "errors": problems(error.problems)})
    say("error", error.problems)
    return error.exit_status


def _stop(stop: BaseException) -> int:
    terminated = isinstance(stop, _Terminated)
    print("bridge: terminated" if terminated else "bridge: interrupted", file=sys.stderr)  # noqa: T201
    return 143 if terminated else 130


def _bug(error: BaseException) -> int:
    """Name the place of a bug: files and lines, never the exception's text nor its locals."""
    from bridge.report.talk import say  # noqa: PLC0415

    places = []
    trace = error.__traceback__
    while trace:
        name = trace.tb_frame.f_globals.get("__name__", "?")
        if not name.startswith("importlib"):
            places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    hint = f"please report it with these places: {' > '.join(places)}"
    say("error", [Problem("", f"a bug of bridge ({type(error).__name__})", hint)])
    return BUG


def run() -> NoReturn:
    """Be the `bridge` program: one run, then the process ends, so that collecting garbage would only cost time."""
    gc.disable()
    status = main()
    gc.freeze()  # else the interpreter looks through everything once more on its way out
    sys.exit(status)
