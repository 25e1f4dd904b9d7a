"""JSON in a store: numbers keep their text, nothing is lost in silence, and no error holds the text."""

import traceback

import pytest

from bridge.exact_json import DuplicateKeyError, JsonError, dump_json, parse_json
from bridge.secret import Kind, SecretValue

NUMBERS = ["0", "-0", "-0.0", "1.10", "1.0", "1e5", "1E+05", "12345678901234567890", "0.1000000000000000055", "1e999"]


@pytest.mark.parametrize("number", NUMBERS)
def test_number_keeps_its_text(number: str) -> None:
    leaf = parse_json(number.encode())
    assert isinstance(leaf, SecretValue)
    assert (leaf.kind, leaf.reveal()) == (Kind.NUMBER, number.encode())
    assert dump_json([leaf]) == f"[{number}]"


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1.10,"a":[true,false,null,"x"],"é":{"":""}}',
        '"\\u0000 \\" \\\\ é 🔑"',
        "[]",
        "{}",
        "[[[],[{}]]]",
        "null",
    ],
)
def test_document_survives_round_trip(text: str) -> None:
    assert dump_json(parse_json(text.encode())) == text


def test_leaves_keep_their_kinds() -> None:
    found = parse_json(b'{"text":"1.10","number":1.10,"yes":true,"nothing":null}')
    assert isinstance(found, dict)
    kinds = {name: (leaf.kind, leaf.reveal()) for name, leaf in found.items() if isinstance(leaf, SecretValue)}
    assert kinds == {
        "text": (Kind.TEXT, b"1.10"),
        "number": (Kind.NUMBER, b"1.10"),
        "yes": (Kind.BOOLEAN, b"true"),
        "nothing": (Kind.NULL, b""),
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"a": "CANARY",\n"b": }', "is not valid JSON (line 2)"),
        (b'{"a": "CANARY"} more', "is not valid JSON (line 1)"),
        (b"", "is not valid JSON (line 1)"),
        (b'\xef\xbb\xbf{"a": "CANARY"}', "is not valid JSON (line 1)"),
        (b'{"a": ["CANARY", NaN]}', "is not valid JSON: it contains NaN or Infinity"),
        (b'{"a": ["CANARY", -Infinity]}', "is not valid JSON: it contains NaN or Infinity"),
        (b'{"a": "CANARY\xff"}', "is not valid UTF-8"),
        ('{"a": "CANARY"}'.encode("utf-16"), "is not valid UTF-8"),
        (b'{"a": "CANARY\\ud800"}', "contains text that is not valid Unicode"),
        (b'{"CANARY\\ud800": 1}', "contains text that is not valid Unicode"),
        (b'{"a": "CANARY", "a": "CANARY"}', "contains a key twice in one object"),
        (b'[{"a": {"CANARY": 1, "CANARY": 1}}]', "contains a key twice in one object"),
        (b"[" * 100_000 + b'"CANARY"' + b"]" * 100_000, "is nested too deeply"),
    ],
)
def test_invalid_json_is_refused_without_its_text(text: bytes, what: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_json(text)
    assert str(caught.value) == what
    assert isinstance(caught.value, DuplicateKeyError) == ("twice" in what)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_bytes_that_are_not_text_have_hint() -> None:
    with pytest.raises(JsonError) as caught:
        dump_json({"a": [SecretValue(b"CANARY\xff", Kind.BYTES)]})
    assert str(caught.value) == "contains bytes that are not text, so it cannot be written as JSON"
    assert caught.value.hint == "store it as base64"
