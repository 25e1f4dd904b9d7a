"""`bridge exec`: replace this process with a command that has an environment's variables."""

import argparse
import errno
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

from bridge.commands.arguments import environment_of, run_of
from bridge.errors import BridgeError, Problem, Refusal
from bridge.objects import Entry
from bridge.process import SIGNALS, usual_core, usual_streams
from bridge.report.record import Record
from bridge.report.talk import printed, say
from bridge.run.inputs import gather_variables

OWN_SIGNALS: Final = (*SIGNALS, signal.SIGPIPE)
"""The signals that Python or a run handles in its own way."""


class NotExecutable(BridgeError):
    """The command exists but cannot be run; the exit status is that of a shell (POSIX XCU 2.8.2)."""

    exit_status = 126


class CommandNotFound(BridgeError):
    """The command does not exist; the exit status is that of a shell."""

    exit_status = 127


def run(args: argparse.Namespace, record: Record) -> int:
    """Replace this process with the command; raise if a variable is missing or unusable, or the command cannot run."""
    environment = environment_of(args)
    public = [name for name, rule in environment.infrastructure.items() if rule == "required"]
    gathered = gather_variables(environment, run_of(args, record), [*public, *args.names])
    say(record, "warning", (*gathered.warnings, *printed()))
    _replace_process(args.child, {**os.environb, **_revealed(gathered.entries)})


def _revealed(entries: Mapping[str, Entry]) -> Mapping[bytes, bytes]:
    """Reveal the values; raise Refusal for values that an environment cannot contain."""
    values = {name: entry.value.reveal() for name, entry in entries.items()}
    unfit = [
        Problem(entries[name].origin.place, f"{name} contains a zero byte", "remove it: variables cannot contain it")
        for name, value in values.items()
        if b"\0" in value
    ]
    if unfit:
        raise Refusal(*unfit)
    return {name.encode(): value for name, value in values.items()}


def _replace_process(command: list[str], environ: Mapping[bytes, bytes]) -> NoReturn:
    """Replace this process. By now, sessions are closed, and the command inherits none of our open files."""
    try:
        with _default_signals(), usual_core(), usual_streams():
            os.execvpe(command[0], command, environ)  # noqa: S606 - deliberately without a shell
    except OSError as error:
        code, reason = error.errno, (error.strerror or "unknown reason").lower()
    except ValueError:
        code, reason = errno.EINVAL, "a zero byte in an argument"
    # Raise outside the handler, so that the error's frames, which contain the values, are not chained.
    if code in (errno.ENOENT, errno.ENOTDIR):
        raise CommandNotFound(Problem(command[0], "command (or the interpreter in its first line) not found"))
    raise NotExecutable(Problem(command[0], f"cannot be run: {reason}"))


@contextmanager
def _default_signals() -> Iterator[None]:
    """Restore the default signal handling for the command, because it would inherit ignored signals."""
    before = {}
    with suppress(ValueError):  # not the main thread
        for number in OWN_SIGNALS:
            # An interrupt that our parent ignores (nohup, a shell's background job) must stay ignored.
            if number is signal.SIGPIPE or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
