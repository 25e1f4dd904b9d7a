"""Asks before a command does what cannot simply be undone."""

import sys

from bridge.errors import Problem, Refusal
from bridge.report import streams
from bridge.report.style import width_of
from bridge.report.talk import printable


def confirm(question: str, *, yes: bool) -> None:
    """Return where the operator agrees, or said `--yes` before; raises Refusal elsewhere, and nothing is done then.

    Without a terminal nobody can be asked, so a pipeline has to say `--yes`.
    """
    if yes:
        return
    if not can_ask():
        raise Refusal(Problem("", "nobody is at a terminal to be asked; nothing was done", "agree with --yes"))
    if not ask(question):
        raise not_confirmed()


def can_ask() -> bool:
    """Return whether somebody is at a terminal."""
    return sys.stdin.isatty()


def ask(question: str) -> bool:
    """Ask at the terminal, and return whether the answer is yes."""
    width = width_of(streams.talk())
    text = f"{printable(question)} [y/N]"
    if width:
        from textwrap import fill  # noqa: PLC0415 - only a question at a terminal needs it

        text = fill(text, width - 2, break_long_words=False, break_on_hyphens=False)  # and room for the answer
    print(f"{text} ", end="", file=streams.talk(), flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def not_confirmed() -> Refusal:
    """Return the error for a question that was not answered with yes."""
    return Refusal(Problem("", "not confirmed; nothing was done"))
