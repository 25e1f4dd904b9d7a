"""Guards stdout and stderr: a failed write is remembered, but does not affect what a run does."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TextIO

from bridge import progress
from bridge.process import caller_streams, descriptor

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Sink(io.RawIOBase):
    """Writes to a file descriptor until that fails; then `error` is the reason, and the rest is dropped.

    Nothing stays in a buffer that the interpreter would try to write again at exit.
    """

    def __init__(self, descriptor: int) -> None:
        self.error: OSError | None = None
        self.is_used = False  # whether anything was written
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Return True: the sink is writable."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether this is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what the system accepts at once, or drop everything."""
        self.is_used = True
        if self.error is None:
            try:
                return os.write(self._descriptor, data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def report() -> TextIO:
    """Return the stream for this run's report: stdout, which nothing else writes to during the run."""
    progress.interrupt()
    return _handles()[0]


def talk() -> TextIO:
    """Return the stream for this run's messages and questions: stderr."""
    progress.interrupt()
    return _handles()[1]


def hush() -> None:
    """Drop the rest of this run's report, but not what it says and asks on stderr."""
    _OURS.set((io.StringIO(), talk()))


COLOR: Final[ContextVar[str]] = ContextVar("color", default="auto")
"""This run's --color: auto, always or never."""
_OURS: Final[ContextVar[tuple[TextIO, TextIO]]] = ContextVar("streams")
_LAST: Final[list[tuple[TextIO, TextIO]]] = []
"""The streams of all runs, latest last. Threads need them, because they do not have their run's context."""


def _handles() -> tuple[TextIO, TextIO]:
    ours = _OURS.get(None)
    if ours is None and _LAST:
        return _LAST[-1]
    return ours or (sys.stdout, sys.stderr)


@contextmanager
def guarded() -> Iterator[Sink | None]:
    """Guard both streams, and yield the sink behind stdout, or None if it is not a file (a caller's own buffer)."""
    stdout, stderr = (_present(stream) for stream in caller_streams())
    (out, sink), (err, _) = _guard(stdout), _guard(stderr)
    kept = _OURS.set((out, err))
    _LAST.append((out, err))
    try:
        yield sink
    finally:
        _LAST.remove((out, err))
        _OURS.reset(kept)
        out.flush()
        err.flush()


def _present(stream: TextIO | None) -> TextIO:
    """Return the stream, or a buffer that is never read if the stream was closed."""
    return stream or io.StringIO()


def _guard(stream: TextIO) -> tuple[TextIO, Sink | None]:
    try:
        sink = Sink(descriptor(stream.fileno()))
    except (OSError, ValueError):
        return stream, None
    with suppress(OSError):
        stream.flush()
    # A name may contain characters that the terminal's encoding does not have.
    guard = io.TextIOWrapper(io.BufferedWriter(sink), stream.encoding, "backslashreplace", line_buffering=True)
    return guard, sink
