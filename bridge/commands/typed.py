"""Reads a value from an operator or a pipe, never from an argument, which every process on the machine can read."""

import sys
import warnings
from typing import Final

from bridge.errors import Problem, Refusal
from bridge.report import streams
from bridge.secret import SecretValue

LIMIT: Final = 1024 * 1024
"""In bytes: the most that a whole Secret can hold."""


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
