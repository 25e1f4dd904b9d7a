"""The forms in which a secret value may lie about: as it is, as base64, escaped for JSON or YAML."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from bridge.config.common_value import SHORTEST, commonness
from bridge.secret import SecretValue

LINE: Final = 16
"""Bytes that a line of a longer value must have to stand for all of it."""
_HTML: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})  # as Go writes JSON


class Form(NamedTuple):
    """What was found, without what it is: whose value, and in which form."""

    names: tuple[str, ...]
    form: str


class Choice(NamedTuple):
    """What is looked for. `skipped` has the reason for each value that would flood the report."""

    patterns: Mapping[bytes, Form]
    skipped: Mapping[str, str]

    def __repr__(self) -> str:
        return "Choice(<hidden>)"


def choose(secrets: Iterable[tuple[str, SecretValue]], public: Iterable[SecretValue]) -> Choice:
    """Return the patterns for all values, each value once with the names of all that have it."""
    names: dict[bytes, list[str]] = {}
    for name, value in secrets:
        names.setdefault(value.reveal().strip(), []).append(name)
    known = {value.reveal().strip() for value in public}
    patterns: dict[bytes, Form] = {}
    skipped: dict[str, str] = {}
    for content, owners in names.items():
        reason = _reason(content, known)
        if reason:
            skipped |= dict.fromkeys(owners, reason)
            continue
        for pattern, form in _forms(content):
            patterns.setdefault(pattern, Form(tuple(dict.fromkeys(owners)), form))
    return Choice(patterns, skipped)


def _reason(content: bytes, public: Iterable[bytes]) -> str:
    if len(content) >= SHORTEST and content in public:
        return "has the same value as a public one"
    return commonness(content)


def _forms(content: bytes) -> Iterator[tuple[bytes, str]]:
    yield _line(content), "as it is"
    for skipped in range(3):
        encoded = _base64(content, skipped)
        yield encoded, "base64"
        yield encoded.translate(bytes.maketrans(b"+/", b"-_")), "base64"
    yield content.replace(b"'", b"''"), "YAML"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped.encode(), "JSON"
        yield escaped.translate(_HTML).encode(), "JSON"


def _line(content: bytes) -> bytes:
    """Return what stands for a value: of several lines a long one, for the file may indent them.

    The middle one of the longest: the first of a key file often only says what kind of key it is.
    """
    lines = [line.strip() for line in content.split(b"\n")]
    most = max(map(len, lines))
    longest = [line for line in lines if len(line) == most]
    return longest[len(longest) // 2] if len(lines) > 1 and most >= LINE else content


def _base64(content: bytes, skipped: int) -> bytes:
    """Return those characters that a value always has where `skipped` bytes (modulo 3) stand before it."""
    encoded = base64.b64encode(bytes(skipped) + content)
    return encoded[(skipped * 8 + 5) // 6 : (skipped + len(content)) * 8 // 6]
