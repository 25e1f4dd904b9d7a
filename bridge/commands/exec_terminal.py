"""A terminal of its own for a command whose output is masked, connected to the caller's terminal."""

import fcntl
import os
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

STDIN: Final = 0
NEWLINES: Final = 1
"""The index of the output flags in what `tcgetattr` returns."""


class Terminal:
    """A pseudo-terminal. What the command writes to `child` can be read from `ours`.

    If the caller's terminal is also stdin, and this process may read it, it `has_input`: the command then gets a
    session with this terminal, and what is typed goes through it, so that it decides what Ctrl-C means. Otherwise the
    command stays in the caller's session, where it gets the caller's signals itself.
    """

    def __init__(self, outside: int) -> None:
        """Make a terminal with the settings and the size of the one at `outside`."""
        self._outside: Final = outside
        self.ours, self.child = os.openpty()
        self.has_input: Final = os.isatty(STDIN) and _is_foreground(STDIN)
        settings = termios.tcgetattr(outside)
        if not self.has_input:  # the caller's terminal still changes each newline, which must happen only once
            settings[NEWLINES] &= ~termios.OPOST
        termios.tcsetattr(self.child, termios.TCSANOW, settings)
        self._resize()

    def take(self) -> None:
        """Make this the terminal of the command's session; called in the command's process before it starts."""
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Pass on the size of the caller's terminal and what is typed there, until the command has ended."""
        before: list[Any] | None = termios.tcgetattr(STDIN) if self.has_input else None
        handlers = {number: signal.getsignal(number) for number in (signal.SIGWINCH, signal.SIGCONT)}
        try:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGWINCH, lambda *_: self._resize())
                signal.signal(signal.SIGCONT, lambda *_: self._make_raw())  # a shell resets it while we are stopped
            self._make_raw()
            self._resize()
            yield
        finally:
            if before is not None and _is_foreground(STDIN):
                with suppress(termios.error):  # it is gone
                    termios.tcsetattr(STDIN, termios.TCSADRAIN, before)
            for number, handler in handlers.items():
                with suppress(ValueError):
                    signal.signal(number, handler)
            os.close(self.ours)

    def _make_raw(self) -> None:
        if self.has_input and _is_foreground(STDIN):
            with suppress(termios.error):
                tty.setraw(STDIN, termios.TCSADRAIN)

    def _resize(self) -> None:
        with suppress(OSError, termios.error):
            termios.tcsetwinsize(self.ours, termios.tcgetwinsize(self._outside))


def _is_foreground(descriptor: int) -> bool:
    """Return whether this process may read from a terminal; in the background, the system would stop it."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
