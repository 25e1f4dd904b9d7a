"""Guards stdout and stderr: what cannot be written is remembered, and changes nothing that a run did."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TextIO

from bridge.process import caller_streams, descriptor

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Sink(io.RawIOBase):
    """Writes to a file descriptor until that fails; `error` is then the reason, and the rest is dropped.

    Nothing stays in a buffer that the interpreter would try to write once more when it ends.
    """

    def __init__(self, descriptor: int) -> None:
        self.error: OSError | None = None
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Say that one can write here."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Say whether this is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what the system takes at once, or drop everything."""
        if self.error is None:
            try:
                return os.write(self._descriptor, data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def report() -> TextIO:
    """Return where the report of this run goes: stdout, which nothing else reaches meanwhile."""
    return _handles()[0]


def talk() -> TextIO:
    """Return where this run says how it gets on, and asks: stderr."""
    return _handles()[1]


_OURS: Final[ContextVar[tuple[TextIO, TextIO]]] = ContextVar("streams")
_LAST: Final[list[tuple[TextIO, TextIO]]] = []
"""Those of all runs, the latest last: for threads, which have no context of their run."""


def _handles() -> tuple[TextIO, TextIO]:
    ours = _OURS.get(None)
    if ours is None and _LAST:
        return _LAST[-1]
    return ours or (sys.stdout, sys.stderr)


@contextmanager
def guarded() -> Iterator[Sink | None]:
    """Guard both streams, and yield what is behind stdout; None if it is no file (a caller's own buffer)."""
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
    """Put a buffer that nobody reads in the place of a stream that was closed."""
    return stream or io.StringIO()


def _guard(stream: TextIO) -> tuple[TextIO, Sink | None]:
    try:
        sink = Sink(descriptor(stream.fileno()))
    except (OSError, ValueError):
        return stream, None
    with suppress(OSError):
        stream.flush()
    # A name may hold what the terminal's encoding has not.
    guard = io.TextIOWrapper(io.BufferedWriter(sink), stream.encoding, "backslashreplace", line_buffering=True)
    return guard, sink
