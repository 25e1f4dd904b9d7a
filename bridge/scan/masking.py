"""Replaces values in a stream of bytes, also those that are split over several writes."""

import base64
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from bridge.scan.forms import forms
from bridge.secret import SecretValue

MASK: Final = b"********"
SHORTEST: Final = 4
"""The minimum length in bytes of what is masked. Shorter text is everywhere."""
SHORTEST_LINE: Final = 8
"""The minimum length in bytes of a line of a value that is masked even if the other lines are not next to it."""
_BOUNDARY: Final = b"-----"
"""The beginning of a line that only names what a PEM value is."""


def patterns(values: Iterable[SecretValue]) -> frozenset[bytes]:
    """Return what to mask for these values: as they are, each long line, in base64, and escaped for JSON or a URL."""
    return frozenset(pattern for value in values for pattern in _patterns(value) if len(pattern) >= SHORTEST)


def is_too_short(value: SecretValue) -> bool:
    """Whether a value is not masked because it is too short. An empty value cannot be shown."""
    return 0 < len(value.reveal().strip()) < SHORTEST


def _patterns(value: SecretValue) -> Iterator[bytes]:
    content = value.reveal().strip()
    if len(content) < SHORTEST:
        return
    yield content
    yield content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # as a terminal shows it
    lines = [line.strip() for line in content.split(b"\n")]
    yield from (line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith(_BOUNDARY))
    yield from (pattern for pattern, form in forms(content) if form not in {"as it is", "UTF-16"})
    for end in (b"", b"\n"):  # to its end: `forms` leaves out a character that depends on what follows
        yield base64.b64encode(content + end)
        yield base64.urlsafe_b64encode(content + end)


class Masker:
    """Masks the patterns in one stream: each run of bytes that patterns cover becomes one mask.

    However the stream is split, the result is the same. The end of the input is held back while it may be the beginning
    of a pattern. `release` gives up a part of it for a reader that waits, for example for a prompt: it shows fewer than
    SHORTEST bytes of a pattern, and if the pattern then goes on, the rest of it is masked.
    """

    def __init__(self, patterns: Collection[bytes]) -> None:
        self._patterns: Final = sorted(patterns)
        self._reach: Final = max(map(len, patterns), default=1) - 1
        self._by_head: Final[dict[bytes, list[bytes]]] = {}
        for pattern in self._patterns:
            self._by_head.setdefault(pattern[:SHORTEST], []).append(pattern)
        self._beginnings: Final = {pattern[:size] for pattern in self._patterns for size in range(1, SHORTEST)}
        self._held = b""
        self._covered = 0  # how many of the held bytes, from the first, are known to belong to a pattern
        self._written = 0  # how many of the held bytes have been written, as they are or as a mask
        self._is_masked = False  # the byte before the held ones is masked

    @property
    def can_release(self) -> bool:
        """Whether `release` would return anything."""
        return self._written < len(self._held) < self._covered + SHORTEST

    def feed(self, data: bytes) -> bytes:
        """Return what can be written now that this has been read."""
        buffer = self._held + data
        runs = self._runs(buffer)
        undecided = self._undecided(buffer)
        covered = max((end for start, end in runs if start <= undecided < end), default=undecided)
        output = self._rendered(buffer, runs, covered)
        self._written = max(self._written, covered) - undecided
        self._held, self._covered = buffer[undecided:], covered - undecided
        return output

    def release(self) -> bytes:
        """Return what is held, unless it is so long that it is hardly the beginning of a value by accident."""
        if not self.can_release:
            return b""
        output, self._written = self._held[self._written :], len(self._held)
        self._is_masked = False
        return output

    def finish(self) -> bytes:
        """Return the rest at the end of the stream."""
        output = self._rendered(self._held, self._runs(self._held), len(self._held))
        self._held, self._covered, self._written, self._is_masked = b"", 0, 0, False
        return output

    def _runs(self, buffer: bytes) -> list[tuple[int, int]]:
        """Return the parts of the buffer that patterns cover; parts that overlap or touch are one."""
        found = [(0, self._covered)] if self._covered else []
        for pattern in self._patterns:
            found += _places(buffer, pattern)
        runs: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if runs and start <= runs[-1][1]:
                runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
            else:
                runs.append((start, end))
        return runs

    def _undecided(self, buffer: bytes) -> int:
        """Return where the earliest pattern may begin that the buffer does not have to its end."""
        size = len(buffer)
        earliest = size
        for head, candidates in self._by_head.items():
            start = buffer.find(head, max(0, size - self._reach))
            while 0 <= start < earliest:
                rest = size - start
                if any(len(one) > rest and buffer.endswith(one[:rest]) for one in candidates):
                    earliest = start
                start = buffer.find(head, start + 1)
        if earliest == size:
            ends = range(max(0, size - SHORTEST + 1), size)
            return next((start for start in ends if buffer[start:] in self._beginnings), size)
        return earliest

    def _rendered(self, buffer: bytes, runs: Iterable[tuple[int, int]], until: int) -> bytes:
        """Return the buffer up to a position, without what has been written, and with masks."""
        parts: list[bytes] = []
        position = 0
        for start, end in runs:
            if start >= until:
                break
            if position < start:
                parts.append(buffer[max(position, self._written) : max(start, self._written)])
                self._is_masked = False
            position = min(end, until)
            if position > self._written and not self._is_masked:
                parts.append(MASK)
                self._is_masked = True
        if position < until:
            parts.append(buffer[max(position, self._written) : max(until, self._written)])
            self._is_masked = False
        return b"".join(parts)


def _places(buffer: bytes, pattern: bytes) -> Iterator[tuple[int, int]]:
    """Yield the parts of the buffer that one pattern covers; repetitions that overlap or touch are one part."""
    size = len(pattern)
    start = buffer.find(pattern)
    while start >= 0:
        last = start
        while (later := buffer.rfind(pattern, last + 1, last + 2 * size)) >= 0:
            last = later
        yield start, last + size
        start = buffer.find(pattern, last + size)
