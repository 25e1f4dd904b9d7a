"""One line on a terminal that shows how far a step is, once nothing has been printed for two seconds.

Nothing here starts a thread or a timer: the loops that do the work, or wait for it, call `add` and `show`. Without a
terminal, all of it does nothing. The line contains counts, and never a name or a value.
"""

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

SILENCE: Final = 2.0
"""Seconds without output after which a step shows how far it is."""
PAUSE: Final = 0.2
"""Seconds between two updates."""
ERASE: Final = "\r\033[2K"

Write = Callable[[str], None]


class ProgressLine:
    """The line at the bottom of a terminal; `width` is the terminal's number of columns."""

    def __init__(self, write: Write, width: Callable[[], int]) -> None:
        from threading import Lock  # noqa: PLC0415 - start-up: `--version` does not need it

        self._write: Final = write
        self._width: Final = width
        self._lock: Final = Lock()  # threads of a run may print messages
        self._quiet_since = time.monotonic()
        self._updated = -math.inf
        self._shown = ""
        self.is_taken = False

    def update(self, text: str) -> None:
        """Show the text, if nothing has been printed for a while and the last update was not just now."""
        now = time.monotonic()
        with self._lock:
            if now - self._quiet_since < SILENCE or now - self._updated < PAUSE:
                return
            self._updated = now
            room = max(1, self._width() - 1)
            text = text if len(text) <= room else f"{text[: room - 1]}…"
            if text != self._shown:
                self._shown = text
                self._write(ERASE + text)

    def erase(self) -> None:
        """Erase what is shown."""
        with self._lock:
            self._erase()

    def interrupt(self) -> None:
        """Make room for other output; the silence begins again."""
        with self._lock:
            self._quiet_since = time.monotonic()
            self._erase()

    def _erase(self) -> None:
        if self._shown:
            self._shown, self._updated = "", -math.inf
            self._write(ERASE)


_line: ProgressLine | None = None


def begin(write: Write, width: Callable[[], int]) -> None:
    """Show progress from now on."""
    global _line  # noqa: PLW0603 - there is one terminal
    _line = ProgressLine(write, width)


def end() -> None:
    """Erase the line, and show no more progress."""
    global _line  # noqa: PLW0603 - as above
    interrupt()
    _line = None


def interrupt() -> None:
    """Erase the line, because something else is about to be printed."""
    if _line is not None:
        _line.interrupt()


class ProgressStep:
    """A step of a run, as a context manager. `text` has `{}` for the number of finished items, and for the total."""

    def __init__(self, text: str, total: int | None = None) -> None:
        self._text: Final = text
        self._total: Final = total
        self._done = 0
        self._line: ProgressLine | None = None

    def __enter__(self) -> Self:
        """Take the line if it is free: the outermost step shows its progress, and only in the main thread."""
        if _line is not None and not _line.is_taken and _is_main_thread():
            self._line, _line.is_taken = _line, True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._line:
            self._line.erase()
            line, self._line = self._line, None
            line.is_taken = False

    @property
    def pause(self) -> float:
        """How many seconds a loop may wait before it calls `show` again."""
        return PAUSE if self._line else math.inf

    def add(self, count: int = 1) -> None:
        """Count finished items."""
        self._done += count
        self.show()

    def show(self) -> None:
        """Show the progress if it is time to."""
        if self._line:
            self._line.update(self._text.format(f"{self._done:,}", self._total))


def _is_main_thread() -> bool:
    from threading import current_thread, main_thread  # noqa: PLC0415 - start-up

    return current_thread() is main_thread()
