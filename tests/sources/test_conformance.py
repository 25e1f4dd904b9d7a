"""What a provider may return, and how every other thing is refused without being shown."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.config.reference import Reference
from bridge.errors import Refusal
from bridge.provider import Document, Problem, ProviderError, Revision, SecretValue
from bridge.sources import outlines
from bridge.sources.conformance import (
    BAD_KEY,
    BAD_NODE,
    BAD_REVISION,
    BAD_SHA256,
    BAD_TIME,
    BAD_WARNINGS,
    NO_DOCUMENT,
    breach,
)

ONE = Revision("1")
LEAF = SecretValue(b"CANARY")
LOOP: dict[str, Any] = {"a": LEAF}
LOOP["b"] = [LOOP, LOOP]


@pytest.mark.parametrize(
    "content",
    [
        LEAF,
        (),
        ({},),
        ({"a": LEAF}, {"b": {"c": [LEAF, [], {}, (LEAF,)]}}),
        ({"\ud800": LEAF},),
        (LOOP,),
    ],
)
def test_good_documents(content):
    assert breach(Document(content, ONE, (Problem("", "old"),))) is None
    assert breach(Document(content, ONE, whole=LEAF, sha256="0" * 64, time="2026-11-25T10:00:00Z")) is None


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (None, NO_DOCUMENT),
        ({"a": "CANARY"}, NO_DOCUMENT),
        (Document("CANARY", ONE), NO_DOCUMENT),
        (Document({"a": LEAF}, ONE), NO_DOCUMENT),
        (Document(({"a": LEAF}, "CANARY"), ONE), NO_DOCUMENT),
        (Document(({1: LEAF},), ONE), BAD_KEY),
        (Document(({"a": [{None: LEAF}]},), ONE), BAD_KEY),
        (Document(({"a": "CANARY"},), ONE), BAD_NODE),
        (Document(({"a": b"CANARY"},), ONE), BAD_NODE),
        (Document(({"a": [LEAF, 1]},), ONE), BAD_NODE),
        (Document(({"a": None},), ONE), BAD_NODE),
        (Document(({"a": LEAF},), ONE, (), "CANARY"), BAD_NODE),
        (Document(LEAF, "1"), BAD_REVISION),
        (Document(LEAF, None), BAD_REVISION),
        (Document(LEAF, Revision(3)), BAD_REVISION),
        (Document(LEAF, ONE, ("CANARY",)), BAD_WARNINGS),
        (Document(LEAF, ONE, None), BAD_WARNINGS),
        (Document(LEAF, ONE, sha256="CANARY"), BAD_SHA256),
        (Document(LEAF, ONE, sha256="A" * 64), BAD_SHA256),
        (Document(LEAF, ONE, sha256="a" * 65), BAD_SHA256),
        (Document(LEAF, ONE, sha256=None), BAD_SHA256),
        (Document(LEAF, ONE, sha256=b"a" * 64), BAD_SHA256),
        (Document(LEAF, ONE, time=None), BAD_TIME),
        (Document(LEAF, ONE, time=3), BAD_TIME),
    ],
)
def test_bad_documents(answer, what):
    assert breach(answer) == what


def told_by(ask: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        outlines._guarded(Reference("a", "x"), ask, str)
    return str(caught.value)


def test_provider_that_cannot_outline_a_document_is_refused_with_the_documents_name():
    def fail() -> object:
        raise RuntimeError("CANARY")

    def refuse() -> object:
        raise ProviderError("is not encrypted")

    assert told_by(fail) == "a:x: the provider failed (RuntimeError)"
    assert told_by(refuse) == "a:x: is not encrypted"
    assert told_by(lambda: b"CANARY") == "a:x: the provider's answer is not what it promises"
    assert outlines._guarded(Reference("a", "x"), lambda: "fine", str) == "fine"


def test_tree_deeper_than_interpreter_recurses():
    node: Any = LEAF
    for _ in range(5000):
        node = [node]
    assert breach(Document(({"a": node},), ONE)) is None
