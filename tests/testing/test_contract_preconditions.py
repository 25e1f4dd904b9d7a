"""Versions, uids and dry-runs: asserted of the embedded cluster and of a real kube-apiserver."""

import threading
from typing import Any

import pytest

from tests.testing.subject import (
    STALE,
    Subject,
    config_map,
    conflicts,
    copy,
    plural,
    refusal,
    secret,
    values,
    version,
)

OTHER_UID = "7d8a0d15-7a1d-4b19-9f2f-000000000001"


@pytest.mark.parametrize("body", [secret(A="1"), secret(A="2"), secret(A="2") | {"type": "x/y"}])
@pytest.mark.parametrize("query", ["", "&dryRun=All", "&force=true"])
def test_stale_version_is_conflict_without_causes(subject: Subject, body: dict, query: str) -> None:
    before = subject.apply(secret(A="1"))
    stale = copy(body)
    stale["metadata"]["resourceVersion"] = "1"
    reply = subject.apply(stale, query=query)
    assert refusal(reply) == (409, "Conflict", f'Operation cannot be fulfilled on secrets "s": {STALE}')
    assert reply.body["details"] == {"name": "s", "kind": "secrets"}
    assert subject.get("s").body == before.body


def test_field_conflicts_come_before_stale_version(subject: Subject) -> None:
    subject.apply(secret(A="1"), "other")
    reply = subject.apply(secret(A="2", meta={"resourceVersion": "1"}))
    assert conflicts(reply) == [(".data.A", 'conflict with "other"')]


def test_stale_version_stops_updates_too(subject: Subject) -> None:
    subject.create(secret(A="1"))
    expected = (409, "Conflict", f'Operation cannot be fulfilled on secrets "s": {STALE}')
    assert refusal(subject.put(secret(A="2", meta={"resourceVersion": "1"}))) == expected
    assert refusal(subject.merge("s", {"metadata": {"resourceVersion": "1"}})) == expected
    operation = {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}
    assert refusal(subject.json_patch("s", [operation])) == expected


@pytest.mark.parametrize("asked", ["", "0"])
def test_empty_version_and_zero_ask_for_no_check(subject: Subject, asked: str) -> None:
    subject.apply(secret(A="1"))
    assert values(subject.apply(secret(A="2", meta={"resourceVersion": asked}))) == {"A": "2"}


def test_current_version_is_accepted(subject: Subject) -> None:
    read = version(subject.apply(secret(A="1")))
    assert values(subject.apply(secret(A="2", meta={"resourceVersion": read}))) == {"A": "2"}


def test_version_of_object_that_no_longer_exists_is_ignored(subject: Subject) -> None:
    read = version(subject.apply(secret(A="1")))
    subject.delete("s")
    reply = subject.apply(secret(A="2", meta={"resourceVersion": read}))
    assert (reply.status, values(reply)) == (201, {"A": "2"})


def test_uid_of_object_that_no_longer_exists_is_conflict(subject: Subject) -> None:
    uid = subject.apply(secret(A="1")).body["metadata"]["uid"]
    subject.delete("s")
    reply = subject.apply(secret(A="2", meta={"uid": uid}))
    why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
    assert refusal(reply) == (409, "Conflict", f'Operation cannot be fulfilled on secrets "s": {why}')
    assert subject.get("s").status == 404


@pytest.mark.parametrize("version_too", [False, True])
@pytest.mark.parametrize("query", ["", "&dryRun=All", "&force=true"])
def test_uid_and_version_of_object_that_no_longer_exists_create_nothing(
    subject: Subject, query: str, version_too: bool
) -> None:
    meta = subject.apply(secret(A="1")).body["metadata"]
    subject.delete("s")
    named = {"uid": meta["uid"]} | ({"resourceVersion": meta["resourceVersion"]} if version_too else {})
    assert refusal(subject.apply(secret(A="2", meta=named), query=query))[:2] == (409, "Conflict")
    assert subject.get("s").status == 404


@pytest.mark.parametrize("query", ["", "&dryRun=All", "&force=true"])
def test_uid_and_version_of_object_that_was_recreated_are_conflict(subject: Subject, query: str) -> None:
    meta = subject.apply(secret(A="1")).body["metadata"]
    subject.delete("s")
    after = subject.apply(secret(A="1"))
    named = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    assert refusal(subject.apply(secret(A="2", meta=named), query=query))[:2] == (409, "Conflict")
    assert subject.get("s").body == after.body


@pytest.mark.parametrize("body", [secret(A="1"), config_map(A="1")])
@pytest.mark.parametrize("query", ["", "&force=true"])
def test_version_one_creates_what_does_not_exist_and_nothing_else(subject: Subject, body: dict, query: str) -> None:
    new = copy(body)
    new["metadata"]["resourceVersion"] = "1"
    dry = subject.apply(new, query=f"{query}&dryRun=All")
    assert dry.status == 201
    created = subject.apply(new, query=query)
    assert (created.status, created.body["data"]) == (201, body["data"])
    for options in (query, f"{query}&dryRun=All"):
        reply = subject.apply(new, query=options)
        assert refusal(reply)[:2] == (409, "Conflict")
        assert "causes" not in reply.body["details"]
    assert subject.get(body["metadata"]["name"], plural(body)).body == created.body


def test_exactly_one_concurrent_create_succeeds(subject: Subject) -> None:
    for turn in range(5):
        name, start = f"race-{turn}", threading.Barrier(12)
        replies: list[Any] = []

        def create(number: int, name: str = name, start: threading.Barrier = start) -> None:
            body = config_map(name, meta={"resourceVersion": "1"}, WRITER=str(number))
            start.wait(60)
            replies.append(subject.apply(body, query="&force=true"))  # noqa: B023 - joined before the next turn

        threads = [threading.Thread(target=create, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(reply.status for reply in replies) == [201] + [409] * 11
        (winner,) = (reply for reply in replies if reply.status == 201)
        assert subject.get(name, "configmaps").body == winner.body


def test_json_patch_tests_uid_before_it_changes_anything(subject: Subject) -> None:
    before = subject.apply(secret(A="1"))
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": OTHER_UID},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version(before)},
        {"op": "replace", "path": "/data/A", "value": "Mg=="},
    ]
    reply = subject.json_patch("s", operations)
    assert refusal(reply)[:2] == (422, "Invalid")
    assert "causes" not in (reply.body.get("details") or {})
    assert subject.get("s").body == before.body
    operations[0]["value"] = before.body["metadata"]["uid"]
    assert values(subject.json_patch("s", operations)) == {"A": "2"}


def test_other_uid_is_invalid(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    reply = subject.apply(secret(A="2", meta={"uid": OTHER_UID}))
    message = f'Secret "s" is invalid: metadata.uid: Invalid value: "{OTHER_UID}": field is immutable'
    assert refusal(reply) == (422, "Invalid", message)


def test_delete_with_preconditions(subject: Subject) -> None:
    meta = subject.apply(secret(A="1")).body["metadata"]
    wrong_uid = subject.delete("s", uid=OTHER_UID)
    assert refusal(wrong_uid)[:2] == (409, "Conflict")
    assert wrong_uid.body["details"] == {"name": "s", "kind": "Secret"}
    assert refusal(subject.delete("s", resourceVersion="1"))[:2] == (409, "Conflict")
    assert subject.delete("s", query="dryRun=All").status == 200
    assert subject.get("s").status == 200
    reply = subject.delete("s", uid=meta["uid"], resourceVersion=meta["resourceVersion"])
    assert (reply.status, reply.body["status"]) == (200, "Success")
    assert reply.body["details"] == {"name": "s", "kind": "secrets", "uid": meta["uid"]}
    assert subject.get("s").status == 404


def test_object_with_finalizer_only_begins_to_end(subject: Subject) -> None:
    subject.create(secret(A="1", meta={"finalizers": ["example.com/wait"]}))
    reply = subject.delete("s")
    assert (reply.status, reply.body["kind"]) == (200, "Secret")
    assert reply.body["metadata"]["deletionTimestamp"]
    assert values(subject.apply(secret(A="2"), query="&force=true")) == {"A": "2"}
    subject.merge("s", {"metadata": {"finalizers": None}})
    assert subject.get("s").status == 404


def test_dry_run_shows_result_with_old_version_and_writes_nothing(subject: Subject) -> None:
    before = subject.apply(secret(A="1"))
    reply = subject.apply(secret(A="2"), query="&dryRun=All")
    assert (values(reply), version(reply)) == ({"A": "2"}, version(before))
    assert subject.get("s").body == before.body


def test_dry_run_of_create_has_no_version(subject: Subject) -> None:
    reply = subject.apply(secret(A="1"), query="&dryRun=All")
    assert reply.status == 201
    assert "resourceVersion" not in reply.body["metadata"]
    assert subject.get("s").status == 404
    assert subject.create(secret(A="1"), query="&dryRun=All").status == 201
    assert subject.get("s").status == 404
