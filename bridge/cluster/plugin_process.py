"""The process of a credential plugin: its output and its time are bounded, and on a terminal it may ask."""

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
"""Of what a plugin prints, in bytes; a credential has a few thousand."""
_PIECE: Final = 2**16


class PrintsTooMuch(Exception):
    """The plugin printed more than `MOST`; it was ended."""


class TakesTooLong(Exception):
    """The plugin did not end in time; it was ended."""


def on_terminal() -> bool:
    """Return whether stdin is a terminal, so that somebody can be asked."""
    return _is_terminal(0)


def run(arguments: Sequence[str], environ: Mapping[str, str], limit: float, *, asks: bool) -> tuple[int, bytes]:
    """Return the exit status and what was printed on stdout; OSError or ValueError if the program cannot be started.

    Where it `asks`, it has our terminal. What it says on stderr reaches a terminal only: a log must not hold it.
    """
    process = Popen(  # noqa: S603 -- the kubeconfig's owner chose the program, as for kubectl
        arguments,
        env=environ,
        stdin=None if asks else DEVNULL,
        stdout=PIPE,
        stderr=descriptor(2) if _is_terminal(descriptor(2)) else DEVNULL,
        bufsize=0,
        # A session of its own, so that what the program started ends with it; who asks needs ours for /dev/tty.
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
    """Kill what still runs: the whole session, or the program alone where it shares ours."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it may have just ended
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
