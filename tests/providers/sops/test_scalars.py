"""The resolution of unencrypted YAML scalars, as go-yaml does it; test_stores.py asks the real sops the same."""

import pytest

from bridge.provider import Kind
from bridge_providers.sops import scalars
from bridge_providers.sops.gotime import GoTime

TEXTS = (
    "yes on off n y 12:30:45 = << 1e400 .5e400 2024-02-30 1_000x _1 0x +-1 nULL 2024-13-01 0x1p4 0xffffffffffffffffff"
)


@pytest.mark.parametrize("text", TEXTS.split())
def test_what_go_yaml_takes_for_text_is_text(text):
    tag, leaf = scalars.resolve(text, None, plain=True)
    assert (tag, leaf.kind, leaf.reveal()) == ("!!str", Kind.TEXT, text.encode())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0777", "511"),
        ("0o17", "15"),
        ("0b11", "3"),
        ("-0x1F", "-31"),
        ("0x_1F", "31"),
        ("1_000", "1000"),
        ("1__0", "10"),
        ("08", "8"),
        ("-0", "0"),
        ("+12", "12"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-9223372036854775809", "-9223372036854776000"),
        ("18446744073709551616", "18446744073709552000"),
        ("1e3", "1000"),
        ("1.0", "1"),
        ("1.", "1"),
        ("+.5", "0.5"),
        (".5_0", "0.5"),
        ("-0.0", "-0"),
        ("1e-7", "0.0000001"),
        ("1e21", "1000000000000000000000"),
        ("1.5e-10", "0.00000000015"),
        ("123456789.125", "123456789.125"),
        ("5e-324", "0." + "0" * 323 + "5"),
        ("1e-400", "0"),
        (".inf", "+Inf"),
        ("-.INF", "-Inf"),
        (".NaN", "NaN"),
    ],
)
def test_numbers_have_text_that_sops_gives_them(text, number):
    _, leaf = scalars.resolve(text, None, plain=True)
    assert (leaf.kind, leaf.reveal()) == (Kind.NUMBER, number.encode())


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-01", "2024-01-01T00:00:00Z"),
        ("2024-1-2", "2024-01-02T00:00:00Z"),
        ("2024-02-29t1:2:3z", None),
        ("2024-02-29t1:2:3Z", "2024-02-29T01:02:03Z"),
        ("2024-01-01 1:2:3.500", "2024-01-01T01:02:03.5Z"),
        ("2006-01-02T15:04:05+07:06", "2006-01-02T15:04:05+07:06"),
        ("2006-01-02T15:04:05.1234567899-00:30", "2006-01-02T15:04:05.123456789-00:30"),
        ("2024-01-01T00:00:00,5+00:00", "2024-01-01T00:00:00.5Z"),
        ("2023-02-29", None),
        ("2024-01-01T24:00:00Z", None),
        ("2024-01-01T00:00:60Z", None),
        ("2024-01-01T00:00:00", None),
    ],
)
def test_times_are_those_of_go_yaml_in_sops_s_text(text, time):
    tag, leaf = scalars.resolve(text, None, plain=True)
    assert (tag, leaf.reveal()) == (("!!timestamp", time.encode()) if time else ("!!str", text.encode()))


@pytest.mark.parametrize(
    ("text", "tag", "kind", "value"),
    [
        ("1", "tag:yaml.org,2002:str", Kind.TEXT, b"1"),
        ("1", "tag:yaml.org,2002:float", Kind.NUMBER, b"1"),
        ("0x10", "tag:yaml.org,2002:int", Kind.NUMBER, b"16"),
        ("2024-01-01", "tag:yaml.org,2002:timestamp", Kind.TEXT, b"2024-01-01T00:00:00Z"),
        ("aGk=", "tag:yaml.org,2002:binary", Kind.TEXT, b"hi"),
        ("/w==", "tag:yaml.org,2002:binary", Kind.BYTES, b"\xff"),
        ("5", "!local", Kind.TEXT, b"5"),
        ("5", "!", Kind.NUMBER, b"5"),
    ],
)
def test_tags_decide(text, tag, kind, value):
    _, leaf = scalars.resolve(text, tag, plain=True)
    assert (leaf.kind, leaf.reveal()) == (kind, value)


@pytest.mark.parametrize(
    ("text", "tag", "message"),
    [
        ("9223372036854775808", None, "a whole number is above 9223372036854775807, which sops does not support"),
        ("0xffffffffffffffff", None, "a whole number is above 9223372036854775807, which sops does not support"),
        ("abc", "tag:yaml.org,2002:int", "a value is not what its tag !!int says"),
        ("yes", "tag:yaml.org,2002:bool", "a value is not what its tag !!bool says"),
        ("CANARY!", "tag:yaml.org,2002:binary", "a !!binary value is not base64"),
    ],
)
def test_what_sops_cannot_read_is_error(text, tag, message):
    with pytest.raises(scalars.ScalarError) as caught:
        scalars.resolve(text, tag, plain=True)
    assert str(caught.value) == message
    assert caught.value.__context__ is None


def test_quoted_scalars_are_text():
    tag, leaf = scalars.resolve("0777", None, plain=False)
    assert (tag, leaf.kind, leaf.reveal()) == ("!!str", Kind.TEXT, b"0777")


@pytest.mark.parametrize("text", ["9" * 5_000_000, "0" * 5_000_000, "0x" + "f" * 5_000_000, "1e" + "9" * 5_000_000])
def test_number_of_millions_of_digits_is_read_in_linear_time(text):
    _, leaf = scalars.resolve(text, None, plain=True)
    assert leaf.kind is (Kind.NUMBER if text[:2] == "00" else Kind.TEXT)


@pytest.mark.parametrize(
    "text", [b"1_0", b" 1", b"1 ", b"", b"+", "\N{ARABIC-INDIC DIGIT ONE}".encode(), b"9223372036854775808"]
)
def test_decrypted_int_is_what_go_reads(text):
    assert scalars.integer_leaf(text) is None


@pytest.mark.parametrize("text", [b"1e3", b"inf", b"nan", b"0x1p4", b"1_0", b"1.", b".5", b""])
def test_decrypted_float_is_what_sops_writes(text):
    assert scalars.float_leaf(text) is None


@pytest.mark.parametrize(
    ("text", "printed", "nanoseconds"),
    [
        ("2026-05-22T20:15:23Z", "2026-05-22T20:15:23Z", 1779480923 * 10**9),
        ("2026-05-22T20:15:23.25+00:00", "2026-05-22T20:15:23Z", 1779480923 * 10**9 + 250_000_000),
        ("2026-05-22T22:15:23+02:00", "2026-05-22T22:15:23+02:00", 1779480923 * 10**9),
    ],
)
def test_lastmodified_is_printed_as_go_prints_it_and_counted_from_1970(text, printed, nanoseconds):
    moment = GoTime.from_rfc3339(text)
    assert moment is not None
    assert (moment.rfc3339(), moment.unix_nanoseconds()) == (printed, nanoseconds)
