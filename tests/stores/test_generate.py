"""Generated values: their alphabet, their length, their chance, and the formats that are refused."""

import base64
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.parser import parse
from bridge.stores.generate import LEAST, MOST, SIZED, generate, parse_format

SIZES = st.integers(LEAST, MOST)


def generated(text: str) -> str:
    """Return a generated value in clear, as only a test does."""
    wanted = parse_format(text)
    assert wanted is not None
    return generate(wanted).reveal().decode("ascii")


@given(SIZES)
def test_base64_is_as_many_bytes_as_asked_for(size: int) -> None:
    value = generated(f"base64:{size}")
    assert len(base64.b64decode(value, validate=True)) == size
    assert len(value) == -(-size // 3) * 4


@given(SIZES)
def test_hex_is_as_many_bytes_as_asked_for(size: int) -> None:
    value = generated(f"hex:{size}")
    assert (len(value), set(value) <= set("0123456789abcdef")) == (2 * size, True)


@given(SIZES)
def test_alnum_is_as_many_letters_and_digits_as_asked_for(size: int) -> None:
    value = generated(f"alnum:{size}")
    assert (len(value), set(value) <= set(string.ascii_letters + string.digits)) == (size, True)


def test_alnum_uses_its_whole_alphabet() -> None:
    """Without one letter, 20,000 letters of 62 would be one run in 10^139."""
    assert set("".join(generated("alnum:1000") for _ in range(20))) == set(string.ascii_letters + string.digits)


def test_uuid_is_random_one() -> None:
    value = generated("uuid")
    found = uuid.UUID(value)
    assert (found.version, found.variant, str(found)) == (4, uuid.RFC_4122, value)


@pytest.mark.parametrize("text", ["base64:16", "hex:16", "alnum:16", "uuid"])
def test_values_differ(text: str) -> None:
    assert len({generated(text) for _ in range(100)}) == 100


@given(st.text(max_size=12) | st.builds("{}:{}".format, st.sampled_from(SIZED), st.text(max_size=6)))
def test_every_other_format_is_refused(text: str) -> None:
    wanted = parse_format(text)
    form, _, size = text.partition(":")
    is_one = text == "uuid" or (form in SIZED and size.isascii() and size.isdigit() and len(size) < 5)
    assert (wanted is not None) == (is_one and (text == "uuid" or LEAST <= int(size) <= MOST))


@pytest.mark.parametrize(
    "text", ["hex:8", "hex:15", "hex:1025", "hex", "hex:", "hex:-32", "base32:32", "uuid:4", "", "3"]
)
def test_format_that_is_refused_is_explained_and_not_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["set", "staging", "NAME", f"--generate={text}"])
    shown = capsys.readouterr().err.splitlines()[-1]
    assert end.value.code == 2
    assert shown == (
        "bridge set: error: argument --generate: must be base64:BYTES, hex:BYTES or alnum:CHARACTERS, "
        "with a size from 16 to 1024, or uuid"
    )
