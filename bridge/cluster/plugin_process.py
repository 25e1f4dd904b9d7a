"""Run a credential plugin with limits on output and time; on a terminal, the plugin may prompt."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import Final

from bridge.bounded import exchange
from bridge.process import descriptor

MOST: Final = 2**20
"""The largest output of a plugin, in bytes; a credential has a few thousand."""


class TakesTooLong(Exception):
    """The plugin did not finish in time and was killed."""


def on_terminal() -> bool:
    """Return whether stdin is a terminal, so that the plugin can prompt the user."""
    return _is_terminal(0)


def run(arguments: Sequence[str], environ: Mapping[str, str], limit: float, *, asks: bool) -> tuple[int, bytes]:
    """Return the exit status and stdout; raise OSError or ValueError if the program cannot be started.

    Raises TakesTooLong, and TooMuch if it prints more than `MOST`; it is killed then.

    If it `asks`, the program gets our terminal. Its stderr is shown only on a terminal and never ends up in a log.
    """
    process = Popen(  # noqa: S603 -- the kubeconfig's owner chose the program, as for kubectl
        arguments,
        env=environ,
        stdin=None if asks else DEVNULL,
        stdout=PIPE,
        stderr=descriptor(2) if _is_terminal(descriptor(2)) else DEVNULL,
        bufsize=0,
        # Use a new session, so that the program's children end with it. A program that asks needs ours for /dev/tty.
        start_new_session=not asks,
    )
    try:
        return _finished(process, time.monotonic() + limit)
    finally:
        _end(process, alone=asks)


def _finished(process: "Popen[bytes]", until: float) -> tuple[int, bytes]:
    with suppress(TimeoutError, TimeoutExpired):
        output, _ = exchange(process, b"", until, MOST)
        return process.wait(max(0.0, until - time.monotonic())), output
    raise TakesTooLong


def _end(process: "Popen[bytes]", *, alone: bool) -> None:
    """Kill what still runs: the whole session, or only the program if it shares our session."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it may have just exited
            if alone:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
