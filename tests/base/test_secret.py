"""A secret value hides from every way of printing, comparing and copying."""

import copy
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable

import pytest

from bridge.objects import Desired, Entry, Layer, ObjectId, Origin
from bridge.provider import Document, Revision
from bridge.secret import HIDDEN, Kind, SecretValue

CANARY = "CANARY-5a1f"
SECRET = SecretValue.of(CANARY)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda value: f"{value}",
        lambda value: f"{value:>40}",
        lambda value: f"{value!r}",
        lambda value: "%s %r" % (value, value),  # noqa: UP031 - also this way
        "{}".format,
        lambda value: repr([value, {"a": value}, (value,)]),
        lambda value: pprint.pformat({"a": value}),
        lambda value: repr(Document(({"a": value},), Revision("1"))),
        lambda value: repr(Desired(ObjectId("Secret", "a"), {"a": Entry(value, Origin(Layer.SOURCE, "x"))})),
    ],
)
def test_printing_shows_fixed_word(show: Callable[[SecretValue], str]) -> None:
    text = show(SECRET)
    assert CANARY not in text
    assert "<hidden>" in text


@pytest.mark.parametrize(
    "use",
    [
        lambda value: value == SecretValue.of(CANARY),
        lambda value: value != CANARY,
        hash,
        len,
        bool,
        list,
        bytes,
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        json.dumps,
        lambda value: CANARY in value,
        lambda value: value < value,  # noqa: PLR0124 - the operator is what is tried
        lambda value: value + value,
        lambda value: value[0],
    ],
)
def test_revealing_or_copying_operation_raises(use: Callable[[SecretValue], object]) -> None:
    with pytest.raises(TypeError) as caught:
        use(SECRET)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_refusal_says_what_values_are_not_for() -> None:
    with pytest.raises(TypeError, match="a secret value cannot be compared, measured, copied or serialised"):
        len(SECRET)


def test_logging_hides_it() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("test-secret")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        logger.error("%s and %r", SECRET, SECRET)
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == f"{HIDDEN} and {HIDDEN}\n"


def test_it_opens_on_demand_and_compares_by_bytes() -> None:
    assert SECRET.reveal() == CANARY.encode()
    assert SECRET.same_as(SecretValue(CANARY.encode(), Kind.BYTES))
    assert not SECRET.same_as(SecretValue.of("other"))
    assert SecretValue(b"").is_empty()
    assert SECRET.is_text()
    assert not SecretValue(b"\xff").is_text()


def test_lone_surrogate_is_refused_without_its_text() -> None:
    with pytest.raises(ValueError, match="not valid Unicode text") as caught:
        SecretValue.of(f"{CANARY}\ud800")
    assert caught.value.__context__ is None
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_kinds_have_the_words_of_messages() -> None:
    assert [kind.value for kind in Kind] == ["text", "number", "boolean", "null", "bytes"]
