"""Guards stdout and stderr: what cannot be written is remembered, and changes nothing that a run did."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING, TextIO

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


@contextmanager
def guarded() -> Iterator[Sink | None]:
    """Guard both streams, and yield what stands behind stdout; None where it is no file (a caller's own buffer)."""
    sys.stdout, sys.stderr = _present(sys.stdout), _present(sys.stderr)
    (out, sink), (err, _) = _guard(sys.stdout), _guard(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        try:
            yield sink
        finally:
            out.flush()
            err.flush()


def _present(stream: TextIO | None) -> TextIO:
    """Put the null device where a stream was closed: `print` would take stdout for an absent stderr."""
    return stream or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - start-up


def _guard(stream: TextIO) -> tuple[TextIO, Sink | None]:
    try:
        sink = Sink(stream.fileno())
    except (OSError, ValueError):
        return stream, None
    with suppress(OSError):
        stream.flush()
    # A name may hold what the terminal's encoding has not.
    guard = io.TextIOWrapper(io.BufferedWriter(sink), stream.encoding, "backslashreplace", line_buffering=True)
    return guard, sink
