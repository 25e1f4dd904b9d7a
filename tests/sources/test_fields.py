import pytest

from bridge.exact_json import DEPTH
from bridge.provider import Kind, Node, SecretValue
from bridge.sources.select import FieldError, as_value, decoded


def nested(depth: int) -> Node:
    node: Node = SecretValue(b"1", Kind.NUMBER)
    for level in range(depth):
        node = [node] if level % 2 else {"CANARY": node}
    return node


def failure(node: Node) -> FieldError:
    with pytest.raises(FieldError) as caught:
        as_value(node)
    assert caught.value.__context__ is None or "CANARY" not in str(caught.value.__context__)
    return caught.value


def test_nested_value_is_compact_json_with_its_numbers_text():
    node = {"a": [SecretValue(b"1.50", Kind.NUMBER), SecretValue(b"true", Kind.BOOLEAN), SecretValue(b"", Kind.NULL)]}
    assert as_value(node).reveal() == b'{"a":[1.50,true,null]}'


def test_value_as_deep_as_is_allowed():
    assert as_value(nested(DEPTH)).reveal().count(b"[") == DEPTH // 2


@pytest.mark.parametrize("depth", [DEPTH + 1, 450, 100_000])
def test_value_that_is_nested_too_deep(depth):
    node = nested(depth)
    assert str(failure(node)) == "is nested deeper than 256 levels"
    while not isinstance(node, SecretValue):  # freed from outside in: CPython frees deep structures by recursion
        (node,) = node.values() if isinstance(node, dict) else node


@pytest.mark.parametrize("node", [{"CANARY\ud800": SecretValue(b"x")}, [{"a": {"\udfffCANARY": SecretValue(b"x")}}]])
def test_nested_key_that_is_no_unicode(node):
    assert str(failure(node)) == "has a key that is not valid Unicode"


def test_null_is_no_value():
    assert str(failure(SecretValue(b"", Kind.NULL))) == "is null"


def test_bytes_that_are_no_text_do_not_become_json():
    problem = failure([SecretValue(b"CANARY\xff", Kind.BYTES)])
    assert str(problem) == "contains bytes that are not text, so it cannot be written as JSON"


def test_base64_may_be_wrapped_and_becomes_bytes():
    value = decoded(SecretValue(b" AAH+\r\n/w==\n"))
    assert (value.reveal(), value.kind) == (b"\x00\x01\xfe\xff", Kind.BYTES)


@pytest.mark.parametrize("text", [b"Q0FO%%%%QVJZ", b"Q0FO-_FS", b"Q0FOQ", b"Q0FO\xff\xff\xff\xff", b"Q0FOQQ==QVJZ"])
def test_text_with_anything_but_standard_base64_is_not_decoded(text: bytes):
    with pytest.raises(FieldError, match=r"\Ais not valid base64\Z") as caught:
        decoded(SecretValue(text))
    assert caught.value.__context__ is None
