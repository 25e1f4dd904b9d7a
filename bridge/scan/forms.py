"""The forms of a secret value to search for: as it is, in base64, in UTF-16, escaped for JSON, YAML or a URL."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from bridge.config.common_value import SHORTEST, commonness
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

LINE: Final = 16
"""The minimum length in bytes of a line that is searched for instead of its whole multi-line value."""
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")
_HTML: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})  # as Go writes JSON
_KEPT: Final = ("", "/", "!'()*", "$&+,;=")
"""Characters that are not percent-encoded by RFC 3986, Python, JavaScript, and Go in `user:password@`."""


class Form(NamedTuple):
    """The names and the form of a value that is searched for, without the value."""

    names: tuple[str, ...]
    form: str


class Choice(NamedTuple):
    """The patterns to search for. `skipped` has the reason for each value that would flood the report."""

    patterns: Mapping[bytes, Form]
    skipped: Mapping[str, str]

    def __repr__(self) -> str:
        return "Choice(<hidden>)"


def choose(secrets: Iterable[tuple[str, SecretValue]], public: Iterable[SecretValue]) -> Choice:
    """Return the patterns for all values; each value appears once, with all its names."""
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
        for pattern, form in forms(content):
            patterns.setdefault(pattern, Form(tuple(dict.fromkeys(owners)), form))
    return Choice(patterns, skipped)


def _reason(content: bytes, public: Iterable[bytes]) -> str:
    if len(content) >= SHORTEST and content in public:
        return "has the same value as a public one"
    return commonness(content)


def forms(content: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the patterns that show a value, each with the name of its form."""
    yield _line(content), "as it is"
    for skipped in range(3):
        encoded = _base64(content, skipped)
        yield encoded, "base64"
        yield encoded.translate(bytes.maketrans(b"+/", b"-_")), "base64"
    yield content.replace(b"'", b"''"), "YAML"
    yield from ((pattern, "percent-encoded") for pattern in _percent_encoded(content))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped.encode(), "JSON"
        yield escaped.translate(_HTML).encode(), "JSON"
    yield from ((pattern, "UTF-16") for pattern in _utf16(_line(content).decode()))


def _percent_encoded(content: bytes) -> Iterator[bytes]:
    """Yield a value as it appears in a URL or a form. Only .NET writes the digits in lower case."""
    for text in (*(quote(content, safe=kept) for kept in _KEPT), quote_plus(content)):
        yield text.encode()
    yield _ESCAPE.sub(lambda escape: escape[0].lower(), quote_plus(content, safe="!()*")).encode()


def _utf16(text: str) -> Iterator[bytes]:
    """Yield the bytes that both byte orders share (for ASCII, all but an outer zero byte), or else both encodings."""
    little, big = text.encode("utf-16-le"), text.encode("utf-16-be")
    yield from (big[1:],) if little[:-1] == big[1:] else (little, big)


def _line(content: bytes) -> bytes:
    """Return the part of a value to search for: one long line of several, because a file may indent the lines.

    It is the middle one of the longest lines: a key file's first line often only names the type of the key.
    """
    lines = [line.strip() for line in content.split(b"\n")]
    most = max(map(len, lines))
    longest = [line for line in lines if len(line) == most]
    return longest[len(longest) // 2] if len(lines) > 1 and most >= LINE else content


def _base64(content: bytes, skipped: int) -> bytes:
    """Return the base64 characters that a value always has if `skipped` bytes (modulo 3) precede it."""
    encoded = base64.b64encode(bytes(skipped) + content)
    return encoded[(skipped * 8 + 5) // 6 : (skipped + len(content)) * 8 // 6]
