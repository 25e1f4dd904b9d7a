"""The search finds what is there, wherever it stands, and in bounded memory."""

import io
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.scan import search
from bridge.scan.forms import Form
from bridge.scan.search import PLACES, PatternSearch

LONG, MIDDLE, SHORT = b"CANARY-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGH", b"CANARY-middle-one", b"CANARY-s"
ALL = {LONG: Form(("long",), "x"), MIDDLE: Form(("middle",), "x"), SHORT: Form(("short",), "x")}


def found(content: bytes, patterns=ALL) -> list[tuple[int, str]]:
    return sorted((hit.line, hit.form.names[0]) for hit in PatternSearch(patterns).hits(io.BytesIO(content)))


def naive(content: bytes, patterns=ALL) -> list[tuple[int, str]]:
    places = set()
    for pattern, form in patterns.items():
        start = content.find(pattern)
        while start >= 0:
            places.add((content.count(b"\n", 0, start) + 1, form.names[0]))
            start = content.find(pattern, start + 1)
    return sorted(places)


@pytest.mark.parametrize("pattern", [LONG, MIDDLE, SHORT])
def test_pattern_is_found_at_every_offset_of_chunks_edge(pattern, monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 256)
    for offset in range(600):
        content = b"\n" + b"." * offset + pattern + b"\n."
        assert found(content) == [(2, ALL[pattern].names[0])], offset


@given(
    st.lists(
        st.sampled_from([LONG, MIDDLE, SHORT, LONG[:-1], LONG[1:], b"\n", b"CANARY", b".", b"\0" * 7]), max_size=60
    )
)
def test_it_finds_what_plain_search_finds(parts):
    content = b"".join(parts)
    hits = found(content)
    assert len(hits) == len(set(hits))
    assert set(hits) <= set(naive(content))
    for form in ALL.values():
        (name,) = form.names
        count = sum(one == name for _, one in naive(content))
        assert sum(one == name for _, one in hits) == min(PLACES, count)


@given(st.integers(1, 40), st.integers(8, 120), st.integers(0, 5000), st.randoms(use_true_random=False))
def test_any_number_and_length_of_patterns_works(number, length, offset, random):
    patterns = {random.randbytes(length): Form((str(index),), "x") for index in range(number)}
    wanted = random.choice(list(patterns))
    content = random.randbytes(offset).replace(b"\n", b".") + wanted
    assert (patterns[wanted].names[0]) in {name for _, name in found(content, patterns)}


def test_pattern_longer_than_chunk(monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 64)
    pattern = os.urandom(1000).replace(b"\n", b".")
    assert found(b"\n\n" + b"." * 777 + pattern, {pattern: Form(("a",), "x")}) == [(3, "a")]


def test_stream_that_gives_little_at_time():
    class Slow(io.BytesIO):
        def readinto(self, buffer):
            return super().readinto(buffer[:3])

    hits = PatternSearch(ALL).hits(Slow(b"a\nb\n" + LONG + b"\n" + SHORT))
    assert [(hit.line, hit.form.names) for hit in hits] == [(3, ("long",)), (4, ("short",))]


def test_search_serves_one_stream_after_other():
    both = PatternSearch(ALL)
    for _ in range(2):
        assert [hit.line for hit in both.hits(io.BytesIO(b"\n" + MIDDLE))] == [2]
        assert list(both.hits(io.BytesIO(MIDDLE[:-1]))) == []
        assert list(both.hits(io.BytesIO(MIDDLE[-1:]))) == []


def test_nothing_to_look_for_and_nothing_to_look_at():
    assert found(b"x", {}) == []
    assert found(b"") == []


def test_memory_does_not_grow_with_stream():
    class Endless:
        left = 200

        def readinto(self, buffer):
            self.left -= 1
            buffer[: len(SHORT)] = SHORT
            return len(buffer) if self.left else 0

    tracemalloc.start()
    assert len(list(PatternSearch(ALL).hits(Endless()))) == 1  # there is no line feed, so it is one line
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


def test_forms_with_same_anchor_are_distinguished() -> None:
    forms = {b"p@made-up-1": "as it is", b"p%40made-up-1": "percent-encoded", b"p\0@\0m\0a\0d\0e\0-\0u\0p": "UTF-16"}
    search = PatternSearch({pattern: Form(("A",), form) for pattern, form in forms.items()})
    for pattern, form in forms.items():
        found = list(search.hits(io.BytesIO(b"x\n%b\n" % pattern)))
        assert [(hit.line, hit.form.form) for hit in found] == [(2, form)]
    assert list(search.hits(io.BytesIO(b"made-up-1, p\0@\0"))) == []
