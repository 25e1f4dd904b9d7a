"""Read the head of an HTTP answer. No header can raise, and no interim answer is taken for the final one.

`http.client` skips only the interim answer 100, gives up after 100 headers, and guesses if a length is not a number.
So the head is read here, and `http.client` only sees the headers that determine the length of the body.
"""

import http.client
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from bridge.named_tuple import NamedTuple

INTERIM: Final = 20
"""How many interim answers (1xx) may come before the final one."""
HEAD: Final = 1 << 20
"""The maximum size of all heads of one answer together, in bytes, as in Go's servers and clients."""
_STATUS: Final = re.compile(rb"(HTTP/1\.[0-9])\s+([1-9][0-9]{2})(?:\s.*)?", re.DOTALL)
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_SWITCHING: Final = 101  # to another protocol, which we never request
LONGEST: Final = 1_000_000.0
"""Seconds, longer than any run; the result for a number of any greater length."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"


class Lines(Protocol):
    """The stream that a head is read from."""

    def readline(self, limit: int, /) -> bytes:
        """Return the next line, up to the limit, or b"" at the end."""
        ...


class Head(NamedTuple):
    """A status line and headers. `fields` has lower-case names; repeated headers are joined with a comma."""

    version: str
    status: int
    fields: Mapping[str, str]


def read_head(stream: Lines) -> Head:
    """Read up to the end of the final answer's headers.

    Raises ConnectionError or IncompleteRead if the head ends early, and another HTTPException if it is not HTTP.
    """
    left = HEAD
    for _ in range(INTERIM + 1):
        lines, left = _lines(stream, left)
        head = _head(lines)
        if head.status >= 200:
            return head
        if head.status == _SWITCHING:
            break
    raise http.client.HTTPException


class Response(http.client.HTTPResponse):
    """An answer that stores its parsed head in `head`."""

    head: Head
    fp: Any = None  # the finalizer needs it, even if an interrupt arrives before `__init__` has set it

    def begin(self, **more: object) -> None:
        """Read the final answer's head, and let http.client determine where its body ends."""
        stream = self.fp
        self.head = read_head(stream)
        self.fp = io.BufferedReader(io.BytesIO(_framing(self.head)))
        try:
            super().begin(**more)
        finally:
            self.fp = stream


def _lines(stream: Lines, left: int) -> tuple[list[bytes], int]:
    """Return the lines of one head, and how many bytes remain for the next heads."""
    lines: list[bytes] = []
    while line := stream.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise http.client.HTTPException
        if not line.endswith(b"\n"):
            break
        if line in {b"\r\n", b"\n"}:
            return lines, left
        lines.append(line.rstrip(b"\r\n"))
    if not lines and not line:
        raise http.client.RemoteDisconnected("")
    raise http.client.IncompleteRead(b"")


def _head(lines: list[bytes]) -> Head:
    status_line = _STATUS.fullmatch(lines[0]) if lines else None
    if status_line is None:
        raise http.client.HTTPException
    fields: dict[str, str] = {}
    name = ""
    for line in lines[1:]:
        text = line.decode("latin-1")
        if text[:1] in {" ", "\t"}:  # it continues the previous line
            fields[name] = f"{fields.get(name, '')} {text.strip()}"
            continue
        name, _, value = text.partition(":")
        name, value = name.strip().lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return Head(status_line[1].decode(), int(status_line[2]), fields)


def _framing(head: Head) -> bytes:
    """Return the headers that determine where the body ends; raise HTTPException if they are ambiguous."""
    names = ("connection", "proxy-connection", "keep-alive", "transfer-encoding")
    lines = [f"{head.version} {head.status} -"]
    lines += [f"{name}: {head.fields[name]}" for name in names if name in head.fields]
    coding = head.fields.get("transfer-encoding", "").lower()
    if coding not in {"", "chunked"}:
        raise http.client.HTTPException
    lengths = {one.strip() for one in head.fields.get("content-length", "").split(",")} - {""}
    if not coding and lengths:
        if len(lengths) > 1 or not _LENGTH.fullmatch(min(lengths)):
            raise http.client.HTTPException
        lines.append(f"content-length: {min(lengths)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def http_date(text: str) -> datetime | None:
    """Parse a date in the format that servers must use (RFC 9110, 5.6.7); return None for anything else."""
    match = re.fullmatch(_DATE, text.strip())
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[number]) for number in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def retry_after(text: str, date: str = "") -> float | None:
    """Parse Retry-After as seconds. A date is relative to the server's own `Date`, so that no two clocks are compared.

    Return None if it is invalid: a fraction, a negative number, other characters, or a date without the server's own.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        digits = text.lstrip("0")
        return LONGEST if len(digits) > 6 else float(digits or 0)
    until, now = http_date(text), http_date(date)
    if until is None or now is None:
        return None
    return max(0.0, min(LONGEST, (until - now).total_seconds()))
