"""`bridge exec`: a command with an environment's variables, in place of this process."""

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
"""Those that Python or a run treats in its own way."""


class NotExecutable(BridgeError):
    """The command is there and cannot be run; the status is a shell's (POSIX XCU 2.8.2)."""

    exit_status = 126


class NotFound(BridgeError):
    """There is no such command; the status is a shell's."""

    exit_status = 127


def run(args: argparse.Namespace, record: Record) -> int:
    """Become the command; raises where a variable is missing or unfit, or the command cannot be run."""
    environment = environment_of(args)
    public = [name for name, rule in environment.infrastructure.items() if rule == "required"]
    found = gather_variables(environment, run_of(args, record), [*public, *args.names])
    say(record, "warning", (*found.warnings, *printed()))
    _become(args.child, {**os.environb, **_ours(found.entries)})


def _ours(entries: Mapping[str, Entry]) -> Mapping[bytes, bytes]:
    """Open the values; raises Refusal for those that no environment can hold."""
    values = {name: entry.value.reveal() for name, entry in entries.items()}
    unfit = [
        Problem(entries[name].origin.place, f"{name} holds a zero byte", "no environment variable can")
        for name, value in values.items()
        if b"\0" in value
    ]
    if unfit:
        raise Refusal(*unfit)
    return {name.encode(): value for name, value in values.items()}


def _become(command: list[str], environ: Mapping[bytes, bytes]) -> NoReturn:
    """Replace this process; sessions are closed by now, and no open file of ours is inherited."""
    try:
        with _default_signals(), usual_core(), usual_streams():
            os.execvpe(command[0], command, environ)  # noqa: S606 - no shell: that is the point
    except OSError as error:
        code, reason = error.errno, (error.strerror or "unknown reason").lower()
    except ValueError:
        code, reason = errno.EINVAL, "a zero byte in an argument"
    # Raised here and not in the handler: that error's frames hold the values.
    if code in (errno.ENOENT, errno.ENOTDIR):
        what = "not found, or the interpreter that its first line names is not"
        raise NotFound(Problem(command[0], what))
    raise NotExecutable(Problem(command[0], f"cannot be run: {reason}"))


@contextmanager
def _default_signals() -> Iterator[None]:
    """Give the command the signals' usual treatment: ignoring one would be inherited."""
    before = {}
    with suppress(ValueError):  # not the main thread
        for number in OWN_SIGNALS:
            # An interrupt that our parent ignores (nohup, a shell's background job) is to stay ignored.
            if number is signal.SIGPIPE or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
