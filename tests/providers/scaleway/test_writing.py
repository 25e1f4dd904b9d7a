"""Adding revisions: against the expected one, read back, nothing of the older ones lost."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bridge.provider import (
    Conflict,
    Denied,
    Document,
    Kind,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
    Writer,
)
from bridge.sources.select import pick
from bridge_providers.scaleway import Scaleway
from tests.providers.scaleway.reader import PATH, VALUES, Failure, Reader, context, fields, whole
from tests.servers.scaleway import ACCESS, PROJECT, READ, WRITE, Canned, Grant, Request, SecretManager

IGNORED = Revision("ignored")


def tree(values: Mapping[str, str]) -> Document:
    return Document(({name: SecretValue.of(text) for name, text in values.items()},), IGNORED)


def one(content: bytes, kind: Kind = Kind.BYTES) -> Document:
    return Document(SecretValue(content, kind), IGNORED)


def written(reader: Reader, document: Document, expect: Revision | None = None, path: str = PATH) -> Revision:
    session = Scaleway().open(context(reader.base, reader.environ))
    try:
        return session.write(path, document, expect=expect)
    finally:
        session.close()


def failure(reader: Reader, *arguments: Any) -> Failure:
    try:
        written(reader, *arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return Failure(error, reader.manager.key)
    raise AssertionError("it was written")


def revisions(manager: SecretManager, path: str = PATH) -> list[Any]:
    folder, _, name = path.rpartition("/")
    secret = manager.store.named("fr-par", PROJECT, folder or "/", name)
    return [secret.versions[number - 1]["status"] for number in secret.contents] if secret else []


def test_session_is_writer(reader: Reader) -> None:
    assert isinstance(Scaleway().open(context(reader.base, reader.environ)), Writer)


def test_new_secret_then_next_revision(manager: SecretManager, reader: Reader) -> None:
    first = written(reader, tree(VALUES))
    second = written(reader, tree({"A": 'CANARY é \U0001f511 " \\ \n'}), first)
    assert (first.order, second.order) == (1, 2)
    read = reader.read()
    assert (fields(read), read.revision) == ({"A": 'CANARY é \U0001f511 " \\ \n'}, second)
    assert fields(reader.read(revision="1")) == VALUES
    assert revisions(manager) == ["enabled", "enabled"]


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (tree(VALUES), "key_value"),
        (Document(({"N": SecretValue(b"1", Kind.NUMBER)},), IGNORED), "opaque"),
        (one(b"\x00\xffCANARY"), "opaque"),
    ],
)
def test_new_secret_has_type_of_its_content(
    manager: SecretManager, reader: Reader, document: Document, kind: str
) -> None:
    written(reader, document)
    meta = manager.store.named("fr-par", PROJECT, "/voice/staging", "app").meta
    assert (meta["type"], meta["path"], meta["name"]) == (kind, "/voice/staging", "app")


def test_numbers_keep_their_text_after_round_trip(reader: Reader) -> None:
    leaf = {
        "i": SecretValue(b"12345678901234567890123", Kind.NUMBER),
        "f": [SecretValue(b"1.10", Kind.NUMBER), {"t": SecretValue(b"true", Kind.BOOLEAN)}],
        "n": SecretValue(b"", Kind.NULL),
        "s": SecretValue.of("CANARY"),
    }
    written(reader, Document((leaf,), IGNORED))
    assert fields(reader.read()) == {
        "i": ("number", "12345678901234567890123"),
        "f": [("number", "1.10"), {"t": ("boolean", "true")}],
        "n": ("null", ""),
        "s": "CANARY",
    }


def test_object_with_its_text_is_written_byte_for_byte(manager: SecretManager, reader: Reader) -> None:
    text = b'{ "a" : "CANARY",\n"b":1.0 }'
    manager.put(PATH, text)
    earlier = reader.read()
    second = written(reader, tree(VALUES), earlier.revision)
    third = written(reader, earlier, second)
    assert pick(reader.read(revision=str(third.order)), None).reveal() == text
    written(reader, earlier, None, "/voice/staging/new")
    assert pick(reader.read("/voice/staging/new"), None).reveal() == text


def test_one_value_comes_back_byte_for_byte(reader: Reader) -> None:
    written(reader, one(b"\x00\xffCANARY"))
    assert whole(reader.read()) == b"\x00\xffCANARY"


def test_secret_by_id_gets_revision_but_is_never_created(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    assert written(reader, tree(VALUES), reader.read().revision, f"id:{id_}").order == 2
    absent = "id:99999999-0000-4000-8000-000000000000"
    told = failure(reader, tree(VALUES), None, absent)
    assert (told.kind, told.what) == (Conflict, "a new secret cannot have an ID yet")


def test_another_revision_than_expected_one_is_conflict(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    first = reader.read().revision
    manager.put(PATH, {"A": "CANARY-theirs"})
    for expect in (first, None, Revision("3/00000000", 3), Revision("1", 1)):
        told = failure(reader, tree(VALUES), expect)
        assert (told.kind, told.what) == (Conflict, "another client changed it in the meantime")
    assert len(revisions(manager)) == 2


def test_secret_that_no_longer_exists_is_conflict(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    first = reader.read().revision
    manager.store.delete(manager.store.secrets[id_])
    told = failure(reader, tree(VALUES), first)
    assert (told.kind, told.what) == (Conflict, "it no longer exists")
    assert written(reader, tree(VALUES)).order == 1


def test_expected_revision_is_newest_that_read_gives(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES, VALUES)
    manager.store.secrets[id_].versions[1]["status"] = "disabled"
    first = reader.read().revision
    assert first.order == 1
    assert written(reader, tree(VALUES), first).order == 3
    assert revisions(manager) == ["enabled", "disabled", "enabled"]


def test_secret_without_revision_counts_as_missing(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH)
    assert written(reader, tree(VALUES)).order == 1


def test_write_of_someone_else_in_between_is_reported(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    first = reader.read().revision

    def meanwhile(request: Request) -> None:
        if request.method == "POST":
            manager.put(PATH, {"A": "CANARY-theirs"})

    manager.before = meanwhile
    told = failure(reader, tree({"A": "CANARY-ours"}), first)
    assert (told.kind, told.what) == (
        ProviderError,
        "revision 3 was written, but another client wrote revision 2 at the same time",
    )
    assert revisions(manager) == ["enabled"] * 3


def test_concurrent_creation_of_secret_succeeds_once(manager: SecretManager, reader: Reader) -> None:
    def meanwhile(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/secrets"):
            manager.put(PATH, {"A": "CANARY-theirs"})

    manager.before = meanwhile
    told = failure(reader, tree(VALUES))
    assert told.kind is Conflict
    assert told.what.startswith("another client has just created it (status 409")
    assert revisions(manager) == ["enabled"]


def posting(manager: SecretManager, *canned: Canned | None) -> None:
    """Let requests through until the first POST of a version, which gets the first of these answers."""
    waiting = list(canned)

    def before(request: Request) -> None:
        if waiting and (manager.faults or request.path.endswith("/versions")) and request.method == "POST":
            manager.faults[:] = [*waiting]
            waiting.clear()

    manager.before = before


def test_new_secret_may_appear_late(manager: SecretManager, reader: Reader) -> None:
    absent = Canned(404, {"type": "not_found", "resource": "secret"})
    posting(manager, absent, None, absent)
    assert written(reader, tree(VALUES)).order == 1
    assert revisions(manager) == ["enabled"]


@pytest.mark.parametrize("canned", [Canned(503, b"CANARY"), Canned(200, b'{"revision": 1}', cut=3)])
def test_answer_that_is_lost_before_write_is_unavailable(
    manager: SecretManager, reader: Reader, canned: Canned
) -> None:
    manager.put(PATH, VALUES)
    first = reader.read().revision
    posting(manager, canned)
    assert failure(reader, tree({"A": "CANARY"}), first).kind is Unavailable
    assert revisions(manager) == ["enabled"]
    assert written(reader, tree({"A": "CANARY"}), first).order == 2


def test_write_with_lost_answer_is_detected(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    first = reader.read().revision
    content = {"A": "CANARY-ours"}

    def written_and_lost(request: Request) -> None:
        if request.method == "POST":
            manager.put(PATH, json.dumps(content, separators=(",", ":")).encode())
            manager.faults.append(Canned(504))

    manager.before = written_and_lost
    assert written(reader, tree(content), first) == Revision(f"2/{id_[:8]}", 2, id_)


def test_lost_answer_during_concurrent_write_is_not_guessed(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    first = reader.read().revision

    def theirs(request: Request) -> None:
        if request.method == "POST":
            manager.put(PATH, {"A": "CANARY-theirs"})
            manager.faults.append(Canned(504))

    manager.before = theirs
    told = failure(reader, tree({"A": "CANARY-ours"}), first)
    assert told.kind is ProviderError
    assert told.what.startswith("revision 2 may or may not have been written: API error (status 504")


def test_different_read_back_is_reported(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    first = reader.read().revision

    def tampered(request: Request) -> None:
        if request.path.endswith("/versions/2/access"):
            secret = manager.store.named("fr-par", PROJECT, "/voice/staging", "app")
            secret.contents[2] = secret.contents[1]

    manager.before = tampered
    told = failure(reader, tree({"A": "CANARY"}), first)
    assert (told.kind, told.what) == (ProviderError, "revision 2 was written, but reads back differently")


def test_key_that_may_not_read_cannot_prove_its_write(manager: SecretManager, reader: Reader) -> None:
    manager.grants[manager.key] = Grant({READ, WRITE})
    told = failure(reader, tree(VALUES))
    assert told.kind is ProviderError
    assert told.what.startswith(
        "revision 1 was written, but cannot be read back: the secret key from SCW_SECRET_KEY lacks"
    )


def test_key_that_may_not_write(manager: SecretManager, reader: Reader) -> None:
    manager.grants[manager.key] = Grant({READ, ACCESS})
    told = failure(reader, tree(VALUES))
    assert told.kind is Denied
    assert told.hint.startswith("grant the permission set SecretManagerSecretCreate")
    manager.put(PATH, VALUES)
    assert failure(reader, tree(VALUES), reader.read().revision).kind is Denied


def test_nothing_is_written_to_secret_that_expires(manager: SecretManager, reader: Reader) -> None:
    policy = {"time_to_live": None, "expires_once_accessed": True, "action": "delete"}
    manager.put(PATH, VALUES, ephemeral_policy=policy)
    told = failure(reader, tree(VALUES))
    assert (told.kind, told.what) == (ProviderError, "it is ephemeral: the new value would expire")
    assert revisions(manager) == ["enabled"]


@pytest.mark.parametrize(
    ("kind", "document", "what"),
    [
        ("key_value", one(b"CANARY"), "its type is key_value, which allows only strings"),
        (
            "key_value",
            Document(({"A": SecretValue(b"1", Kind.NUMBER)},), IGNORED),
            "its type is key_value, which allows only strings",
        ),
        ("certificate", tree({"A": "CANARY"}), "its type is certificate, which has no fields"),
    ],
)
def test_document_that_does_not_fit_secret_type_is_refused(
    manager: SecretManager, reader: Reader, kind: str, document: Document, what: str
) -> None:
    manager.put(PATH, {"A": "a"}, type=kind)
    told = failure(reader, document, reader.read().revision)
    assert (told.kind, told.what) == (ProviderError, what)
    assert revisions(manager) == ["enabled"]


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (Document(({}, {}), IGNORED), "a secret holds only one document"),
        (one(b"x" * 65537), "the document is larger than 64 KiB"),
        (tree({"A": "x" * 65536}), "the document is larger than 64 KiB"),
        (
            Document(({"A": SecretValue(b"\xffCANARY", Kind.BYTES)},), IGNORED),
            "contains bytes that are not text, so it cannot be written as JSON",
        ),
    ],
)
def test_document_with_unsupported_shape_is_refused(
    manager: SecretManager, reader: Reader, document: Document, what: str
) -> None:
    told = failure(reader, document)
    assert (told.kind, told.what) == (ProviderError, what)
    assert [one.method for one in manager.requests] == []


def test_quota_of_revisions_is_reported_and_nothing_is_pruned(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, *[VALUES] * 20)
    told = failure(reader, tree(VALUES), reader.read().revision)
    assert told.kind is ProviderError
    assert told.what.startswith("quota exceeded (status 403")
    assert told.hint == "delete old ones: a secret may have 20 revisions, an organization 100 or 250 secrets"
    assert revisions(manager) == ["enabled"] * 20


def test_invalid_path_is_refused(reader: Reader) -> None:
    assert failure(reader, tree(VALUES), None, "voice/app").kind is ProviderError


def test_write_does_not_ask_cluster_what_is_known(reader: Reader) -> None:
    def unreachable() -> frozenset[str]:
        raise Unavailable("the cluster does not answer")

    session = Scaleway().open(context(reader.base, reader.environ)._replace(known=unreachable))
    assert session.write(PATH, one(b"CANARY"), expect=None).order == 1
    session.close()
