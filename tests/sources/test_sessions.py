"""Sessions that several environments share: how often a store is asked, what is kept, what is closed."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge import late_warnings
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Unavailable
from bridge.provider import Context, Document, Revision, SecretValue
from bridge.provider import Unavailable as NotNow
from bridge.sources.reader import Sessions
from tests.waiting import LIMIT

BASE = Path()


class Store:
    """A provider, equal to another one of the same name, and its session, which remembers what was asked."""

    concurrency: ClassVar[int] = 2

    def __init__(self, name: str = "", read: Callable[[str], Any] | None = None) -> None:
        self.name = name
        self.asked: list[str] = []
        self.opened = self.closed = 0
        self.known: Callable[[], frozenset[str]] = frozenset
        self._read = read

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def open(self, context: Context) -> "Store":
        self.opened += 1
        self.known = context.known
        return self

    def read(self, path: str, revision: str | None) -> Document:
        self.asked.append(path if revision is None else f"{path}@{revision}")
        if self._read:
            self._read(path)
        return Document(SecretValue(path.encode()), Revision("1"))

    def close(self) -> None:
        self.closed += 1


def context(seconds: float = 20.0, *known: str) -> Context:
    return Context(BASE, {}, time.monotonic() + seconds, lambda: frozenset(known))


def wanted(*texts: str, provider: str = "a") -> list[Reference]:
    return [Reference(provider, *text.split("@")) for text in texts]


def test_equal_providers_have_one_session_and_a_shared_document_is_read_once():
    sessions, first, second, other = Sessions(), Store("x"), Store("x"), Store("y")
    for store in (first, second):
        sessions.announce({"a": store}, wanted("shared", "own"), BASE)
    assert set(sessions.read({"a": first}, wanted("shared"), context())) == set(wanted("shared"))
    # The other environment calls its section otherwise.
    assert set(sessions.read({"b": second}, wanted("shared", provider="b"), context())) == set(
        wanted("shared", provider="b")
    )
    sessions.read({"a": other}, wanted("shared"), context())
    assert (first.opened, first.asked, second.opened, other.opened, other.asked) == (1, ["shared"], 0, 1, ["shared"])
    sessions.close()
    assert (first.closed, second.closed, other.closed) == (1, 0, 1)


def test_another_folder_has_a_session_of_its_own():
    sessions, one, two = Sessions(), Store("x"), Store("x")
    sessions.read({"a": one}, wanted("file"), context())
    sessions.read({"a": two}, wanted("file"), context()._replace(base=Path("elsewhere")))
    assert (one.opened, two.opened) == (1, 1)


def test_a_document_is_forgotten_after_its_last_announced_reader():
    sessions, store = Sessions(), Store()
    for _ in range(2):
        sessions.announce({"a": store}, wanted("shared"), BASE)
    for expected in (["shared"], ["shared"], ["shared", "shared"]):
        sessions.read({"a": store}, wanted("shared"), context())
        assert store.asked == expected


def test_another_revision_is_another_document():
    sessions, store = Sessions(), Store()
    sessions.announce({"a": store}, wanted("x", "x@1"), BASE)
    sessions.read({"a": store}, wanted("x", "x@1"), context())
    assert sorted(store.asked) == ["x", "x@1"]


def test_never_more_threads_read_in_a_session_than_its_provider_admits():
    lock, now, most, first = threading.Lock(), [0], [0], list(range(Store.concurrency))
    together = threading.Barrier(len(first))

    def read(_path: str) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            is_first = bool(first) and first.pop() >= 0
        if is_first:
            together.wait(LIMIT)
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    sessions, store = Sessions(), Store(read=read)
    threads = [
        threading.Thread(target=sessions.read, args=({"a": store}, wanted(*(f"{n}-{i}" for i in range(3))), context()))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(store.asked), most[0]) == (18, store.concurrency)


def test_a_store_that_is_down_is_not_tried_at_length_for_every_document():
    down = [True]

    def read(_path: str) -> None:
        if down[0]:
            raise NotNow("asleep", retry_after=0.001)

    sessions, store = Sessions(), Store(read=read)
    for path in ("x", "y"):
        with pytest.raises(Unavailable) as caught:
            sessions.read({"a": store}, wanted(path), context())
        assert str(caught.value) == f"a:{path}: asleep"
    assert store.asked == ["x", "x", "x", "y"]
    down[0] = False
    assert sessions.read({"a": store}, wanted("z"), context())


def test_a_stuck_read_keeps_another_environment_no_longer_than_its_deadline():
    stuck = threading.Event()
    sessions, store = Sessions(), Store(read=lambda _: stuck.wait(LIMIT))
    for _ in range(3):
        with pytest.raises(Unavailable, match="no answer in time"):
            sessions.read({"a": store}, wanted("x"), context(0.2))
    assert store.asked == ["x"]  # and what came after did not wait for the answer to that
    sessions.close()
    assert store.closed == 1
    stuck.set()


def test_a_session_that_opens_too_late_is_closed_at_once():
    sessions, store = Sessions(), Store()
    sessions.announce({"a": store}, wanted("x"), BASE)
    sessions.close()
    with pytest.raises(BridgeError):
        sessions.read({"a": store}, wanted("x"), context())
    assert (store.opened, store.closed, store.asked) == (1, 1, [])


@pytest.mark.parametrize("given", [(Problem("", "a token stays", warning=True), "CANARY"), "CANARY", None, 5])
def test_what_a_session_could_not_give_back_is_told_once_it_is_closed(given: Any):
    sessions, store = Sessions(), Store()
    sessions.read({"a": store}, wanted("x"), context())
    store.warnings = given
    kept = late_warnings.COLLECTED.set(late_warnings.Collected([], {}))
    try:
        sessions.close()
        told = late_warnings.take()
        assert [one.what for one in told] == (["a token stays"] if isinstance(given, tuple) else [])
        assert late_warnings.take() == ()
    finally:
        late_warnings.COLLECTED.reset(kept)


def test_a_path_is_known_where_it_is_to_every_environment_that_has_read_so_far():
    sessions, store = Sessions(), Store()
    sessions.read({"a": store}, wanted("x", "y"), context(20, "a:x", "a:y"))
    assert store.known() == {"x", "y"}
    sessions.read({"a": store}, wanted("y@3", "z"), context(20, "a:z"))
    assert store.known() == {"x", "z"}
