"""The tests that every provider should pass: subclass `ProviderContract` and run it with pytest.

class TestMine(ProviderContract):
    def provider(self, folder): return Mine(address=...)
    def put(self, folder, values): ...; return "the/path"
    def put_json(self, folder, text): ...; return "the/path"    # if the store can hold more than strings
    def put_bytes(self, folder, data): ...; return "the/path"   # if a document can be one opaque value
"""

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import pytest

from bridge.config.environment_fields import provider_fields
from bridge.provider import (
    Context,
    Document,
    Kind,
    NotFound,
    Provider,
    ProviderError,
    ReadGuard,
    SecretValue,
    dump_json,
    parse_json,
)

CANARY: Final = "CANARY-contract-7f3a"
VALUES: Final = {
    "PLAIN": f"{CANARY}-plain",
    "UNICODE": f"{CANARY}-é-\U0001f511",
    "SPACES": f" {CANARY}  ",
    "DOLLAR": "$5 ${X}",
}
LEAVES: Final = (
    f'{{"TEXT":"{CANARY}","NUMBER_AS_TEXT":"1.10","INTEGER":42,"NEGATIVE":-7,"YES":true,"NO":false,"NOTHING":null,'
    f'"EMPTY":"","NESTED":{{"LIST":[1,"{CANARY}",true,null,[],{{}}],"OBJECT":{{"a.b":{{"":"{CANARY}"}}}}}}}}'
)
NUMBERS: Final = '{"FRACTION":1.10,"EXPONENT":1e5,"LARGE":12345678901234567890,"LONG":0.100000000000000005,"ZERO":-0.0}'
TWICE: Final = f'{{"A":{{"B":"{CANARY}-1","B":"{CANARY}-2"}}}}'
BYTES: Final = CANARY.encode() + b"\x00\xff\r\n"


class ProviderContract:
    """The behaviour that bridge relies on. `folder` is an empty folder for each test, and the context's base."""

    absent = "absent"
    """The path of a document that does not exist."""

    def provider(self, folder: Path) -> Provider:
        """Return the provider, configured for the test's store."""
        raise NotImplementedError

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        """Store a document with these string fields and return its path."""
        raise NotImplementedError

    def put_json(self, folder: Path, text: str) -> str:
        """Store the document that this JSON object describes and return its path; omit if there are only strings."""
        raise NotImplementedError

    def put_bytes(self, folder: Path, data: bytes) -> str:
        """Store a document that is one opaque value and return its path; omit if there are no such documents."""
        raise NotImplementedError

    numbers_keep_their_text = True
    """Whether the store keeps `1.10` unchanged; sops, for example, writes 1.1 when it encrypts."""

    keys_may_repeat = True
    """Whether the store can hold a JSON object with a duplicate key; if not, there is nothing to refuse."""

    def context(self, folder: Path) -> Context:
        """Return the context to open sessions with."""
        return Context(folder, dict(os.environ), time.monotonic() + 60)

    def read(self, folder: Path, path: str, revision: str | None = None) -> Document:
        """Read one document in a new session."""
        session = self.provider(folder).open(self.context(folder))
        try:
            return session.read(path, revision)
        finally:
            session.close()

    def test_provider_is_frozen_and_has_fields_and_a_concurrency(self, tmp_path: Path) -> None:
        """Its fields are its section in the environment's file, so they must be known and must not change."""
        provider = self.provider(tmp_path)
        assert isinstance(provider, Provider)
        assert provider_fields(type(provider)) is not None, "neither a dataclass nor a NamedTuple"
        with pytest.raises(AttributeError):  # a NamedTuple needs `__slots__ = ()` for that
            setattr(provider, "concurrency", 1)  # noqa: B010 - mypy knows that this is refused
        assert type(provider).concurrency >= 1

    def test_building_and_opening_do_no_io(self, tmp_path: Path) -> None:
        """`bridge check` builds every provider without a network, possibly in an empty folder."""
        nowhere = tmp_path / "nowhere"
        self.provider(tmp_path).open(Context(nowhere, {}, time.monotonic() + 60)).close()

    def test_fields_come_back_as_they_were_stored(self, tmp_path: Path) -> None:
        """Every field is returned, byte for byte."""
        content = self.read(tmp_path, self.put(tmp_path, VALUES)).content
        assert isinstance(content, tuple)
        leaves = {name: leaf for part in content for name, leaf in part.items() if isinstance(leaf, SecretValue)}
        assert {name: leaf.reveal().decode() for name, leaf in leaves.items()} == VALUES

    def test_leaves_keep_their_kinds(self, tmp_path: Path) -> None:
        """Strings, numbers, booleans and nulls keep their kinds at every level; for JSON, use `parse_json`."""
        content = self.read(tmp_path, _stored(self.put_json, tmp_path, LEAVES)).content
        assert isinstance(content, tuple)
        (fields,) = content
        assert {name: dump_json(child) for name, child in fields.items()} == _as_json(LEAVES)
        kinds = {name: leaf.kind for name, leaf in fields.items() if isinstance(leaf, SecretValue)}
        assert kinds["NUMBER_AS_TEXT"] is kinds["EMPTY"] is Kind.TEXT
        assert (kinds["INTEGER"], kinds["YES"], kinds["NOTHING"]) == (Kind.NUMBER, Kind.BOOLEAN, Kind.NULL)

    def test_numbers_keep_their_text(self, tmp_path: Path) -> None:
        """A version such as 1.10 is not 1.1, and a long number is not rounded."""
        path = _stored(self.put_json, tmp_path, NUMBERS)
        if not self.numbers_keep_their_text:
            pytest.skip("the store reformats numbers")
        content = self.read(tmp_path, path).content
        assert isinstance(content, tuple)
        assert {name: dump_json(child) for name, child in content[0].items()} == _as_json(NUMBERS)

    def test_duplicate_key_is_refused(self, tmp_path: Path) -> None:
        """It is unclear which value counts; the error shows neither."""
        if not self.keys_may_repeat:
            pytest.skip("the store cannot hold duplicate keys")
        path = _stored(self.put_json, tmp_path, TWICE)
        with pytest.raises(ProviderError) as caught:
            self.read(tmp_path, path)
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_opaque_document_is_unchanged(self, tmp_path: Path) -> None:
        """Bytes that are not text are allowed, and line endings stay unchanged."""
        content = self.read(tmp_path, _stored(self.put_bytes, tmp_path, BYTES)).content
        assert isinstance(content, SecretValue)
        assert content.reveal() == BYTES

    def test_a_document_has_a_revision(self, tmp_path: Path) -> None:
        """An unchanged document always has the same revision."""
        path = self.put(tmp_path, VALUES)
        first, second = self.read(tmp_path, path).revision, self.read(tmp_path, path).revision
        assert first.id
        assert first == second

    def test_time_of_a_document_has_an_offset(self, tmp_path: Path) -> None:
        """A store that knows when it got a revision says so in RFC 3339; a time without an offset means any hour."""
        session = self.provider(tmp_path).open(self.context(tmp_path)._replace(dated=True))
        try:
            moment = session.read(self.put(tmp_path, VALUES)).time
        finally:
            session.close()
        assert not moment or datetime.fromisoformat(moment).tzinfo is not None

    def test_provider_that_asks_what_was_read_declares_it(self, tmp_path: Path) -> None:
        """`Context.known` tells nothing to a provider without `wants_known`."""
        asked: list[str] = []
        path, provider = self.put(tmp_path, VALUES), self.provider(tmp_path)

        def known() -> frozenset[str]:
            asked.append(path)
            return frozenset()

        session = provider.open(self.context(tmp_path)._replace(known=known))
        try:
            session.read(path)
        finally:
            session.close()
        if isinstance(provider, ReadGuard):
            assert isinstance(type(provider).wants_known, bool)
        assert not asked or (isinstance(provider, ReadGuard) and provider.wants_known)

    def test_values_are_hidden_wherever_a_document_is_printed(self, tmp_path: Path) -> None:
        """The repr of a read's result never shows a value."""
        document = self.read(tmp_path, self.put(tmp_path, VALUES))
        assert CANARY not in repr(document)
        assert CANARY not in str(document.content)

    def test_missing_document_is_not_found(self, tmp_path: Path) -> None:
        """A missing document has its own error: it is neither empty nor unavailable."""
        self.put(tmp_path, VALUES)
        with pytest.raises(NotFound) as caught:
            self.read(tmp_path, self.absent)
        assert caught.value.problems[0].what

    def test_an_unknown_revision_is_an_error(self, tmp_path: Path) -> None:
        """If a revision does not exist, another revision must not be returned instead."""
        path = self.put(tmp_path, VALUES)
        with pytest.raises(ProviderError):
            self.read(tmp_path, path, "no-such-revision")

    def test_no_error_shows_a_value(self, tmp_path: Path) -> None:
        """Neither the message nor a chained exception shows a value."""
        path = self.put(tmp_path, VALUES)
        for wrong in ((self.absent, None), (path, "no-such-revision")):
            with pytest.raises(ProviderError) as caught:
                self.read(tmp_path, *wrong)
            assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_session_reads_from_concurrent_threads(self, tmp_path: Path) -> None:
        """Every thread of a session gets the whole document."""
        path = self.put(tmp_path, VALUES)
        provider = self.provider(tmp_path)
        session = provider.open(self.context(tmp_path))
        documents: list[Document] = []
        threads = [
            threading.Thread(target=lambda: documents.append(session.read(path)))
            for _ in range(type(provider).concurrency)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        session.close()
        assert len(documents) == len(threads)
        assert all(isinstance(one.content, tuple) and one.content[0].keys() == VALUES.keys() for one in documents)

    def test_a_session_can_be_closed_after_a_failure(self, tmp_path: Path) -> None:
        """`close` is always called, even after a failure."""
        session = self.provider(tmp_path).open(self.context(tmp_path))
        with pytest.raises(ProviderError):
            session.read(self.absent)
        session.close()


Content = TypeVar("Content", str, bytes)


def _stored(put: Callable[[Path, Content], str], folder: Path, content: Content) -> str:
    try:
        return put(folder, content)
    except NotImplementedError:
        pytest.skip("the store has no such documents")


def _as_json(text: str) -> dict[str, str]:
    """Return each child of an object as compact JSON."""
    parsed = parse_json(text.encode())
    assert isinstance(parsed, Mapping)
    return {name: dump_json(child) for name, child in parsed.items()}
