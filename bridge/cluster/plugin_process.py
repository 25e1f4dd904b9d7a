"""Run a credential plugin with limits on output and time; on a terminal, the plugin may prompt."""

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import Final

from bridge.process import descriptor

MOST: Final = 2**20
"""The largest output of a plugin, in bytes; a credential has a few thousand."""
_PIECE: Final = 2**16


class PrintsTooMuch(Exception):
    """The plugin printed more than `MOST` and was killed."""


class TakesTooLong(Exception):
    """The plugin did not finish in time and was killed."""


def on_terminal() -> bool:
    """Return whether stdin is a terminal, so that the plugin can prompt the user."""
    return _is_terminal(0)


def run(arguments: Sequence[str], environ: Mapping[str, str], limit: float, *, asks: bool) -> tuple[int, bytes]:
    """Return the exit status and stdout; raise OSError or ValueError if the program cannot be started.

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
    assert process.stdout is not None
    content = bytearray()
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    while poll.poll(_left(until) * 1000):
        piece = os.read(process.stdout.fileno(), _PIECE)
        content += piece
        if len(content) > MOST:
            raise PrintsTooMuch
        if not piece:
            with suppress(TimeoutExpired):
                return process.wait(_left(until)), bytes(content)
            break
    raise TakesTooLong


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())


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
