"""The findings, progress and deadline of a scan."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import BridgeError, Problem, Unavailable
from bridge.named_tuple import NamedTuple
from bridge.progress import ProgressStep
from bridge.scan.search import Hit, PatternSearch, Stream

MOST: Final = 1000
"""The maximum number of findings; a scan that finds more stops there, which limits its memory."""


class Leak(NamedTuple):
    """A value in plaintext: its place, names and form, but never the value itself."""

    place: str
    line: int
    names: tuple[str, ...]
    form: str


class Enough(Exception):
    """So many values were found that searching further is useless."""


@dataclass
class Scan:
    """One scan. `deadline` is a `time.monotonic()`."""

    search: PatternSearch
    deadline: float
    findings: list[Leak] = field(default_factory=list)
    problems: list[BridgeError] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    streams: int = 0
    step: ProgressStep = field(default_factory=lambda: ProgressStep("searched {} files and objects"))

    def hits(self, stream: Stream) -> Iterator[Hit]:
        """Search one stream; raise Unavailable at the deadline, or what reading raises."""
        self.streams += 1
        self.step.add()
        return self.search.hits(_Timed(stream, self.deadline, self.step))

    def add(self, place: str, hit: Hit) -> None:
        """Add a finding; raise Enough if there are too many."""
        if len(self.findings) >= MOST:
            raise Enough
        self.findings.append(Leak(place, hit.line, hit.form.names, hit.form.form))


class _Timed(NamedTuple):
    """A stream that raises an error after the deadline."""

    stream: Stream
    deadline: float
    step: ProgressStep

    def readinto(self, buffer: memoryview, /) -> int | None:
        self.step.show()
        if time.monotonic() > self.deadline:
            raise late()
        return self.stream.readinto(buffer)


def late() -> Unavailable:
    """Return the error for a scan that reached its deadline."""
    return Unavailable(Problem("", "the scan did not finish in time", "raise --timeout"))
