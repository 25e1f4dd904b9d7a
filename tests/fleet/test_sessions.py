"""Sessions that several environments share: how often a store is asked, what is kept, what is closed."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge import late_warnings
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Unavailable
from bridge.provider import Context, Document, Revision, SecretValue
from bridge.provider import Unavailable as NotNow
from bridge.sources.reader import read_documents, read_each
from bridge.sources.shared import Sharing
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


def context(seconds: float = 20.0) -> Context:
    return Context(BASE, {}, time.monotonic() + seconds)


def read_shared(
    sharing: Sharing, providers: dict[str, Any], references: list[Reference], at: Context
) -> Mapping[Reference, Document]:
    """Read documents as one environment's run does."""
    return read_documents(sharing.wrap(providers, at.base), references, at)


def wanted(*texts: str, provider: str = "a") -> list[Reference]:
    return [Reference(provider, *text.split("@")) for text in texts]


def test_equal_providers_have_one_session_and_shared_document_is_read_once():
    sharing, first, second, other = Sharing(), Store("x"), Store("x"), Store("y")
    for store in (first, second):
        sharing.announce({"a": store}, wanted("shared", "own"), BASE)
    assert set(read_shared(sharing, {"a": first}, wanted("shared"), context())) == set(wanted("shared"))
    # The other environment calls its section otherwise.
    assert set(read_shared(sharing, {"b": second}, wanted("shared", provider="b"), context())) == set(
        wanted("shared", provider="b")
    )
    read_shared(sharing, {"a": other}, wanted("shared"), context())
    assert (first.opened, first.asked, second.opened, other.opened, other.asked) == (1, ["shared"], 0, 1, ["shared"])
    sharing.close()
    assert (first.closed, second.closed, other.closed) == (1, 0, 1)


def test_another_folder_has_session_of_its_own():
    sharing, one, two = Sharing(), Store("x"), Store("x")
    read_shared(sharing, {"a": one}, wanted("file"), context())
    read_shared(sharing, {"a": two}, wanted("file"), context()._replace(base=Path("elsewhere")))
    assert (one.opened, two.opened) == (1, 1)


def test_document_is_forgotten_after_its_last_announced_reader():
    sharing, store = Sharing(), Store()
    for _ in range(2):
        sharing.announce({"a": store}, wanted("shared"), BASE)
    for expected in (["shared"], ["shared"], ["shared", "shared"]):
        read_shared(sharing, {"a": store}, wanted("shared"), context())
        assert store.asked == expected


def test_another_revision_is_another_document():
    sharing, store = Sharing(), Store()
    sharing.announce({"a": store}, wanted("x", "x@1"), BASE)
    read_shared(sharing, {"a": store}, wanted("x", "x@1"), context())
    assert sorted(store.asked) == ["x", "x@1"]


def test_never_more_threads_read_in_session_than_its_provider_admits():
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

    sharing, store = Sharing(), Store(read=read)
    threads = [
        threading.Thread(
            target=read_shared, args=(sharing, {"a": store}, wanted(*(f"{n}-{i}" for i in range(3))), context())
        )
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(store.asked), most[0]) == (18, store.concurrency)


def test_store_that_is_down_is_not_tried_at_length_for_every_document():
    down = [True]

    def read(_path: str) -> None:
        if down[0]:
            raise NotNow("asleep", retry_after=0.001)

    sharing, store = Sharing(), Store(read=read)
    for path in ("x", "y"):
        with pytest.raises(Unavailable) as caught:
            read_shared(sharing, {"a": store}, wanted(path), context())
        assert str(caught.value) == f"a:{path}: asleep"
    assert store.asked == ["x", "x", "x", "y"]
    down[0] = False
    assert read_shared(sharing, {"a": store}, wanted("z"), context())


def test_stuck_read_keeps_another_environment_no_longer_than_its_deadline():
    stuck = threading.Event()
    sharing, store = Sharing(), Store(read=lambda _: stuck.wait(LIMIT))
    for _ in range(3):
        with pytest.raises(Unavailable, match="no answer in time"):
            read_shared(sharing, {"a": store}, wanted("x"), context(0.2))
    assert store.asked == ["x"]  # and what came after did not wait for the answer to that
    sharing.close()
    assert store.closed == 1
    stuck.set()


def test_session_that_opens_too_late_is_closed_at_once():
    class Late(Store):
        def open(self, context: Context) -> Store:
            sharing.close()
            return super().open(context)

    sharing, store = Sharing(), Late()
    with pytest.raises(BridgeError):
        read_shared(sharing, {"a": store}, wanted("x"), context())
    assert (store.opened, store.closed, store.asked) == (1, 1, [])


def test_no_session_is_opened_after_end():
    sharing, store = Sharing(), Store()
    sharing.announce({"a": store}, wanted("x"), BASE)
    sharing.close()
    with pytest.raises(BridgeError, match="no answer in time"):
        read_shared(sharing, {"a": store}, wanted("x"), context())
    assert (store.opened, store.closed, store.asked) == (0, 0, [])


def test_document_is_read_once_more_for_run_that_begins_anew_and_stays_for_others():
    sharing, store = Sharing(), Store()
    for _ in range(2):
        sharing.announce({"a": store}, wanted("x"), BASE)
    assert sharing.documents(wanted("x", "y")) == {"a:x"}
    assert sharing.anew().documents(wanted("x", "y")) == frozenset()
    for each, asked in ((sharing, 1), (sharing.anew(), 2), (sharing, 2)):
        read_shared(each, {"a": store}, wanted("x"), context())
        assert len(store.asked) == asked


def test_document_that_one_environment_alone_names_was_not_read_for_another():
    sharing, store = Sharing(), Store()
    sharing.announce({"a": store}, wanted("x", "own"), BASE)
    sharing.announce({"a": store}, wanted("x"), BASE)
    assert sharing.documents(wanted("x", "own")) == {"a:x"}


@pytest.mark.parametrize("given", [(Problem("", "a token stays", warning=True), "CANARY"), "CANARY", None, 5])
def test_what_session_could_not_give_back_is_reported_once_it_is_closed(given: Any):
    sharing, store = Sharing(), Store()
    read_shared(sharing, {"a": store}, wanted("x"), context())
    store.warnings = given
    kept = late_warnings.COLLECTED.set(late_warnings.Collected([], {}))
    try:
        sharing.close()
        told = late_warnings.take()
        assert [one.what for one in told] == (["a token stays"] if isinstance(given, tuple) else [])
        assert late_warnings.take() == ()
    finally:
        late_warnings.COLLECTED.reset(kept)


def test_path_is_known_where_it_is_to_every_environment_that_has_read_so_far():
    sharing, store = Sharing(), Store()
    store.wants_known = True
    for references, known, expected in (
        (wanted("x", "y"), {"a:x", "a:y"}, {"x", "y"}),
        (wanted("y@3", "z"), {"a:z"}, {"x", "z"}),
    ):
        read_each(sharing.wrap({"a": store}, BASE), references, context(), frozenset(known))
        assert store.known() == expected
