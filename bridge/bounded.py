"""Runs a program with limits on its time and output: no shell, no terminal, and it ends with all that it started."""

import contextlib
import os
import select
import selectors
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.named_tuple import NamedTuple

if TYPE_CHECKING:
    from subprocess import Popen

_GRACE: Final = 1.0  # seconds to wait for a program that was killed
_STEP: Final = 0.002
_PIECE: Final = 2**16


class Ended(NamedTuple):
    """The output of a program, and its exit status."""

    status: int
    stdout: bytes
    stderr: bytes


class TooMuch(Exception):
    """A program printed more than it may."""


class ChildProgram:
    """A running program in a session of its own: it reaches no terminal, and is killed with all that it started."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], until: float, folder: str | None = None
    ) -> None:
        """Start it in `folder`, or in the current one. It gets `environ` and nothing else.

        It may run `until` a `time.monotonic()`.

        Raises OSError if it cannot be started, and ValueError for a zero byte in its path or an argument.
        """
        import subprocess  # noqa: PLC0415 - it takes time, and few runs start a program

        self._process: Final[subprocess.Popen[bytes]] = subprocess.Popen(  # noqa: S603 - the caller has checked it
            list(command),
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._until: Final = until
        self._reaping: Final = threading.Lock()

    def finish(self, stdin: bytes, most: int) -> Ended:
        """Send `stdin`, read all output, and wait for the end.

        Raises TimeoutError if it does not end in time, and TooMuch if it prints more than `most` bytes. Call `end` in
        any case.
        """
        said = exchange(self._process, stdin, self._until, most)
        while (status := self._reaped()) is None:
            if time.monotonic() > self._until:
                raise TimeoutError
            time.sleep(_STEP)
        return Ended(status, *said)

    def kill(self) -> None:
        """Kill it with its group; for any thread."""
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses for a dead one
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it if it still runs, and close its pipes."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        until = time.monotonic() + _GRACE
        while self._reaped() is None and time.monotonic() < until:
            time.sleep(_STEP)

    def _reaped(self) -> int | None:
        with self._reaping:
            return self._process.poll()


def exchange(
    process: "Popen[bytes]", feed: bytes, until: float, most: int, kept: int | None = None
) -> tuple[bytes, bytes]:
    """Write `feed` to a program's stdin, and return its stdout and stderr, as far as these are pipes.

    Raises TimeoutError if it does not close them `until` then, and TooMuch if it prints more than `most` bytes. With
    `kept`, no length of stderr is too much, but only its first bytes are returned.
    """
    left = memoryview(feed)
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        if process.stdin:
            selector.register(process.stdin, selectors.EVENT_WRITE)
        for pipe, content in ((process.stdout, output), (process.stderr, complaint)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, content)
        while selector.get_map():
            seconds = until - time.monotonic()
            if seconds <= 0 or not (ready := selector.select(seconds)):
                raise TimeoutError
            for key, _ in ready:
                left = _moved(selector, key, left)
            if kept is not None:
                del complaint[kept:]
            if max(len(output), len(complaint)) > most:
                raise TooMuch
    return bytes(output), bytes(complaint)


def _moved(selector: selectors.BaseSelector, key: selectors.SelectorKey, left: memoryview) -> memoryview:
    """Write to a pipe or read from it, close it if that was all, and return what is left to be written."""
    if key.data is None:
        left = _sent(key.fd, left)
        is_over = not left
    else:
        piece = os.read(key.fd, _PIECE)
        key.data.extend(piece)
        is_over = not piece
    if is_over:
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr] # it is a pipe
    return left


def _sent(descriptor: int, data: memoryview) -> memoryview:
    """Write what fits into the pipe, and return the rest; empty if the program has closed its stdin."""
    try:
        # A pipe that is ready takes as much without blocking.
        return data[os.write(descriptor, data[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        return data[:0]
