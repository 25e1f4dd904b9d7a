"""`bridge exec`: run a command that has an environment's variables, or those of a workload's container."""

import argparse
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.exec_start import not_started, reason_of, revealed
from bridge.errors import Problem
from bridge.process import SIGNALS, usual_core, usual_streams
from bridge.report.record import Record
from bridge.report.talk import printed, say
from bridge.run.inputs import gather_variables
from bridge.secret import SecretValue

OWN_SIGNALS: Final = (*SIGNALS, signal.SIGPIPE)
"""The signals that Python or a run handles in its own way."""

Secrets = Iterable[tuple[str, SecretValue]]


def run(args: argparse.Namespace, record: Record) -> int:
    """Run the command; raise if a variable is missing or unusable, or the command cannot run.

    The command replaces this process, unless its output is masked.
    """
    if args.workload is None:
        environ, secrets, warnings = _of_environment(args, record)
    else:
        from bridge.commands.exec_as import prepare_as  # noqa: PLC0415 - start-up: only with --as

        environ, secrets, warnings = prepare_as(args, record)
    if not args.mask:
        say(record, "warning", (*warnings, *printed()))
        _replace_process(args.child, environ)
    from bridge.commands.exec_masked import run_masked  # noqa: PLC0415 - start-up: only with --mask
    from bridge.scan.masking import SHORTEST, is_too_short, patterns  # noqa: PLC0415 - as above

    what = f"is not masked: it has fewer than {SHORTEST} bytes"
    short = [Problem(name, what) for name, value in secrets if is_too_short(value)]
    say(record, "warning", (*warnings, *short, *printed()))
    return run_masked(args.child, environ, patterns(value for _, value in secrets))


def _of_environment(
    args: argparse.Namespace, record: Record
) -> tuple[Mapping[bytes, bytes], Secrets, Iterable[Problem]]:
    """Return the caller's environment with the variables, those that may be secret, and the warnings."""
    environment = environment_of(args)
    public = [name for name, rule in environment.infrastructure.items() if rule == "required"]
    gathered = gather_variables(environment, run_of(args, record), [*public, *args.names])
    values = {name: entry.value for name, entry in gathered.entries.items()}
    environ = {**os.environb, **revealed(values, lambda name: gathered.entries[name].origin.place)}
    return environ, [(name, values[name]) for name in args.names], gathered.warnings


def _replace_process(command: list[str], environ: Mapping[bytes, bytes]) -> NoReturn:
    """Replace this process. By now, sessions are closed, and the command inherits none of our open files."""
    try:
        with _default_signals(), usual_core(), usual_streams():
            os.execvpe(command[0], command, environ)  # noqa: S606 - deliberately without a shell
    except (OSError, ValueError) as error:
        code, reason = reason_of(error)
    # Raise outside the handler, so that the error's frames, which contain the values, are not chained.
    raise not_started(command[0], code, reason)


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
