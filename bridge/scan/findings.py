"""What a scan has found and done, and when it has to end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bridge.errors import BridgeError, Problem, Unavailable
from bridge.scan.search import Hit, Search, Stream

MOST: Final = 1000
"""Places that are told; a scan that finds more ends there, so that its memory is bounded."""


class Finding(NamedTuple):
    """A value in clear: where, whose, and in which form; never what."""

    place: str
    line: int
    names: tuple[str, ...]
    form: str


class Enough(Exception):
    """So much was found that looking further would not say more."""


@dataclass
class Scan:
    """One scan. `deadline` is a `time.monotonic()`."""

    search: Search
    deadline: float
    findings: list[Finding] = field(default_factory=list)
    problems: list[BridgeError] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    streams: int = 0

    def hits(self, stream: Stream) -> Iterator[Hit]:
        """Search one stream; raises Unavailable at the deadline, and what reading raises."""
        self.streams += 1
        return self.search.hits(_Timed(stream, self.deadline))

    def add(self, place: str, hit: Hit) -> None:
        """Keep a finding; raises Enough where there are too many."""
        if len(self.findings) >= MOST:
            raise Enough
        self.findings.append(Finding(place, hit.line, hit.form.names, hit.form.form))


class _Timed(NamedTuple):
    """A stream that ends with an error when the time is over."""

    stream: Stream
    deadline: float

    def readinto(self, buffer: memoryview, /) -> int | None:
        if time.monotonic() > self.deadline:
            raise late()
        return self.stream.readinto(buffer)


def late() -> Unavailable:
    """Return the error of a scan whose time is over."""
    return Unavailable(Problem("", "the scan was not finished in time", "allow more with --timeout"))
