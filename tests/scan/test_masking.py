"""Values are masked in a stream, however it is split."""

import base64
from collections.abc import Iterable
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.scan.masking import MASK, SHORTEST, Masker, is_too_short, patterns
from bridge.secret import SecretValue

# Few letters, so that values overlap each other and themselves, and their beginnings are everywhere.
LETTERS = st.sampled_from([b"a", b"b", b"c"])
TEXTS = st.lists(LETTERS, max_size=60).map(b"".join)
PATTERNS = st.lists(st.lists(LETTERS, min_size=SHORTEST, max_size=9).map(b"".join), min_size=1, max_size=4)
CUTS = st.lists(st.integers(1, 60), max_size=20)


def whole(text: bytes, values: Iterable[bytes]) -> bytes:
    """Mask a text that is there at once, in the most obvious way."""
    covered = bytearray(len(text))
    for value in values:
        for start in range(len(text)):
            if text.startswith(value, start):
                covered[start : start + len(value)] = b"\1" * len(value)
    output = bytearray()
    for index, is_covered in enumerate(covered):
        if not is_covered:
            output.append(text[index])
        elif not index or not covered[index - 1]:
            output += MASK
    return bytes(output)


def pieces(text: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def masked(values: Iterable[bytes], parts: Iterable[bytes]) -> bytes:
    masker = Masker(frozenset(values))
    return b"".join([*(masker.feed(part) for part in parts), masker.finish()])


@given(PATTERNS, TEXTS, CUTS)
@example([b"aaaa"], b"a" * 50, [1, 2, 3, 4, 5, 6])
@example([b"abca", b"cabb"], b"abcabb", [3])
@example([b"aabb", b"aabbcccc"], b"aabbccccaabb", [4, 6, 8])
@example([b"aaaab"], b"aaaaaaaab", [4])
def test_every_split_gives_the_same(values, text, cuts):
    assert masked(values, pieces(text, cuts)) == whole(text, values)


@given(PATTERNS, TEXTS)
def test_single_bytes_give_the_same(values, text):
    assert masked(values, [text[index : index + 1] for index in range(len(text))]) == whole(text, values)


@given(PATTERNS, TEXTS, CUTS, st.sets(st.integers(0, 20)))
@example([b"abcabc"], b"abcabc", [1, 2, 3, 4, 5], set(range(6)))
@example([b"aaaa", b"aaaabbbb"], b"aaaabbbb", [4, 5, 6, 7], set(range(8)))
def test_released_beginnings_never_show_a_value(values, text, cuts, silences):
    """After some pieces nothing comes for a while, so what is held may be shown."""
    masker = Masker(frozenset(values))
    output = b""
    for number, part in enumerate(pieces(text, cuts)):
        output += masker.feed(part)
        if number in silences:
            output += masker.release()
            assert not masker.can_release
    output += masker.finish()
    for value in values:
        assert value not in output


@pytest.mark.parametrize(("held", "released"), [(b"s", b"s"), (b"sec", b"sec"), (b"secr", b""), (b"secret-valu", b"")])
def test_only_short_beginnings_are_released(held, released):
    masker = Masker({b"secret-value"})
    assert masker.feed(b"> " + held) == b"> "
    assert masker.release() == released
    assert masker.feed(b"?") == held.removeprefix(released) + b"?"


def test_value_after_released_beginning_is_masked():
    masker = Masker({b"secret-value"})
    output = [masker.feed(b"> sec"), masker.release(), masker.feed(b"ret-"), masker.release(), masker.feed(b"value!")]
    assert output == [b"> ", b"sec", b"", b"", MASK + b"!"]


def test_text_without_a_beginning_is_not_held():
    masker = Masker({b"secret-value"})
    assert masker.feed(b"Password: ") == b"Password: "
    assert not masker.can_release


def test_complete_value_is_masked_at_once_if_a_longer_one_may_follow():
    masker = Masker({b"token", b"token-long"})
    assert masker.feed(b"token") == MASK
    assert masker.feed(b"-long") == b""  # the same mask
    assert masker.feed(b"token") + masker.feed(b" -long") + masker.finish() == b" -long"


@pytest.mark.parametrize("value", ["CANARY-tok/en+1", 'CANARY "quoted" \\ text', "CANARY pässwörd", "CANARY#&?=%"])
def test_usual_forms_are_masked(value):
    content = value.encode()
    found = patterns([SecretValue(content + b"\n")])
    for before in (b"", b"a", b"ab"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole_text = encode(before + content + b"!!!")
            assert masked(found, [b"x " + whole_text]).count(MASK) == 1
            assert encode(content)[4:-4] not in masked(found, [whole_text])
    for text in (content, quote(value).encode(), quote(value, safe="").encode()):
        assert masked(found, [b"x=" + text + b";"]) == b"x=" + MASK + b";"


@pytest.mark.parametrize("value", [b"CANARY-123", b"CANARY-1234", b"CANARY-12?~"])
def test_base64_of_a_value_is_masked_to_its_end(value):
    for content in (value, value + b"\n"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            assert masked(patterns([SecretValue(value)]), [b"x: " + encode(content) + b"\n"]) == b"x: " + MASK + b"\n"


def test_lines_of_a_key_are_masked_with_any_indentation():
    lines = ["-----BEGIN PRIVATE KEY-----", "CANARYCANARYCANARY", "CANARYlast=", "ab==", "-----END PRIVATE KEY-----"]
    found = patterns([SecretValue.of("\n".join(lines) + "\n")])
    for newline in ("\n", "\r\n"):
        assert masked(found, [newline.join(lines).encode()]) == MASK
    indented = masked(found, ["\n".join(f"  {line}" for line in lines).encode()]).decode()
    assert indented.split("\n")[1:3] == ["  ********", "  ********"]
    assert indented.split("\n")[0] == f"  {lines[0]}"  # the same in every key


@pytest.mark.parametrize(("value", "short"), [("", False), ("\n", False), ("abc\n", True), ("abcd", False)])
def test_too_short_values_are_not_masked(value, short):
    assert is_too_short(SecretValue.of(value)) is short
    assert bool(patterns([SecretValue.of(value)])) is (value == "abcd")


def test_memory_does_not_grow_with_the_stream():
    masker = Masker({b"secret-value", b"abab"})
    for part in (b"secret-valu", b"ab" * 500, b"secret-value" * 50):
        for _ in range(200):
            masker.feed(part)
            assert len(masker._held) < len(b"secret-value")


@pytest.mark.slow
def test_long_output_is_masked_in_bounded_memory():
    """100 MiB with a value at every border between two reads."""
    import tracemalloc  # noqa: PLC0415

    value = SecretValue.of("CANARY-0123456789abcdef")
    masker = Masker(patterns([value, *(SecretValue.of(f"another-value-{number}") for number in range(20))]))
    read = value.reveal()[9:] + b"." * ((1 << 16) - 23) + value.reveal()[:9]
    tracemalloc.start()
    count = 0
    for _ in range(1600):
        count += masker.feed(read).count(MASK)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1599
    assert peak < 2 << 20
