"""Putting values into a document: siblings stay, nobody's change is lost, and what is not known is said."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.config.reference import Reference
from bridge.errors import BridgeError, Refusal, Stopped
from bridge.errors import Unavailable as NotNow
from bridge.objects import ObjectId
from bridge.provider import (
    Conflict,
    Context,
    Denied,
    Document,
    Kind,
    Node,
    NotFound,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
)
from bridge.stores import write
from bridge.stores.slots import Slot
from bridge.stores.update import Edit, look, put
from tests.canary import assert_clean

APP = Reference("shelf", "app")
NEW = SecretValue.of("CANARY-5ecre7-new")
AGENT = ObjectId("Secret", "agent-secrets")


class Shelf:
    """A store with one document. `before` is called before each write, `failure` is raised before or after it."""

    concurrency = 1
    retries = 0

    def __init__(self, content: Any = None) -> None:
        self.content = None if content is None else node(content)
        self.number = 1
        self.closed = 0
        self.before: Callable[[], object] = lambda: None
        self.failure: BaseException | None = None
        self.lost: BaseException | None = None
        self.after: Callable[[], object] = lambda: None

    def open(self, _context: Context) -> "Shelf":
        return self

    def read(self, _path: str, _revision: str | None = None) -> Document:
        if self.content is None:
            raise NotFound("no such document")
        content = self.content
        shape = content if isinstance(content, SecretValue | tuple) else (content,)
        return Document(shape, Revision(str(self.number), self.number))

    def write(self, _path: str, document: Document, *, expect: Revision | None) -> Any:
        before, self.before = self.before, lambda: None
        before()
        if self.failure:
            raise self.failure
        if expect != (self.read("").revision if self.content is not None else None):
            raise Conflict("it was changed meanwhile")
        self.put(document.content)
        self.after()
        if self.lost:
            raise self.lost
        return Revision(str(self.number), self.number)

    def put(self, content: Any) -> None:
        self.number += self.content is not None
        self.content = content if isinstance(content, SecretValue | tuple) else node(content)

    def close(self) -> None:
        self.closed += 1


def node(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {key: node(value) for key, value in given.items()}
    if isinstance(given, list):
        return tuple(map(node, given))
    return given if isinstance(given, SecretValue) else SecretValue.of(given)


def plain(given: Node | Any) -> Any:
    if isinstance(given, SecretValue):
        return given.reveal().decode()
    if isinstance(given, Mapping):
        return {key: plain(value) for key, value in given.items()}
    found = [plain(one) for one in given]
    return found[0] if len(found) == 1 else found


def context(seconds: float = 20.0) -> Context:
    return Context(Path(), {}, time.monotonic() + seconds)


def edit(slot: Slot | str, value: SecretValue = NEW, seen: str | None = None) -> Edit:
    return Edit(Slot(slot) if isinstance(slot, str) else slot, value, None if seen is None else SecretValue.of(seen))


def failure(kind: type[BridgeError], shelf: Any, *edits: Edit, seconds: float = 20.0) -> str:
    with pytest.raises(kind) as caught:
        put(shelf, APP, edits or (edit("A"),), context(seconds))
    assert type(caught.value) is kind
    assert_clean(caught.value)
    assert shelf.closed == 1
    return "; ".join(str(one) for one in caught.value.problems)


def test_new_field_stands_beside_its_siblings() -> None:
    shelf = Shelf({"A": "a", "deep": {"b": "b"}})
    written = put(shelf, APP, [edit("NEW")], context())
    assert plain(shelf.content) == {"A": "a", "deep": {"b": "b"}, "NEW": "CANARY-5ecre7-new"}
    assert (written.before, written.after) == (Revision("1", 1), Revision("2", 2))
    assert shelf.closed == 1


def test_document_that_is_missing_is_made() -> None:
    shelf = Shelf()
    assert put(shelf, APP, [edit("A"), edit("b.c")], context()).before is None
    assert plain(shelf.content) == {"A": "CANARY-5ecre7-new", "b": {"c": "CANARY-5ecre7-new"}}


@pytest.mark.parametrize(
    ("content", "field", "after"),
    [
        ({"a": {"b": "x", "c": "y"}}, "a.b", {"a": {"b": "NEW", "c": "y"}}),
        ({"a.b": "x", "a": {"b": "y"}}, "a.b", {"a.b": "NEW", "a": {"b": "y"}}),
        ({"a.b": {"c": "x"}, "a": {"b": {}}}, "a.b.c", {"a.b": {"c": "NEW"}, "a": {"b": {}}}),
        ({"a": {"x": "y"}}, "a.b.c", {"a": {"x": "y", "b": {"c": "NEW"}}}),
        ({"a": {"b": "x"}}, "a", {"a": "NEW"}),
        ([{"A": "a"}, {"B": "b"}], "A", [{"A": "NEW"}, {"B": "b"}]),
        ([{"A": "a"}, {"B": "b"}], "C", [{"A": "a"}, {"B": "b", "C": "NEW"}]),
        (SecretValue.of("x"), None, "NEW"),
    ],
)
def test_field_is_replaced_where_read_would_find_it(content: Any, field: str | None, after: Any) -> None:
    shelf = Shelf(content)
    seen = write.value_at(shelf.read(""), Slot(field))
    put(shelf, APP, [Edit(Slot(field), SecretValue.of("NEW"), seen)], context())
    assert plain(shelf.content) == after


def test_value_that_is_stored_as_base64_is_encoded() -> None:
    shelf = Shelf({"A": "b2xk"})
    put(shelf, APP, [edit(Slot("A", base64=True), SecretValue(b"\x00\xff", Kind.BYTES), "old")], context())
    assert plain(shelf.content) == {"A": "AP8="}


def manifest(name: str = "agent-secrets", kind: str = "Secret", **sections: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "voice"}, **sections}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (manifest(stringData={"K": "old", "L": "l"}), {"stringData": {"K": "NEW", "L": "l"}}),
        (manifest(data={"K": "b2xk"}), {"data": {"K": "TkVX"}}),
        (manifest(data={"K": "x", "L": "bA=="}, stringData={"K": "old"}), {"stringData": {"K": "NEW"}}),
    ],
)
def test_key_of_manifest_is_replaced_where_it_counts(before: Any, after: Any) -> None:
    shelf = Shelf([manifest("other", data={"K": "b3RoZXI="}), before])
    put(shelf, APP, [edit(Slot("K", AGENT), SecretValue.of("NEW"), "old")], context())
    assert plain(shelf.content) == plain(node([manifest("other", data={"K": "b3RoZXI="}), before | after]))


@pytest.mark.parametrize(
    ("sections", "added"),
    [
        ({"stringData": {"L": "l"}}, {"stringData": {"L": "l", "K": "NEW"}}),
        ({"data": {"L": "bA=="}}, {"data": {"L": "bA==", "K": "TkVX"}}),
        ({}, {"stringData": {"K": "NEW"}}),
    ],
)
def test_new_key_comes_where_its_siblings_are(sections: Any, added: Any) -> None:
    shelf = Shelf([manifest(**sections)])
    put(shelf, APP, [edit(Slot("K", AGENT), SecretValue.of("NEW"))], context())
    assert plain(shelf.content) == plain(node([manifest(**sections | added)]))


def test_object_that_no_manifest_has_gets_one() -> None:
    shelf = Shelf([manifest(stringData={"K": "k"})])
    other = ObjectId("ConfigMap", "other")
    put(shelf, APP, [edit(Slot("K", other), SecretValue.of("NEW")), edit(Slot("L", other))], context())
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    assert plain(shelf.content)[1] == made | {"data": {"K": "NEW", "L": "CANARY-5ecre7-new"}}


def test_bytes_go_where_base64_is() -> None:
    shelf = Shelf([manifest(stringData={"K": "k"})])
    put(shelf, APP, [edit(Slot("B", AGENT), SecretValue(b"\xff", Kind.BYTES))], context())
    assert plain(shelf.content)["data"] == {"B": "/w=="}


@pytest.mark.parametrize(
    ("content", "slot", "what"),
    [
        (SecretValue.of("CANARY-5ecre7"), Slot("A"), "is a single value without fields"),
        ({"A": "CANARY-5ecre7"}, Slot(None), "has fields, which would all be replaced"),
        ({"A": "CANARY-5ecre7"}, Slot("A.b"), "cannot hold A.b: A is a value, not a mapping"),
        ([manifest()], Slot("A"), "consists of manifests, which only hold keys of objects"),
        ([{"A": "a"}, {"A": "CANARY-5ecre7"}], Slot("B"), "more than one of its documents gives A"),
    ],
)
def test_place_without_room(content: Any, slot: Slot, what: str) -> None:
    shelf = Shelf(content)
    seen = write.value_at(shelf.read(""), slot)
    assert failure(Refusal, shelf, Edit(slot, NEW, seen)) == f"shelf:app: {what}"
    assert shelf.number == 1


def test_someone_elses_other_field_in_between_is_kept() -> None:
    shelf = Shelf({"A": "old"})
    shelf.before = lambda: shelf.put({"A": "old", "THEIRS": "theirs"})
    written = put(shelf, APP, [edit("A", seen="old")], context())
    assert plain(shelf.content) == {"A": "CANARY-5ecre7-new", "THEIRS": "theirs"}
    assert (written.before, written.after) == (Revision("2", 2), Revision("3", 3))


def test_our_field_changed_in_between_is_refusal() -> None:
    shelf = Shelf({"A": "old"})
    shelf.before = lambda: shelf.put({"A": "CANARY-5ecre7-theirs"})
    told = failure(Refusal, shelf, edit("A", seen="old"))
    assert told == "shelf:app: A has changed in the meantime; nothing was written"
    assert plain(shelf.content) == {"A": "CANARY-5ecre7-theirs"}


def test_field_that_changed_since_it_was_shown_is_refusal() -> None:
    shelf = Shelf({"A": "CANARY-5ecre7-theirs"})
    for seen in ("old", None):
        shelf.closed = 0
        assert "has changed in the meantime" in failure(Refusal, shelf, edit("A", seen=seen))


def test_second_conflict_is_reported() -> None:
    shelf = Shelf({"A": "old"})

    def again() -> None:
        shelf.put({"A": "old", "B": "1"})
        shelf.before = lambda: shelf.put({"A": "old", "B": "2"})

    shelf.before = again
    assert failure(Refusal, shelf, edit("A", seen="old")) == "shelf:app: it was changed meanwhile"
    assert plain(shelf.content) == {"A": "old", "B": "2"}


@pytest.mark.parametrize(
    ("error", "kind", "what"),
    [
        (Denied("no"), Refusal, "no"),
        (Unavailable("asleep"), NotNow, "asleep"),
        (ProviderError("too large"), Refusal, "too large"),
        (RuntimeError("CANARY-5ecre7"), Refusal, "the provider failed (RuntimeError)"),
    ],
)
def test_write_that_fails_before_anything_is_written(error: Exception, kind: type[BridgeError], what: str) -> None:
    for content in ({"A": "a"}, None):
        shelf = Shelf(content)
        shelf.failure = error
        assert failure(kind, shelf, edit("B")) == f"shelf:app: {what}"


def test_lost_answer_is_found_out() -> None:
    shelf = Shelf({"A": "a"})
    shelf.lost = Unavailable("the connection broke")
    assert put(shelf, APP, [edit("B")], context()).after == Revision("2", 2)


@pytest.mark.parametrize("error", [ProviderError("written, but not alone"), RuntimeError("CANARY-5ecre7")])
def test_error_after_write_says_that_something_is_written(error: Exception) -> None:
    shelf = Shelf({"A": "a"})
    shelf.lost = error
    failure(Stopped, shelf, edit("B"))


def test_lost_answer_and_someone_else_is_not_guessed() -> None:
    shelf = Shelf({"A": "a"})
    shelf.failure = Unavailable("the connection broke")
    shelf.before = lambda: shelf.put({"A": "theirs"})
    assert failure(Stopped, shelf, edit("B")) == "shelf:app: the connection broke"


def test_what_reads_back_differently_is_reported() -> None:
    shelf = Shelf({"A": "a"})
    shelf.after = lambda: setattr(shelf, "content", node({"A": "a", "B": "CANARY-5ecre7-mangled"}))
    assert failure(Stopped, shelf, edit("B")) == "shelf:app: revision 2 was written, but reads back differently"


def test_store_that_shows_write_late_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PAUSE", 0.01)
    shelf = Shelf({"A": "a"})
    true, stale = Shelf.read, [shelf.read("")] * 2
    shelf.after = lambda: setattr(shelf, "read", lambda *_: stale.pop() if stale else true(shelf, ""))
    assert put(shelf, APP, [edit("B")], context()).after == Revision("2", 2)
    assert not stale


def test_write_that_never_answers_is_bounded() -> None:
    shelf = Shelf({"A": "a"})
    go_on = threading.Event()
    shelf.before = lambda: go_on.wait(60)
    told = failure(Stopped, shelf, edit("B"), seconds=2)
    go_on.set()
    assert told == "shelf:app: no answer in time; it is unknown whether it was written"


def test_read_that_never_answers_has_written_nothing() -> None:
    shelf = Shelf({"A": "a"})
    go_on = threading.Event()
    shelf.read = lambda *_: go_on.wait(60)
    assert failure(NotNow, shelf, edit("B"), seconds=2) == "shelf:app: no answer in time"
    go_on.set()


class Shop(Shelf):
    """A store with a window: what is named there stands in clear."""

    def __init__(self, content: Any, *window: tuple[int, tuple[str, ...]] | Exception) -> None:
        super().__init__(content)
        self.window = window

    def in_clear(self, _path: str, _document: Document) -> Any:
        for place in self.window:
            if isinstance(place, Exception):
                raise place
            yield place


def test_value_that_would_stand_in_clear_is_not_written() -> None:
    shop = Shop({"A": "a", "b": {"c": "x"}}, (0, ("A",)), (0, ("b", "c")), (0, ("NEW",)))
    assert failure(Refusal, shop, edit("NEW"), edit("b.c", seen="x")) == (
        "shelf:app: b.c, NEW would not be encrypted by the document's rule"
    )
    assert shop.number == 1


def test_what_is_in_clear_already_may_stay() -> None:
    shop = Shop({"A": "a", "b": {"c": ["x"]}, "d": {"e": "y"}}, (0, ("A",)), (0, ("b", "c")), (0, ("nowhere", "x")))
    assert put(shop, APP, [edit("NEW"), edit("d.e", seen="y")], context()).after == Revision("2", 2)


def test_what_manifest_says_of_its_object_is_no_value() -> None:
    window = [(0, ("apiVersion",)), (0, ("kind",)), (0, ("metadata", "name"))]
    shop = Shop([manifest("other", stringData={"A": "a"})], *[(1, keys) for _, keys in window])
    assert put(shop, APP, [edit(Slot("K", AGENT))], context()).after == Revision("2", 2)


@pytest.mark.parametrize(
    ("error", "kind", "what"),
    [
        (ProviderError("no rule is for it"), Refusal, "no rule is for it"),
        (Unavailable("asleep"), NotNow, "asleep"),
        (RuntimeError("CANARY-5ecre7"), Refusal, "the provider failed (RuntimeError)"),
    ],
)
def test_store_that_cannot_tell_what_it_shows_gets_nothing(
    error: Exception, kind: type[BridgeError], what: str
) -> None:
    shop = Shop({"A": "a"}, error)
    assert failure(kind, shop, edit("B")) == f"shelf:app: {what}"
    assert shop.number == 1


def test_store_that_hangs_after_conflict_has_written_nothing() -> None:
    shelf = Shelf({"A": "a"})
    go_on = threading.Event()

    def theirs() -> None:
        shelf.put({"A": "a", "THEIRS": "theirs"})
        shelf.read = lambda *_: go_on.wait(60)

    shelf.before = theirs
    shelf.failure = Conflict("it was changed meanwhile")
    assert failure(NotNow, shelf, edit("B"), seconds=2) == "shelf:app: no answer in time"
    go_on.set()


def test_provider_that_only_reads_is_refused_before_anything_is_asked() -> None:
    class Session:
        closed = 0

        def read(self, *_: object) -> Document:
            raise AssertionError("it was read")

        def close(self) -> None:
            Session.closed += 1

    shelf = Shelf()
    shelf.open = lambda _: Session()
    for call in (lambda: look(shelf, APP, context()), lambda: put(shelf, APP, [edit("A")], context())):
        with pytest.raises(Refusal, match="shelf:app: the provider shelf is read-only"):
            call()
    assert Session.closed == 2


def test_pinned_reference_is_refused() -> None:
    shelf = Shelf({"A": "a"})
    with pytest.raises(Refusal, match="shelf:app@3: is pinned to revision 3"):
        look(shelf, APP._replace(revision="3"), context())
    assert shelf.closed == 0


def test_look_returns_what_is_there() -> None:
    shelf = Shelf()
    assert look(shelf, APP, context()) is None
    shelf.put({"A": "a"})
    assert look(shelf, APP, context()).revision == Revision("1", 1)


def test_store_that_does_not_say_its_revision_breaks_contract() -> None:
    shelf = Shelf({"A": "a"})
    true = shelf.write
    shelf.write = lambda *given, **more: str(true(*given, **more))
    assert failure(Stopped, shelf, edit("B")) == "shelf:app: the provider wrote but returned no Revision"
