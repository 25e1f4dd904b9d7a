"""Reading documents: what providers may throw, and how often they are asked."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.config.reference import Reference
from bridge.errors import BridgeError, Refusal
from bridge.errors import Unavailable as NotNow
from bridge.provider import Context, Denied, Document, NotFound, Provider, Revision, SecretValue, Unavailable
from bridge.sources import session
from bridge.sources.reader import documents_in, preload, read_documents, read_each
from tests.waiting import LIMIT, with_enough_time

GOOD = Document(SecretValue(b"CANARY"), Revision("1"))


class Fake:
    """A provider and its session; `answers` are given, or raised, one after the other."""

    concurrency = 1

    def __init__(self, *answers: object, **more: object) -> None:
        self.answers = list(answers)
        self.closed = 0
        vars(self).update(more)

    def open(self, _context: Context) -> "Fake":
        return self

    def read(self, _path: str, _revision: str | None) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self.closed += 1


def read(providers: Mapping[str, Provider], *references: str, seconds: float = 20.0) -> Mapping[str, Document]:
    wanted = [Reference(*one.split(":")) for one in references]
    context = Context(Path(), {}, time.monotonic() + seconds)
    return {str(key): value for key, value in read_documents(providers, wanted, context).items()}


def failure(kind: type[BridgeError], run: Callable[[], object]) -> list[str]:
    with pytest.raises(kind) as caught:
        run()
    assert caught.value.__context__ is None
    return [str(one) for one in caught.value.problems]


def test_every_provider_that_wants_it_is_preloaded_whichever_of_them_cannot_be_imported():
    asked: list[str] = []

    def failing() -> None:
        asked.append("failing")
        raise ImportError("CANARY")

    preload([Fake(preload=failing), Fake(), Fake(preload=lambda: asked.append("good"))])
    assert asked == ["failing", "good"]


def test_document_is_read_once_and_session_closed():
    fake = Fake(GOOD)
    assert read({"a": fake}, "a:x", "a:x") == {"a:x": GOOD}
    assert fake.closed == 1


def test_session_is_closed_before_documents_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CLOSE_WAIT", LIMIT)

    class Slow(Fake):
        def close(self) -> None:
            time.sleep(0.05)  # until the others are closed
            super().close()

    fakes = {"a": Slow(GOOD), "b": Slow(GOOD), "c": Fake(GOOD)}
    read(fakes, "a:x", "b:x", "c:x")
    assert [one.closed for one in fakes.values()] == [1, 1, 1]


@pytest.mark.parametrize(("retries", "tries"), [({}, 3), ({"retries": 1}, 2), ({"retries": 4}, 5)])
def test_what_stays_unavailable_is_tried_as_often_as_session_wants(retries: dict[str, int], tries: int) -> None:
    fake = Fake(*[Unavailable("asleep", retry_after=0.001)] * 6, **retries)
    assert failure(NotNow, lambda: read({"a": fake}, "a:x")) == ["a:x: asleep"]
    assert len(fake.answers) == 6 - tries


def test_store_that_stays_unavailable_is_asked_once_for_each_further_document() -> None:
    fake = Fake(*[Unavailable("asleep", retry_after=0.001)] * 4, GOOD)
    assert failure(NotNow, lambda: read({"a": fake}, "a:x", "a:y", "a:z")) == ["a:x: asleep", "a:y: asleep"]
    assert fake.answers == []


@pytest.mark.parametrize("retries", [0, -1])
def test_session_that_wants_no_retries_gets_none(retries):
    fake = Fake(Unavailable("asleep"), GOOD, retries=retries)
    assert failure(NotNow, lambda: read({"a": fake}, "a:x")) == ["a:x: asleep"]
    assert fake.answers == [GOOD]


def test_what_is_temporary_is_tried_again():
    fake = Fake(Unavailable("asleep", retry_after=0.001), GOOD)
    assert read({"a": fake}, "a:x") == {"a:x": GOOD}


@pytest.mark.parametrize(
    ("fake", "what"),
    [
        (Fake(RuntimeError("CANARY")), "the provider failed (RuntimeError)"),
        (Fake(SystemExit(0)), "the provider failed (SystemExit)"),
        (Fake(Unavailable("asleep", retry_after=-1)), "the provider failed (ValueError)"),
        (Fake(Unavailable("asleep"), retries="CANARY"), "the provider failed (TypeError)"),
        (Fake(NotFound("no such document")), "no such document"),
        (Fake(None), "the provider did not return a Document"),
    ],
)
def test_failure_carries_reference_and_nothing_of_document(fake, what):
    assert failure(Refusal, lambda: read({"a": fake}, "a:x")) == [f"a:x: {what}"]
    assert fake.closed == 1


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (RuntimeError("CANARY"), "the provider failed (RuntimeError)"),
        (SystemExit(0), "the provider failed (SystemExit)"),
        (Denied("who are you?"), "who are you?"),
    ],
)
def test_session_that_cannot_be_opened_fails_each_of_its_documents(error, what):
    class Closed(Fake):
        def open(self, _context: Context) -> Fake:
            raise error

    told = failure(Refusal, lambda: read({"a": Closed(), "b": Fake(NotFound("gone"))}, "a:x", "b:z", "a:y"))
    assert told == [f"a:x: {what}", f"a:y: {what}", "b:z: gone"]


def test_only_temporary_failures_are_temporary_together():
    class Closed(Fake):
        def open(self, _context: Context) -> Fake:
            raise Unavailable("asleep")

    assert failure(NotNow, lambda: read({"a": Closed()}, "a:x")) == ["a:x: asleep"]
    assert failure(Refusal, lambda: read({"a": Closed(), "b": Fake(NotFound("gone"))}, "a:x", "b:z")) == [
        "a:x: asleep",
        "b:z: gone",
    ]


def test_sessions_own_time_limit_holds_for_all_tries_together():
    later = Unavailable("asleep", retry_after=0.01)
    fake = Fake(later, later, later, GOOD, retries=5, timeout=0.0)
    assert failure(NotNow, lambda: read({"a": fake}, "a:x")) == ["a:x: asleep"]
    assert len(fake.answers) == 3
    patient = Fake(later, GOOD, retries=5, timeout=30.0)
    assert read({"a": patient}, "a:x") == {"a:x": GOOD}


def test_path_is_known_only_where_every_revision_that_is_asked_for_is():
    known = {}

    class Asking(Fake):
        def open(self, context: Context) -> Fake:
            known["paths"] = context.known()
            return self

    wanted = [Reference("a", "x"), Reference("a", "x", "3"), Reference("a", "y"), Reference("a", "z")]
    context, before = Context(Path(), {}, time.monotonic() + 20), frozenset({"a:x", "a:y", "b:z"})
    read_each({"a": Asking(GOOD, GOOD, GOOD, GOOD, wants_known=True)}, wanted, context, before)
    assert known == {"paths": frozenset({"y"})}
    for guard in ({"wants_known": False}, {}):
        read_each({"a": Asking(GOOD, GOOD, GOOD, GOOD, **guard)}, wanted, context, before)
        assert known == {"paths": frozenset()}


def test_each_read_is_reported_by_what_came_of_it_and_how_long_it_took() -> None:
    class Slow(Fake):
        def read(self, path: str, revision: str | None) -> Any:
            time.sleep(0.05)
            return super().read(path, revision)

    reads: list[tuple[str, str, float]] = []
    released = threading.Event()
    left: list[float] = []

    def attempt(limit: float) -> None:
        providers = {
            "good": Slow(GOOD),
            "absent": Fake(NotFound("no")),
            "denied": Fake(Denied("no")),
            "asleep": Fake(*[Unavailable("no", retry_after=0.01)] * 3),
            "again": Fake(Unavailable("no", retry_after=0.05), GOOD),
            "broken": Fake(RuntimeError("CANARY")),
            "stuck": Fake(GOOD),
        }
        reads.clear()
        deadline = time.monotonic() + limit
        providers["stuck"].read = lambda *_: (left.append(deadline - time.monotonic()), released.wait(LIMIT))
        references = [Reference(name, "x") for name in providers]
        with pytest.raises(BridgeError):
            documents_in(read_each(providers, references, Context(Path(), {}, deadline), reads=reads))

    results = {
        "good": "ok",
        "absent": "not_found",
        "denied": "denied",
        "asleep": "unavailable",
        "again": "ok",
        "broken": "other",
        "stuck": "unavailable",
    }
    began = time.monotonic()
    with_enough_time(attempt, lambda: {name: result for name, result, _ in reads} == results)
    released.set()
    seconds = {name: taken for name, _, taken in reads}
    assert max(seconds.values()) <= time.monotonic() - began
    assert seconds["good"] >= 0.05
    assert seconds["again"] >= 0.05
    assert seconds["stuck"] >= left[-1]
