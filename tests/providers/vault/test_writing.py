"""Writing whole documents with check-and-set."""

import json
from collections.abc import Mapping

import pytest

from bridge.provider import Conflict, Denied, Document, Kind, ProviderError, Revision, SecretValue, Writer
from bridge_providers.vault.session import VaultSession
from tests.providers.vault.sessions import Desk, told, tree
from tests.providers.vault.wire import Answer, Wire, document, errors
from tests.servers.vault import DevVault


def written(session: VaultSession, path: str, values: Mapping[str, str], expect: Revision | None = None) -> Revision:
    return session.write(path, Document((tree(values),), Revision("ignored")), expect=expect)


def test_session_is_writer(desk: Desk) -> None:
    with desk.session() as session:
        assert isinstance(session, Writer)


def test_new_document_then_next_version(desk: Desk) -> None:
    with desk.session() as session:
        first = written(session, "app", {"A": "CANARY-1", "B": "é<&>"})
        second = written(session, "app", {"A": "CANARY-2"}, first)
        assert session.read("app").revision == second
    assert (first.id, second.id) == ("1", "2")
    assert desk.texts("app") == {"A": "CANARY-2"}
    assert desk.texts("app", "1") == {"A": "CANARY-1", "B": "é<&>"}


def test_concurrent_change_is_conflict(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    with desk.session() as session:
        first = written(session, "app", {"A": "CANARY"})
        dev_vault.put("app", {"A": "theirs"}, mount)
        assert (
            told(Conflict, lambda: written(session, "app", {"A": "CANARY"}, first))
            == "another client changed it in the meantime"
        )
        assert (
            told(Conflict, lambda: written(session, "app", {"A": "CANARY"}))
            == "another client changed it in the meantime"
        )
    assert desk.texts("app") == {"A": "theirs"}


@pytest.mark.parametrize("gone", ["delete", "destroy"])
def test_document_with_deleted_latest_version_can_be_written(
    desk: Desk, dev_vault: DevVault, mount: str, gone: str
) -> None:
    dev_vault.put("app", {"A": "old"}, mount)
    dev_vault.do("POST", f"{mount}/{gone}/app", {"versions": [1]})
    with desk.session() as session:
        assert written(session, "app", {"A": "CANARY"}).id == "2"


def test_numbers_keep_their_text_or_are_refused(desk: Desk, relay: Wire) -> None:
    def number(text: str) -> Document:
        return Document(({"N": [SecretValue(text.encode(), Kind.NUMBER)]},), Revision("x"))

    with desk.session() as session:
        session.write("app", number("1.5"), expect=None)
        relay.requests.clear()
        for text in ("12345678901234567890", "1.10", "1e5"):
            message = "field N: KV version 2 would change how this number is written"
            assert told(ProviderError, lambda text=text: session.write("b", number(text), expect=None)) == message
        assert relay.requests == []
    assert desk.values("app") == {"N": [("number", b"1.5")]}


def test_bytes_that_are_no_text_are_refused(desk: Desk) -> None:
    content = Document(({"B": SecretValue(b"CANARY\xff", Kind.BYTES)},), Revision("x"))
    with desk.session() as session:
        message = told(ProviderError, lambda: session.write("app", content, expect=None))
    assert message == "contains bytes that are not text, so it cannot be written as JSON"


def test_version_1_is_not_written(desk: Desk, mount_1: str) -> None:
    with desk.session(mount=mount_1) as session:
        message = told(ProviderError, lambda: written(session, "app", {"A": "CANARY"}))
    assert message == "cannot write to a KV engine of version 1: it has no check-and-set"


def test_different_read_back_is_reported(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda request: (
        document({"A": "CANARY-other"}, 4)
        if request.method == "GET"
        else Answer(body={"data": {"version": 4, "created_time": "2026-11-23T10:00:00Z"}})
    )
    with fake_desk.session() as session:
        message = told(ProviderError, lambda: written(session, "app", {"A": "CANARY"}))
    assert message == "version 4 was written, but reads back differently"


def test_refused_write_says_who_was_refused(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: errors(403, "1 error occurred:\n\t* permission denied\n\n")
    with fake_desk.session() as session:
        message = told(Denied, lambda: written(session, "app", {"A": "CANARY"}))
    assert message == f"{fake.address}: writing secret/data/app as token failed: permission denied"


def test_several_documents_at_once_are_not_written(desk: Desk, relay: Wire) -> None:
    with desk.session(kv_version=2) as session:
        content = Document((tree({"A": "CANARY"}), tree({"B": "CANARY"})), Revision("x"))
        message = told(ProviderError, lambda: session.write("app", content, expect=None))
    assert message == "the document to write must be a single mapping"
    assert relay.requests == []


def test_list_that_lost_item_reads_differently(fake: Wire, fake_desk: Desk) -> None:
    made = Answer(body={"data": {"version": 4, "created_time": "2026-11-23T10:00:00Z"}})
    wanted = Document(({"A": [SecretValue.of("CANARY"), SecretValue.of("x")]},), Revision("x"))
    for found in ({"A": ["CANARY"]}, {"A": {"0": "CANARY"}}, {"A": "CANARY"}, {"A": ["CANARY", "x"], "B": ""}):
        fake.answer = lambda request, found=found: document(found, 4) if request.method == "GET" else made
        with fake_desk.session() as session:
            message = told(ProviderError, lambda session=session: session.write("app", wanted, expect=None))
        assert message == "version 4 was written, but reads back differently"


# Rehearsals


def rehearsed(session: VaultSession, values: Mapping[str, str], expect: Revision | None = None) -> None:
    session.rehearse("app", Document((tree(values),), Revision("ignored")), expect=expect)


@pytest.mark.parametrize("capabilities", [["read"], ["create"], ["update"], ["create", "update"]])
def test_rehearsal_is_refused_as_write_would_be(
    desk: Desk, dev_vault: DevVault, mount: str, capabilities: list[str]
) -> None:
    dev_vault.policy(f"{mount}-rehearsed", f'path "{mount}/data/app" {{ capabilities = {json.dumps(capabilities)} }}')
    desk.environ["VAULT_TOKEN"] = dev_vault.token(f"{mount}-rehearsed")
    for expect, needed in ((None, "create"), (Revision("1"), "update")):
        with desk.session() as session:
            if needed in capabilities:
                rehearsed(session, {"A": "CANARY"}, expect)
            else:
                message = told(Denied, lambda session=session, expect=expect: rehearsed(session, {"A": "x"}, expect))
                assert message == f"{desk.address}: writing {mount}/data/app as token failed: permission denied"
    assert dev_vault.request("GET", f"{mount}/data/app").status == 404


def test_rehearsal_skips_capabilities_that_it_may_not_query(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.policy(f"{mount}-mute", f'path "{mount}/data/app" {{ capabilities = ["create"] }}')
    desk.environ["VAULT_TOKEN"] = dev_vault.token(f"{mount}-mute", no_default_policy=True)
    with desk.session() as session:
        rehearsed(session, {"A": "CANARY"})
    with desk.session(kv_version=1, mount=mount) as session:
        assert "cannot write to" in told(ProviderError, lambda: rehearsed(session, {"A": "CANARY"}))


def test_rehearsal_sends_no_value(desk: Desk, relay: Wire) -> None:
    with desk.session() as session:
        rehearsed(session, {"A": "CANARY"})
    assert relay.requests
    assert not any(b"CANARY" in request.body for request in relay.requests)
