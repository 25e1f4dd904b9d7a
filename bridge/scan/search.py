"""Search a stream for many patterns at once, in bounded memory."""

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Protocol

from bridge.named_tuple import NamedTuple
from bridge.scan.forms import Form

CHUNK: Final = 1 << 20  # bytes
PLACES: Final = 10
"""The maximum number of lines per value and stream that are reported; more would not help."""

WORD: Final = 4  # the size in bytes of the words that the filter compares
FURTHEST: Final = 16  # the largest step between compared words; beyond that, copying costs more than comparing
WORDS: Final = 100_000  # how many words the filter may contain (about 20 MiB)
FIND: Final = 0.18
COMPARE: Final = 10.0
"""Measured seconds for 1 GiB: `find` of one pattern, and comparing every word. Only their ratio matters."""
_ANCHOR: Final = re.compile(rb"[A-Za-z0-9._~-]{8,}")
"""A part that only base64 and UTF-16 change; a shorter part would be found too often."""


class Stream(Protocol):
    """A stream that can be searched."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the beginning of the buffer and return the number of bytes; 0 at the end."""
        ...


class Hit(NamedTuple):
    """A line that contains a value."""

    line: int
    form: Form


class PatternSearch:
    """A search for fixed patterns. Use it for only one stream at a time.

    Most chunks contain nothing, which is cheap to detect: wherever a long pattern occurs, one of its 4-byte words is at
    a position that is a multiple of `4 * step`. So every step-th word is compared with a set, at the speed of C and in
    a time that does not depend on the number of patterns. Then `find` searches for the patterns that contain a word
    that was seen. Patterns that are too short are searched for if their anchor is found, which is a part that several
    forms of a value share.
    """

    def __init__(self, patterns: Mapping[bytes, Form]) -> None:
        self._patterns: Final = patterns
        self._overlap: Final = max(map(len, patterns), default=1) - 1
        self._buffer: Final = bytearray(self._overlap + max(CHUNK, self._overlap))
        groups = _by_anchor(patterns)
        self._step, shortest = _plan([min(map(len, group)) for group in groups.values()], len(patterns))
        short = {anchor: [one for one in group if len(one) < shortest] for anchor, group in groups.items()}
        self._always: Final = {anchor: group for anchor, group in short.items() if group}
        self._by_word: Final[dict[int, list[bytes]]] = {}
        for pattern in patterns:
            if len(pattern) >= shortest:
                for word in _words(pattern, self._step):
                    self._by_word.setdefault(word, []).append(pattern)
        self._words: Final = frozenset(self._by_word)

    def hits(self, stream: Stream) -> Iterator[Hit]:
        """Yield the lines that contain a value: each value once per line, and on at most PLACES lines."""
        reported: dict[tuple[str, ...], set[int]] = {}
        buffer, view = self._buffer, memoryview(self._buffer)
        kept = lines = 0
        while count := stream.readinto(view[kept:]):
            end = kept + count
            for offset, pattern in sorted(self._places(view, end)):
                form = self._patterns[pattern]
                places = reported.setdefault(form.names, set())
                if len(places) < PLACES:
                    line = lines + buffer.count(b"\n", 0, offset) + 1
                    if line not in places:
                        places.add(line)
                        yield Hit(line, form)
            kept = min(self._overlap, end)
            lines += buffer.count(b"\n", 0, end - kept)
            buffer[:kept] = buffer[end - kept : end]

    def _places(self, view: memoryview, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield the places of patterns in the buffer; for each pattern, one more place than is reported, if any."""
        for pattern in self._candidates(view, end):
            start = 0
            for _ in range(PLACES + 1):
                offset = self._buffer.find(pattern, start, end)
                if offset < 0:
                    break
                yield offset, pattern
                newline = self._buffer.find(b"\n", offset, end)
                start = newline if newline >= 0 else end

    def _candidates(self, view: memoryview, end: int) -> Collection[bytes]:
        """Return the patterns that may be in the buffer."""
        seen: Iterable[int] = ()
        if self._words and end >= WORD:
            seen = self._words.intersection(view[: end // WORD * WORD].cast("I")[:: self._step])
        candidates = [pattern for word in seen for pattern in self._by_word[word]]
        has_zero = self._buffer.find(0, 0, end) >= 0  # most text has no zero bytes, but UTF-16 is full of them
        for anchor, patterns in self._always.items():
            if (has_zero or 0 not in anchor) and self._buffer.find(anchor, 0, end) >= 0:
                candidates += patterns
        return dict.fromkeys(candidates)


def _by_anchor(patterns: Mapping[bytes, Form]) -> Mapping[bytes, list[bytes]]:
    """Group the patterns by what `find` searches for first: a part that several forms share, or a whole pattern."""
    anchors: dict[tuple[str, ...], bytes] = {}
    groups: dict[bytes, list[bytes]] = {}
    for pattern, form in patterns.items():
        longest = max(_ANCHOR.findall(pattern), key=len, default=pattern)
        anchor = anchors.setdefault(form.names, longest)
        groups.setdefault(anchor if anchor in pattern else pattern, []).append(pattern)
    return groups


def _plan(lengths: Collection[int], patterns: int) -> tuple[int, int]:
    """Return the cheapest step between words, and the minimum length of a pattern for that step.

    `lengths` contains the length of the shortest pattern for each anchor.
    """
    most = max(1, min(FURTHEST, WORDS // (WORD * max(1, patterns))))
    choices = [(FIND * len(lengths), 1, sys.maxsize)]
    for step in range(1, most + 1):
        shortest = (step + 1) * WORD - 1
        cost = COMPARE / step + FIND * sum(length < shortest for length in lengths)
        choices.append((cost, step, shortest))
    _, step, shortest = min(choices)
    return step, shortest


def _words(pattern: bytes, step: int) -> Iterator[int]:
    """Yield the words at every offset of one stretch of a pattern: the stretch that looks least common."""
    varied = [len(set(pattern[index : index + 2 * WORD])) for index in range(min(len(pattern) - WORD + 1, 256))]
    count = step * WORD
    start = max(range(len(varied) - count + 1), key=lambda index: min(varied[index : index + count]))
    for index in range(start, start + count):
        yield int.from_bytes(pattern[index : index + WORD], sys.byteorder)
