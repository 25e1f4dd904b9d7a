"""A terminal at which somebody gives answers, one line each."""

import io

import pytest


class Terminal(io.StringIO):
    """What `sys.stdin` is then; the questions go to stderr."""

    def isatty(self) -> bool:
        return True

    @property
    def unread(self) -> str:
        """Return the answers that nobody has asked for."""
        return self.getvalue()[self.tell() :]


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Terminal:
    """Put somebody at the terminal, who gives these answers and no more."""
    terminal = Terminal("".join(f"{one}\n" for one in answers))
    monkeypatch.setattr("sys.stdin", terminal)
    return terminal
