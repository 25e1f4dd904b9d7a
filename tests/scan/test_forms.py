"""Which patterns stand for a value, and which values are not looked for."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.scan.forms import choose
from bridge.secret import SecretValue

PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(char * 64 for char in "abcde") + "\n-----END PRIVATE KEY-----\n"


def choice(*values: bytes | str, public=()):
    secrets = [
        (f"name {index}", SecretValue(one if isinstance(one, bytes) else one.encode()))
        for index, one in enumerate(values)
    ]
    return choose(secrets, [SecretValue(one.encode()) for one in public])


def is_found(value: bytes | str, content: bytes) -> bool:
    return any(pattern in content for pattern in choice(value).patterns)


@given(st.binary(min_size=8, max_size=60), st.binary(max_size=20), st.binary(max_size=20))
def test_base64_value_is_found_at_any_offset(value, before, after):
    assume(not choice(value).skipped)
    encoded = base64.b64encode(before + value + after)
    assert is_found(value, b"x" + encoded)
    assert is_found(value, base64.urlsafe_b64encode(before + value + after))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=8, max_size=60))
def test_in_json(value):
    assume(not choice(value).skipped)
    for ascii_only in (True, False):
        assert is_found(value, json.dumps({"a": f"x{value}"}, ensure_ascii=ascii_only).encode())


def test_in_json_as_go_writes_it():
    assert is_found("a<b>c&d-and-more", rb'{"a":"a\u003cb\u003ec\u0026d-and-more"}')


AWKWARD = "p@ss/w$rd:99+made up=é'(%)"


@pytest.mark.parametrize(
    "encoded",
    [
        "p%40ss%2Fw%24rd%3A99%2Bmade%20up%3D%C3%A9%27%28%25%29",  # RFC 3986
        "p%40ss%2fw%24rd%3a99%2bmade+up%3d%c3%a9%27(%25)",  # .NET's UrlEncode
        "p%40ss/w%24rd%3A99%2Bmade%20up%3D%C3%A9%27%28%25%29",  # Python's quote
        "p%40ss%2Fw%24rd%3A99%2Bmade%20up%3D%C3%A9'(%25)",  # JavaScript's encodeURIComponent
        "p%40ss%2Fw$rd%3A99+made%20up=%C3%A9%27%28%25%29",  # Go's url.UserPassword
        "p%40ss%2Fw%24rd%3A99%2Bmade+up%3D%C3%A9%27%28%25%29",  # a form
    ],
)
def test_percent_encoded_in_url(encoded):
    assert is_found(AWKWARD, f"postgres://u:{encoded}@h/db".encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("value", ["CANARY-ascii", AWKWARD, "ключ-от-всего", PEM])
def test_in_utf16_of_either_byte_order(encoding, value):
    assert is_found(value, f"a: {value}\r\nb\r\n".encode(encoding))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=8, max_size=60))
def test_in_utf16_and_percent_encoded_whatever_it_is(value):
    assume(not choice(value).skipped)
    assert is_found(value, f"x{value}".encode("utf-16-le"))
    assert is_found(value, f"x{value}".encode("utf-16-be"))
    assert is_found(value, f"x={quote(value)}".encode())


def test_ascii_value_needs_only_one_pattern():
    patterns = choice("CANARYa1b2c3d4e5").patterns
    assert [form.form for form in patterns.values()].count("UTF-16") == 1
    assert "percent-encoded" not in {form.form for form in patterns.values()}


def test_in_yaml_with_single_quotes():
    assert is_found("it's a 'password'", b"a: 'it''s a ''password'''\n")


def test_value_of_several_lines_is_found_where_they_are_indented():
    assert is_found(PEM, b"a: |\n" + b"".join(b"    " + line + b"\n" for line in PEM.encode().splitlines()))
    assert not is_found(PEM, b"-----BEGIN PRIVATE KEY-----\n" + b"a" * 64)


def test_short_lines_do_not_stand_for_value():
    assert is_found("first\nsecond\n", b"first\nsecond")
    assert not is_found("first\nsecond\n", b"second")


def test_trailing_newline_is_ignored():
    assert is_found("CANARY-with-end\n", b'"CANARY-with-end"')


@pytest.mark.parametrize("value", ["1234567", "", "  seven  ", "Password", "changeme", "localhost"])
def test_common_value_is_not_searched_for(value):
    found = choice(value, "CANARY-other")
    assert list(found.skipped) == ["name 0"]
    assert {form.names for form in found.patterns.values()} == {("name 1",)}


def test_value_that_is_also_public_is_not_searched_for():
    assert choice("demo-cluster", public=["demo-cluster\n"]).skipped == {"name 0": "has the same value as a public one"}


def test_one_value_of_several_names_has_them_all():
    found = choice("CANARY-one", "CANARY-one\n")
    assert {form.names for form in found.patterns.values()} == {("name 0", "name 1")}


def test_patterns_are_not_shown():
    found = choice("CANARY-one")
    assert "CANARY" not in repr(found) + str(found) + f"{found}"
