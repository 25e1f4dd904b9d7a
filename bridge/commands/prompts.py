"""Asks the operator for a yes or for a value. Values are never arguments: every process can read arguments."""

import sys
import warnings
from typing import Final

from bridge.errors import Problem, Refusal
from bridge.report import streams
from bridge.report.style import width_of
from bridge.report.talk import printable
from bridge.secret import SecretValue

LIMIT: Final = 1024 * 1024
"""The largest size of a whole Secret, in bytes."""


def confirm(question: str, *, yes: bool) -> None:
    """Return if the operator agrees, now or with `--yes`; otherwise raise Refusal before anything is done.

    Without a terminal bridge cannot ask, so a pipeline must pass `--yes`.
    """
    if yes:
        return
    if not can_ask():
        what = "stdin is not a terminal, so bridge cannot ask; nothing was done"
        raise Refusal(Problem("", what, "confirm with --yes"))
    if not ask(question):
        raise not_confirmed()


def can_ask() -> bool:
    """Return whether stdin is a terminal."""
    return sys.stdin.isatty()


def ask(question: str) -> bool:
    """Ask at the terminal, and return whether the answer is yes."""
    width = width_of(streams.talk())
    text = f"{printable(question)} [y/N]"
    if width:
        from textwrap import fill  # noqa: PLC0415 - only a question at a terminal needs it

        text = fill(text, width - 2, break_long_words=False, break_on_hyphens=False)  # leaves room for the answer
    print(f"{text} ", end="", file=streams.talk(), flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def not_confirmed() -> Refusal:
    """Return the error for a question that was not answered with yes."""
    return Refusal(Problem("", "not confirmed; nothing was done"))


def take_value(prompt: str) -> SecretValue:
    """Return the value: prompted for twice without echoing it, or all of stdin if it is not a terminal.

    Refusal if it is empty, too long, or the two inputs differ.
    """
    value = _typed(prompt) if sys.stdin and sys.stdin.isatty() else _piped()
    if value.is_empty():
        raise Refusal(Problem("", "the value is empty; nothing was written"))
    return value


def _piped() -> SecretValue:
    content = sys.stdin.buffer.read(LIMIT + 1) if sys.stdin else b""
    if len(content) > LIMIT:
        raise Refusal(Problem("stdin", f"larger than {LIMIT // 1024} KiB, the limit of a Secret"))
    return SecretValue(content.removesuffix(b"\n"))


def _typed(prompt: str) -> SecretValue:
    answers = [_asked(f"{prompt}: "), _asked("repeat it: ")]
    if None in answers:
        raise Refusal(Problem("", "no value was typed; nothing was written"))
    first, second = (SecretValue((text or "").encode(errors="surrogateescape")) for text in answers)
    if not first.same_as(second):
        raise Refusal(Problem("", "the two values differ; nothing was written"))
    return first


def _asked(prompt: str) -> str | None:
    from getpass import GetPassWarning, getpass  # noqa: PLC0415 - not needed for a pipe

    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return getpass(prompt, streams.talk())
        except (EOFError, GetPassWarning):  # the terminal was closed, or would echo the input
            return None
