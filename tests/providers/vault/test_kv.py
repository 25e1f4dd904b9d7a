"""Documents of both engine versions on the real Vault: what is read, and what missing means."""

from pathlib import Path

import pytest

from bridge.provider import Kind, NotFound, ProviderError, Revision, Unavailable
from bridge.sources.select import decoded, pick
from bridge_providers.vault.kv import nanoseconds
from tests.providers.vault.sessions import Desk
from tests.providers.vault.wire import Wire, document
from tests.servers.vault import DevVault

EXACT = b'{"big":12345678901234567890,"price":1.10,"power":1e5,"zero":-0.0,"yes":true,"none":null,"text":"CANARY<>&"}'


def test_version_2_gives_fields_and_version(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {"A": "CANARY-a", "B": ""}, mount)
    document = desk.read("app")
    assert desk.texts("app") == {"A": "CANARY-a", "B": ""}
    assert document.revision.id == "1"
    assert document.warnings == ()


def test_version_1_gives_every_numbers_text_as_it_was_written(desk: Desk, dev_vault: DevVault, mount_1: str) -> None:
    dev_vault.do("POST", f"{mount_1}/app", EXACT)
    assert desk.values("app", mount=mount_1) == {
        "big": ("number", b"12345678901234567890"),
        "price": ("number", b"1.10"),
        "power": ("number", b"1e5"),
        "zero": ("number", b"-0.0"),
        "yes": ("boolean", b"true"),
        "none": ("null", b""),
        "text": ("text", b"CANARY<>&"),
    }
    assert desk.read("app", mount=mount_1).revision == Revision("unversioned")


SECOND = 10**9


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T23:59:59.5Z", 86_399 * SECOND + 500_000_000),
        ("1970-01-02T00:00:00Z", 86_400 * SECOND),
        ("1970-01-01T00:00:00.123456789+01:00", -3_600 * SECOND + 123_456_789),
        ("2026-11-23T10:00:00Z", 1_795_428_000 * SECOND),
        ("2026-11-23T10:00:00", None),
        ("2026-11-23 10:00:00Z", None),
        ("2026-11-23T10:00:00.1234567890Z", None),
    ],
)
def test_time_of_version_counts_from_1970_with_all_digits(moment: str, expected: int | None) -> None:
    assert nanoseconds(moment) == expected


def test_versions_are_ordered_over_midnight_and_within_a_second(fake: Wire, fake_desk: Desk) -> None:
    """Their numbers say nothing: a document that was removed and written again starts with 1."""
    moments = ["2026-11-23T23:59:59.9Z", "2026-11-23T23:59:59.95Z", "2026-11-24T00:00:00.05Z", "2026-11-24T00:00:00.1Z"]
    orders = []
    for moment in moments:
        answer = document({"A": "CANARY"})
        answer.body["data"]["metadata"]["created_time"] = moment
        fake.answer = lambda _, answer=answer: answer
        orders.append(fake_desk.read("app").revision.order)
    assert None not in orders
    assert orders == sorted(set(orders))


def test_version_2_itself_rounds_numbers_and_bridge_says_so(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", b'{"data":{"big":12345678901234567890,"in":{"e":[1e5]},"ok":123456789012345}}', mount)
    assert desk.values("app") == {
        "big": ("number", b"12345678901234567000"),
        "in": {"e": [("number", b"100000")]},
        "ok": ("number", b"123456789012345"),
    }
    (warning,) = desk.read("app").warnings
    assert warning.warning
    assert str(warning) == ("field big: the number has more digits than KV version 2 keeps and may be rounded")


def test_fields_are_picked_whole_nested_and_literal(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {"a.b": "literal", "a": {"b": "nested", "c": [1, "x<&>"]}, "bin": "AAH/"}, mount)
    document = desk.read("app")
    found = {field: pick(document, field).reveal() for field in ("a.b", "a.c", "a")}
    assert found == {"a.b": b"literal", "a.c": b'[1,"x<&>"]', "a": b'{"b":"nested","c":[1,"x<&>"]}'}
    assert decoded(pick(document, "bin")).reveal() == b"\0\x01\xff"
    assert pick(document, None).kind is Kind.TEXT


def test_revision_is_version_and_order_is_time(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    for text in ("first", "second"):
        dev_vault.put("app", {"A": text}, mount)
    assert desk.texts("app", "1") == {"A": "first"}
    assert desk.texts("app") == {"A": "second"}
    first, second = desk.read("app", "1").revision, desk.read("app").revision
    assert (first.id, second.id) == ("1", "2")
    assert first.order < second.order


def test_recreated_document_is_newer_than_old_one(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    for text in ("a", "b", "c"):
        dev_vault.put("app", {"A": text}, mount)
    before = desk.read("app").revision
    dev_vault.do("DELETE", f"{mount}/metadata/app")
    dev_vault.put("app", {"A": "again"}, mount)
    after = desk.read("app").revision
    assert (before.id, after.id) == ("3", "1")
    assert after.order > before.order


def test_empty_document_exists_without_fields(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {}, mount)
    assert desk.values("app") == {}


def test_missing_object_is_not_found(desk: Desk, dev_vault: DevVault, mount: str, mount_1: str) -> None:
    dev_vault.put("app", {"A": "CANARY"}, mount)
    assert desk.refusal(NotFound, "absent") == "the document does not exist"
    assert desk.refusal(NotFound, "app", "7") == "the document or its version 7 does not exist"
    assert desk.refusal(NotFound, "absent", mount=mount_1) == "the document does not exist"


def test_soft_deleted_version_is_missing_and_not_empty(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {"A": "CANARY"}, mount)
    dev_vault.put("app", {"A": "CANARY"}, mount)
    dev_vault.do("DELETE", f"{mount}/data/app")
    for revision in (None, "2"):
        assert desk.refusal(NotFound, "app", revision).startswith("version 2 was deleted at 20")
    assert desk.texts("app", "1") == {"A": "CANARY"}


def test_destroyed_version_is_missing(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {"A": "CANARY"}, mount)
    dev_vault.do("PUT", f"{mount}/destroy/app", {"versions": [1]})
    assert desk.refusal(NotFound) == "version 1 is destroyed"


def test_version_scheduled_for_deletion_still_exists(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.do("POST", f"{mount}/metadata/app", {"delete_version_after": "3h"})
    dev_vault.put("app", {"A": "CANARY"}, mount)
    assert desk.texts("app") == {"A": "CANARY"}


@pytest.mark.parametrize("revision", ["0", "-1", "latest", "1.0", "01", " 1", "9" * 19, "\u0661"])
def test_revision_that_is_no_version_is_refused_before_any_request(desk: Desk, relay: Wire, revision: str) -> None:
    assert desk.refusal(ProviderError, "app", revision) == "the revision is not a version number"
    assert relay.requests == []


def test_version_1_has_no_revisions(desk: Desk, mount_1: str) -> None:
    message = "a KV engine of version 1 keeps no revisions"
    assert desk.refusal(ProviderError, "app", "1", mount=mount_1) == message


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../../sys/health", "the path must not contain . or .. as a part"),
        ("a/../b", "the path must not contain . or .. as a part"),
        ("a/./b", "the path must not contain . or .. as a part"),
        ("/a", "the path has an empty part (a leading, trailing or double slash)"),
        ("a//b", "the path has an empty part (a leading, trailing or double slash)"),
        ("a/", "the path has an empty part (a leading, trailing or double slash)"),
        ("a\nb", "the path contains a control character"),
    ],
)
def test_path_traversal_is_refused_before_any_request(
    desk: Desk, relay: Wire, tmp_path: Path, path: str, problem: str
) -> None:
    assert desk.refusal(ProviderError, path) == problem
    assert relay.requests == []


@pytest.mark.parametrize("name", ["a b", "a?b", "a%2e%2e", "é", "a&b=c", "x+y", "...", "data/app", "a/data/b"])
def test_other_paths_are_not_changed(desk: Desk, dev_vault: DevVault, mount: str, name: str) -> None:
    with desk.session() as session:
        from tests.providers.vault.test_writing import written  # noqa: PLC0415 - the writer quotes by itself

        written(session, name, {"A": name})
    assert desk.texts(name) == {"A": name}
    listed = dev_vault.do("LIST", f"{mount}/metadata/")["data"]["keys"]
    assert listed == [name if "/" not in name else f"{name.partition('/')[0]}/"]


@pytest.mark.parametrize("version", [1, 2])
def test_mount_with_slashes_and_every_form_of_path(desk: Desk, dev_vault: DevVault, version: int) -> None:
    mount = f"deep-{version}/kv/x"
    dev_vault.mount(mount, version)
    infix = "data/" if version == 2 else ""
    body = {"A": "CANARY"}
    dev_vault.do("POST", f"{mount}/{infix}test", {"data": body} if version == 2 else body)
    forms = ["test", f"{mount}/test", *([f"{mount}/data/test"] if version == 2 else [])]
    for form in forms:
        assert desk.texts(form, mount=mount) == body
        assert desk.texts(form, mount=mount, kv_version=version) == body
    for form in forms[1:]:
        assert desk.texts(form, mount=None) == body
    assert desk.refusal(ProviderError, mount, mount=None) == "the path names only a mount"
    dev_vault.do("DELETE", f"sys/mounts/{mount}")


def test_mount_that_reaches_into_engine_is_understood(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("team/app", {"A": "CANARY"}, mount)
    assert desk.texts("app", mount=f"{mount}/team") == {"A": "CANARY"}
    assert desk.texts(f"{mount}/team/app", mount=f"{mount}/team") == {"A": "CANARY"}


def test_section_without_mount_needs_one_in_path(desk: Desk) -> None:
    assert desk.refusal(ProviderError, "app", mount=None) == "the path names only a mount"


def test_mount_that_is_missing_is_not_found(desk: Desk) -> None:
    assert desk.refusal(NotFound, mount="nowhere") == "no KV engine of this version is mounted at nowhere"


def test_wrong_version_in_section_is_reported(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {"A": "CANARY"}, mount)
    with desk.session(kv_version=1) as session, pytest.raises(NotFound) as caught:
        session.read("app")
    assert str(caught.value) == "the document does not exist"
    assert caught.value.problems[0].hint.startswith(f"set or remove kv_version: {mount} may be")


def test_each_path_is_one_request_and_engine_is_asked_once(
    desk: Desk, relay: Wire, dev_vault: DevVault, mount: str
) -> None:
    for name in "abc":
        dev_vault.put(name, {"A": name}, mount)
    with desk.session() as session:
        for name in "abc":
            session.read(name)
    assert relay.asked() == [f"GET sys/internal/ui/mounts/{mount}", *(f"GET {mount}/data/{name}" for name in "abc")]
    relay.requests.clear()
    with desk.session(kv_version=2) as session:
        session.read("a")
    assert relay.asked() == [f"GET {mount}/data/a"]


@pytest.mark.parametrize("kind", ["pki", "database", "transit"])
def test_engine_that_issues_credentials_is_refused_before_it_is_read(
    desk: Desk, dev_vault: DevVault, relay: Wire, mount: str, kind: str
) -> None:
    engine = f"{kind}-{mount}"
    dev_vault.do("POST", f"sys/mounts/{engine}", {"type": kind})
    message = f"{engine} is an engine of type {kind}"
    for options in ({"mount": engine}, {"mount": engine, "kv_version": 1}):
        assert desk.refusal(ProviderError, "creds/app", **options) == message
    assert desk.refusal(ProviderError, f"{engine}/creds/app", mount=None) == message
    assert {one.partition(" ")[2].rpartition("/mounts/")[0] for one in relay.asked()} == {"sys/internal/ui"}


def test_rate_limit_returns_retry_after(desk: Desk, dev_vault: DevVault, mount: str) -> None:
    dev_vault.put("app", {"A": "CANARY"}, mount)
    quota = {"rate": 0.01, "interval": "3s", "path": f"{mount}/"}
    dev_vault.do("POST", f"sys/quotas/rate-limit/{mount}", quota)
    dev_vault.do("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    with desk.session(kv_version=2) as session:
        session.read("app")
        with pytest.raises(Unavailable) as caught:
            session.read("app")
    dev_vault.do("DELETE", f"sys/quotas/rate-limit/{mount}")
    assert str(caught.value) == desk.reading("failed: rate limited (429)", f"{mount}/data/app")
    assert caught.value.retry_after is not None
    assert 0 <= caught.value.retry_after <= 3


def test_connections_are_used_again(desk: Desk, dev_vault: DevVault, relay: Wire, mount: str) -> None:
    dev_vault.put("app", {"A": "CANARY"}, mount)
    with desk.session() as session:
        for _ in range(5):
            session.read("app")
    assert len({one.peer for one in relay.requests}) == 1
