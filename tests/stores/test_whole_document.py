"""A document in the place of another: what differs, by name, and whose nodes stay."""

from typing import Any

import pytest

from bridge.provider import Document, Kind, ProviderError, Revision, SecretValue
from bridge.stores.whole_document import Whole, grafted
from tests.providers.sops.folder import sealed

MANIFEST = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app"}}


def document(*mappings: Any, revision: str = "1") -> Document:
    return Document(tuple(map(sealed, mappings)), Revision(revision))


def opaque(value: bytes, kind: Kind = Kind.BYTES) -> Document:
    return Document(SecretValue(value, kind), Revision("1"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (document({"a": "1", "b": "2"}), document({"b": "3", "c": "4"}), (("b",), ("c",), ("a",))),
        (document({"a": {"x": "1", "y": ["1"]}}), document({"a": {"y": ["2"], "x": "1"}}), (("a",), (), ())),
        (document({"a": "1"}), document({"a": True}), (("a",), (), ())),
        (document({"a": "1"}), opaque(b"x"), ((), ("its value",), ("a",))),
        (opaque(b"y"), opaque(b"x"), (("its value",), (), ())),
        (None, document({"a": "1"}), ((), ("a",), ())),
        (
            document(MANIFEST | {"data": {"k": "1"}, "type": "Opaque"}),
            document(MANIFEST | {"data": {"k": "2"}, "stringData": {"l": "1"}}),
            (("Secret/app key k",), ("Secret/app key l",), ("Secret/app type",)),
        ),
    ],
)
def test_what_changes_comes_and_goes(old: Document | None, new: Document, expected: Any) -> None:
    whole = Whole(new, old)
    assert whole.is_needed
    assert tuple(whole.difference) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (document({"a": "1", "b": [{"c": None}]}), document({"b": [{"c": None}], "a": "1"}, revision="2")),
        (opaque(b"x", Kind.TEXT), opaque(b"x")),
        (document({"a": "1"}, {"b": "2"}), document({"a": "1"}, {"b": "2"})),
    ],
)
def test_same_content_needs_no_write(old: Document, new: Document) -> None:
    assert not Whole(new, old).is_needed
    assert tuple(Whole(new, old).difference) == ((), (), ())


@pytest.mark.parametrize(("text", "is_needed"), [(b'{"a":"1"}', False), (b'{ "a":"1" }', True), (None, False)])
def test_text_that_store_keeps_counts_where_both_have_it(text: bytes | None, *, is_needed: bool) -> None:
    new = document({"a": "1"})._replace(whole=SecretValue(b'{"a":"1"}'))
    old = document({"a": "1"})._replace(whole=None if text is None else SecretValue(text))
    assert Whole(new, old).is_needed is is_needed


def test_document_more_or_less_is_difference() -> None:
    assert Whole(document({"a": "1"}), document({"a": "1"}, {"a": "1"})).is_needed
    assert Whole(document({"a": ["1"]}), document({"a": ["1", "1"]})).is_needed


def test_what_nobody_touches_is_very_same_node() -> None:
    old = document({"a": "1", "b": {"c": "2", "d": ["3"]}})
    new = document({"a": "1", "b": {"c": "9", "d": ["3"]}}, {"e": "1"})
    first, second = grafted(new, old).content  # type: ignore[misc]
    before: Any = old.content[0]  # type: ignore[index]
    assert first["a"] is before["a"]
    assert first["b"]["d"] is before["b"]["d"]
    assert first["b"]["c"] is new.content[0]["b"]["c"]  # type: ignore[index, call-overload]
    assert second.keys() == {"e"}


def test_document_that_someone_wrote_since_is_refused() -> None:
    whole = Whole(document({"a": "1"}), document({"a": "2"}))
    for present in (None, document({"a": "2"}, revision="2")):
        with pytest.raises(ProviderError, match="has changed in the meantime; nothing was written"):
            whole.applied_to(present)
    assert whole.holds(whole.applied_to(document({"a": "2"})))
