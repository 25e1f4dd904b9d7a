"""Takes a value from an operator or a pipe: never from an argument, which every process of the machine can read."""

import sys
import warnings
from typing import Final

from bridge.errors import Problem, Refusal
from bridge.report import streams
from bridge.secret import SecretValue

LIMIT: Final = 1024 * 1024
"""In bytes: what a whole Secret holds at most."""


def take_value(prompt: str) -> SecretValue:
    """Return the value: asked for twice without an echo, or all of stdin where that is no terminal.

    Refusal for one that is empty, too long, or typed in two ways.
    """
    value = _typed(prompt) if sys.stdin and sys.stdin.isatty() else _piped()
    if value.is_empty():
        raise Refusal(Problem("", "the value is empty; nothing was written"))
    return value


def _piped() -> SecretValue:
    content = sys.stdin.buffer.read(LIMIT + 1) if sys.stdin else b""
    if len(content) > LIMIT:
        raise Refusal(Problem("stdin", f"has more than {LIMIT // 1024} KiB, more than a Secret holds"))
    return SecretValue(content.removesuffix(b"\n"))


def _typed(prompt: str) -> SecretValue:
    texts = [_asked(f"{prompt}: "), _asked("the same again: ")]
    if None in texts:
        raise Refusal(Problem("", "no value was typed; nothing was written"))
    first, second = (SecretValue((text or "").encode(errors="surrogateescape")) for text in texts)
    if not first.same_as(second):
        raise Refusal(Problem("", "the two are not the same; nothing was written"))
    return first


def _asked(prompt: str) -> str | None:
    from getpass import GetPassWarning, getpass  # noqa: PLC0415 - a pipe needs none

    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return getpass(prompt, streams.talk())
        except (EOFError, GetPassWarning):  # the terminal was closed, or would show what is typed
            return None
