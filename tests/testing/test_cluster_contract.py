"""What bridge relies on in a Kubernetes API, asserted of the embedded cluster and of a real kube-apiserver."""

import pytest

from tests.servers.client import APPLY
from tests.testing.subject import (
    Subject,
    b64,
    config_map,
    conflicts,
    copy,
    fields,
    lease,
    owned,
    owners,
    refusal,
    secret,
    values,
    version,
)

STALE = "the object has been modified; please apply your changes to the latest version and try again"
OTHER_UID = "7d8a0d15-7a1d-4b19-9f2f-000000000001"
KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
NOW = "2026-01-02T03:04:05.678901Z"


# Server-side apply


def test_apply_creates_an_object_and_owns_exactly_what_it_sent(subject: Subject) -> None:
    reply = subject.apply(secret(A="1", B="2"))
    assert reply.status == 201
    assert (reply.body["type"], values(reply)) == ("Opaque", {"A": "1", "B": "2"})
    assert owners(reply) == {"bridge/x Apply": owned("A", "B")}
    assert set(reply.body["metadata"]["managedFields"][0]) == {
        *("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1")
    }
    assert subject.get("s").body == reply.body


def test_equal_apply_changes_neither_version_nor_ownership(subject: Subject) -> None:
    first = subject.apply(secret(A="1"))
    second = subject.apply(secret(A="1"))
    assert (second.status, second.body) == (200, first.body)


def test_apply_adds_changes_and_removes_keys(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    reply = subject.apply(secret(A="9", C="3"))
    assert values(reply) == {"A": "9", "C": "3"}
    assert owners(reply) == {"bridge/x Apply": owned("A", "C")}


def test_apply_leaves_the_keys_of_others_alone(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    subject.merge("s", {"data": {"THEIRS": b64("x")}})
    reply = subject.apply(secret(B="2"))
    assert values(reply) == {"B": "2", "THEIRS": "x"}


def test_conflicts_name_each_field_and_its_applying_manager(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    reply = subject.apply(secret(A="8", B="9"), "other")
    assert conflicts(reply) == [(".data.A", 'conflict with "bridge/x"'), (".data.B", 'conflict with "bridge/x"')]
    assert reply.body["message"] == ('Apply failed with 2 conflicts: conflicts with "bridge/x":\n- .data.A\n- .data.B')
    assert set(reply.body["details"]) == {"causes"}
    assert values(subject.get("s")) == {"A": "1", "B": "2"}


def test_conflict_with_an_update_names_its_version_too(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    subject.merge("s", {"data": {"A": b64("hand")}})
    reply = subject.apply(secret(A="1", B="2"))
    assert conflicts(reply) == [(".data.A", 'conflict with "kubectl-patch" using v1')]
    assert reply.body["message"] == 'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.A'


def test_conflicts_with_several_managers_are_all_listed(subject: Subject) -> None:
    subject.apply(secret(A="1"), "one")
    subject.apply(secret(B="1"), "two")
    subject.merge("s", {"data": {"C": b64("1")}}, "three")
    reply = subject.apply(secret(A="2", B="2", C="2"))
    assert conflicts(reply) == [
        (".data.A", 'conflict with "one"'),
        (".data.B", 'conflict with "two"'),
        (".data.C", 'conflict with "three" using v1'),
    ]


def test_force_takes_the_field_and_leaves_the_rest_to_its_manager(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    reply = subject.apply(secret(A="9"), "other", "&force=true")
    assert values(reply) == {"A": "9", "B": "2"}
    assert owners(reply) == {"bridge/x Apply": owned("B"), "other Apply": owned("A")}


def test_manager_that_lost_everything_has_no_entry(subject: Subject) -> None:
    subject.apply({**secret(A="1"), "type": None} | {"type": "Opaque"}, "first")
    subject.merge("s", {"data": {"A": b64("2")}})
    reply = subject.apply(secret(A="3"), "second", "&force=true")
    assert owners(reply) == {"first Apply": {"f:type": {}}, "second Apply": owned("A")}


def test_equal_values_are_owned_together_and_outlive_one_owner(subject: Subject) -> None:
    subject.apply(secret(A="1", B="1"))
    shared = subject.apply(secret(A="1"), "other")
    assert owners(shared) == {"bridge/x Apply": owned("A", "B"), "other Apply": owned("A")}
    kept = subject.apply(secret(B="1"))
    assert values(kept) == {"A": "1", "B": "1"}
    gone = subject.apply(secret(), "other")
    assert values(gone) == {"B": "1"}


def test_joining_an_owner_changes_the_version_and_carries_no_time(subject: Subject) -> None:
    first = subject.apply(secret(A="1"))
    shared = subject.apply(secret(A="1"), "other")
    assert version(shared) != version(first)
    times = {entry["manager"]: "time" in entry for entry in shared.body["metadata"]["managedFields"]}
    assert times == {"bridge/x": True, "other": False}


def test_apply_without_keys_empties_what_it_owned_alone(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    reply = subject.apply(secret())
    assert "data" not in reply.body
    assert owners(reply) == {"bridge/x Apply": {"f:data": {}, "f:type": {}}}


def test_apply_and_update_of_one_name_are_two_managers(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    subject.merge("s", {"data": {"A": b64("2")}}, "bridge/x")
    reply = subject.apply(secret(A="1"))
    assert conflicts(reply) == [(".data.A", 'conflict with "bridge/x" using v1')]


def test_labels_and_annotations_are_owned_one_by_one(subject: Subject) -> None:
    subject.apply(secret(meta={"labels": {"a": "1", "b": "1"}, "annotations": {"x/y": "1"}}))
    subject.merge("s", {"metadata": {"labels": {"theirs": "1"}}})
    reply = subject.apply(secret(meta={"labels": {"a": "1"}}))
    assert reply.body["metadata"]["labels"] == {"a": "1", "theirs": "1"}
    assert "annotations" not in reply.body["metadata"]
    assert owners(reply) == {
        "bridge/x Apply": {"f:data": {}, "f:metadata": {"f:labels": {"f:a": {}}}, "f:type": {}},
        "kubectl-patch Update": {"f:metadata": {"f:labels": {"f:theirs": {}}}},
    }
    fight = subject.apply(secret(meta={"labels": {"theirs": "2"}, "annotations": {"x/y": "1"}}))
    assert conflicts(fight) == [(".metadata.labels.theirs", 'conflict with "kubectl-patch" using v1')]


def test_config_map_has_text_and_binary_data(subject: Subject) -> None:
    reply = subject.apply(config_map(A="x") | {"binaryData": {"B": "AAE="}})
    assert (reply.status, reply.body["data"], reply.body["binaryData"]) == (201, {"A": "x"}, {"B": "AAE="})
    assert owners(reply) == {"bridge/x Apply": {"f:binaryData": {"f:B": {}}, "f:data": {"f:A": {}}}}
    moved = subject.apply(config_map(A="x", B="text"))
    assert moved.body["data"] == {"A": "x", "B": "text"}
    assert "binaryData" not in moved.body


# Updates and who owns what after them


def test_created_object_belongs_to_its_creator_with_its_maps(subject: Subject) -> None:
    reply = subject.create(secret(A="1", meta={"labels": {"l": "1"}}))
    assert reply.status == 201
    assert owners(reply) == {
        "creator Update": {
            "f:data": {".": {}, "f:A": {}},
            "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
            "f:type": {},
        }
    }


def test_manager_of_an_update_is_the_user_agent_by_default(subject: Subject) -> None:
    path = subject.path()
    reply = subject.request("POST", path, secret(A="1"), headers={"User-Agent": "kubectl/v1.36 (linux/amd64)"})
    assert list(owners(reply)) == ["kubectl Update"]


def test_update_takes_what_it_changes_from_its_owner(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    reply = subject.merge("s", {"data": {"A": b64("hand"), "N": b64("new")}})
    assert owners(reply) == {
        "bridge/x Apply": owned("B"),
        "kubectl-patch Update": owned("A", "N", type_=False),
    }


def test_update_with_an_equal_value_takes_nothing(subject: Subject) -> None:
    first = subject.apply(secret(A="1"))
    reply = subject.merge("s", {"data": {"A": b64("1")}})
    assert (reply.status, reply.body) == (200, first.body)


def test_lost_key_is_shared_again_by_an_equal_apply(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    edited = subject.merge("s", {"data": {"A": b64("hand")}})
    assert owners(edited)["bridge/x Apply"] == {"f:type": {}}
    reply = subject.apply(secret(A="hand"))
    assert version(reply) != version(edited)
    assert owners(reply) == {"bridge/x Apply": owned("A"), "kubectl-patch Update": owned("A", type_=False)}


def test_key_removed_by_a_patch_is_lost_to_all_and_comes_back_with_an_apply(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    reply = subject.merge("s", {"data": {"A": None}})
    assert owners(reply) == {"bridge/x Apply": owned("B")}
    assert values(subject.apply(secret(A="1", B="2"))) == {"A": "1", "B": "2"}


def test_put_replaces_everything_and_owns_what_changed(subject: Subject) -> None:
    subject.create(secret(A="1", B="2", meta={"labels": {"l": "1"}}))
    reply = subject.put(secret(A="9", C="3"))
    assert values(reply) == {"A": "9", "C": "3"}
    assert "labels" not in reply.body["metadata"]
    assert owners(reply) == {
        "creator Update": {"f:data": {}, "f:type": {}},
        "putter Update": owned("A", "C", type_=False),
    }


def test_string_data_ends_up_in_data(subject: Subject) -> None:
    body = secret(A="1") | {"stringData": {"A": "over", "B": "text"}}
    assert values(subject.create(body)) == {"A": "over", "B": "text"}
    applied = subject.apply(secret(A="mine") | {"stringData": {"B": "silent"}}, "bridge/x", "&force=true")
    assert values(applied) == {"A": "mine", "B": "silent"}


# Taking fields over by rewriting managedFields


def test_json_patch_hands_over_all_that_kubectl_applied(subject: Subject) -> None:
    note = "kubectl.kubernetes.io/last-applied-configuration"
    subject.create(secret(A="1", B="2", meta={"annotations": {note: "{}", "o": "p"}}), "kubectl-client-side-apply")
    live = subject.get("s").body["metadata"]
    entry = live["managedFields"][0] | {"manager": "bridge/x", "operation": "Apply", "fieldsV1": owned("A", "B")}
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [entry]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["resourceVersion"]},
        {"op": "remove", "path": f"/metadata/annotations/{note.replace('/', '~1')}"},
    ]
    taken = subject.json_patch("s", operations)
    assert (taken.status, taken.body["metadata"]["annotations"]) == (200, {"o": "p"})
    assert owners(taken) == {"bridge/x Apply": owned("A", "B")}
    assert subject.apply(secret(A="1", B="2")).body == taken.body
    assert values(subject.apply(secret(A="1", C="3"))) == {"A": "1", "C": "3"}


def shared_with_an_editor(subject: Subject) -> tuple[list[dict], str]:
    """Let a hand own A (shared with us) and D; return managedFields without its A, and the version."""
    subject.apply(secret(A="1"))
    subject.merge("s", {"data": {"A": b64("hand"), "D": b64("theirs")}}, "kubectl-edit")
    meta = subject.apply(secret(A="hand")).body["metadata"]
    entries = copy(meta["managedFields"])
    for entry in entries:
        if entry["operation"] == "Update":
            del entry["fieldsV1"]["f:data"]["f:A"]
    return entries, meta["resourceVersion"]


def test_json_patch_ends_a_shared_ownership_without_an_entry_of_its_own(subject: Subject) -> None:
    entries, read = shared_with_an_editor(subject)
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": read},
    ]
    reply = subject.json_patch("s", operations)
    assert reply.status == 200
    assert version(reply) != read
    assert owners(reply) == {"bridge/x Apply": owned("A"), "kubectl-edit Update": owned("D", type_=False)}
    assert subject.apply(secret(A="hand")).body == reply.body
    assert refusal(subject.json_patch("s", operations))[:2] == (409, "Conflict")
    assert subject.json_patch("s", operations[:1]).body == reply.body


def test_json_patch_moves_a_field_from_an_editor_to_us(subject: Subject) -> None:
    subject.apply(secret(A="1", B="2"))
    edited = subject.merge("s", {"data": {"A": b64("hand"), "D": b64("theirs")}}, "kubectl-edit").body["metadata"]
    entries = copy(edited["managedFields"])
    ours, theirs = sorted(entries, key=lambda entry: entry["operation"])
    ours["fieldsV1"]["f:data"]["f:A"] = theirs["fieldsV1"]["f:data"].pop("f:A")
    reply = subject.json_patch(
        "s",
        [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": edited["resourceVersion"]},
        ],
    )
    assert version(reply) != edited["resourceVersion"]
    assert owners(reply) == {"bridge/x Apply": owned("A", "B"), "kubectl-edit Update": owned("D", type_=False)}
    same = subject.apply(secret(A="hand", B="2"))
    assert (same.status, same.body) == (200, reply.body)


def test_fields_that_a_json_patch_changes_go_to_its_update_entry(subject: Subject) -> None:
    entries, _ = shared_with_an_editor(subject)
    reply = subject.json_patch(
        "s",
        [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "add", "path": "/data/A", "value": b64("2")},
        ],
    )
    assert owners(reply) == {
        "bridge/x Apply": {"f:type": {}},
        "bridge/x Update": owned("A", type_=False),
        "kubectl-edit Update": owned("D", type_=False),
    }


@pytest.mark.parametrize("empty", [[], [{}]])
def test_empty_managed_fields_give_up_all_ownership(subject: Subject, empty: list[dict]) -> None:
    subject.apply(secret(A="1"))
    reply = subject.json_patch("s", [{"op": "replace", "path": "/metadata/managedFields", "value": empty}])
    assert owners(reply) == {}
    assert owners(subject.merge("s", {"data": {"B": b64("2")}})) == {}
    assert conflicts(subject.apply(secret(A="2"))) == [(".data.A", 'conflict with "before-first-apply" using v1')]
    assert set(owners(subject.apply(secret(A="1")))) == {"bridge/x Apply", "before-first-apply Update"}


def test_malformed_managed_fields_are_ignored(subject: Subject) -> None:
    before = subject.apply(secret(A="1"))
    bad = [{"manager": "x", "operation": "Frob", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]
    reply = subject.json_patch("s", [{"op": "replace", "path": "/metadata/managedFields", "value": bad}])
    assert (reply.status, reply.body) == (200, before.body)


def test_managed_fields_in_an_apply_are_refused(subject: Subject) -> None:
    reply = subject.apply(secret(A="1", meta={"managedFields": []}))
    assert refusal(reply) == (400, "BadRequest", "metadata.managedFields must be nil")


# JSON patches and merge patches


def test_json_patch_operations(subject: Subject) -> None:
    subject.create(secret(A="1", B="2", meta={"annotations": {"x/y": "1", "z": "2"}}))
    reply = subject.json_patch(
        "s",
        [
            {"op": "test", "path": "/data/A", "value": b64("1")},
            {"op": "replace", "path": "/data/A", "value": b64("9")},
            {"op": "replace", "path": "/data/ABSENT", "value": b64("added")},
            {"op": "add", "path": "/data/N", "value": b64("new")},
            {"op": "remove", "path": "/data/B"},
            {"op": "remove", "path": "/metadata/annotations/x~1y"},
        ],
    )
    assert values(reply) == {"A": "9", "ABSENT": "added", "N": "new"}
    assert reply.body["metadata"]["annotations"] == {"z": "2"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/A", "value": "no"},
        {"op": "remove", "path": "/data/ABSENT"},
        {"op": "add", "path": "/spec/ABSENT/x", "value": "x"},
        {"op": "frob", "path": "/data/A"},
    ],
)
def test_failed_json_patch_says_nothing_and_changes_nothing(subject: Subject, operation: dict) -> None:
    before = subject.create(secret(A="1"))
    reply = subject.json_patch("s", [{"op": "add", "path": "/data/N", "value": "eA=="}, operation])
    assert refusal(reply) == (422, "Invalid", "the server rejected our request due to an error in our request")
    assert subject.get("s").body == before.body


def test_merge_patch_of_a_whole_map_to_null_removes_it(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    reply = subject.merge("s", {"data": None})
    assert "data" not in reply.body
    assert owners(reply) == {"bridge/x Apply": {"f:type": {}}}


def test_patches_of_an_absent_object_are_not_found(subject: Subject) -> None:
    expected = (404, "NotFound", 'secrets "gone" not found')
    assert refusal(subject.merge("gone", {"data": {}})) == expected
    assert refusal(subject.json_patch("gone", [])) == expected
    assert refusal(subject.put(secret("gone"))) == expected
    assert refusal(subject.delete("gone")) == expected
    assert refusal(subject.get("gone")) == expected


# Preconditions


@pytest.mark.parametrize("body", [secret(A="1"), secret(A="2"), secret(A="2") | {"type": "x/y"}])
@pytest.mark.parametrize("query", ["", "&dryRun=All", "&force=true"])
def test_stale_version_is_a_conflict_without_causes(subject: Subject, body: dict, query: str) -> None:
    before = subject.apply(secret(A="1"))
    stale = copy(body)
    stale["metadata"]["resourceVersion"] = "1"
    reply = subject.apply(stale, query=query)
    assert refusal(reply) == (409, "Conflict", f'Operation cannot be fulfilled on secrets "s": {STALE}')
    assert reply.body["details"] == {"name": "s", "kind": "secrets"}
    assert subject.get("s").body == before.body


def test_field_conflicts_come_before_a_stale_version(subject: Subject) -> None:
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


def test_version_of_an_object_that_is_gone_is_ignored(subject: Subject) -> None:
    read = version(subject.apply(secret(A="1")))
    subject.delete("s")
    reply = subject.apply(secret(A="2", meta={"resourceVersion": read}))
    assert (reply.status, values(reply)) == (201, {"A": "2"})


def test_uid_of_an_object_that_is_gone_is_a_conflict(subject: Subject) -> None:
    uid = subject.apply(secret(A="1")).body["metadata"]["uid"]
    subject.delete("s")
    reply = subject.apply(secret(A="2", meta={"uid": uid}))
    why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
    assert refusal(reply) == (409, "Conflict", f'Operation cannot be fulfilled on secrets "s": {why}')
    assert subject.get("s").status == 404


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


def test_object_with_a_finalizer_only_begins_to_end(subject: Subject) -> None:
    subject.create(secret(A="1", meta={"finalizers": ["example.com/wait"]}))
    reply = subject.delete("s")
    assert (reply.status, reply.body["kind"]) == (200, "Secret")
    assert reply.body["metadata"]["deletionTimestamp"]
    assert values(subject.apply(secret(A="2"), query="&force=true")) == {"A": "2"}
    subject.merge("s", {"metadata": {"finalizers": None}})
    assert subject.get("s").status == 404


# Dry-run


def test_dry_run_shows_the_result_with_the_old_version_and_writes_nothing(subject: Subject) -> None:
    before = subject.apply(secret(A="1"))
    reply = subject.apply(secret(A="2"), query="&dryRun=All")
    assert (values(reply), version(reply)) == ({"A": "2"}, version(before))
    assert subject.get("s").body == before.body


def test_dry_run_of_a_create_has_no_version(subject: Subject) -> None:
    reply = subject.apply(secret(A="1"), query="&dryRun=All")
    assert reply.status == 201
    assert "resourceVersion" not in reply.body["metadata"]
    assert subject.get("s").status == 404
    assert subject.create(secret(A="1"), query="&dryRun=All").status == 201
    assert subject.get("s").status == 404


# Types and immutability


@pytest.mark.parametrize(("given", "shown"), [(None, "Opaque"), ("x/z", "x/z")])
def test_type_left_out_or_changed_is_refused(subject: Subject, given: str | None, shown: str) -> None:
    subject.apply(secret(A="1") | {"type": "x/y"})
    body = secret(A="1")
    del body["type"]
    reply = subject.apply(body | ({"type": given} if given else {}))
    message = f'Secret "s" is invalid: type: Invalid value: "{shown}": field is immutable'
    assert refusal(reply) == (422, "Invalid", message)


def test_type_opaque_may_be_left_out(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    body = secret(A="1")
    del body["type"]
    reply = subject.apply(body)
    assert (reply.status, reply.body["type"]) == (200, "Opaque")
    assert owners(reply) == {"bridge/x Apply": owned("A", type_=False)}


@pytest.mark.parametrize("body", [secret(A="1"), config_map("s", A="1")])
def test_immutable_object_keeps_its_data(subject: Subject, body: dict) -> None:
    frozen = body | {"immutable": True}
    first = subject.apply(frozen)
    assert (first.status, subject.apply(frozen).body) == (201, first.body)
    changed = subject.apply(frozen | {"data": {"A": "OTk="}})
    assert fields(changed) == ["data"]
    assert changed.body["message"].endswith("data: Forbidden: field is immutable when `immutable` is set")
    assert fields(subject.apply(body)) == ["immutable"]
    assert fields(subject.apply(body | {"immutable": False})) == ["immutable"]
    labelled = copy(frozen)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert subject.apply(labelled).status == 200


# Bad objects


@pytest.mark.parametrize("value", ["!!CANARY", "YQ"])
def test_bad_base64_in_an_apply_is_a_500(subject: Subject, value: str) -> None:
    reply = subject.apply(secret() | {"data": {"A": value}})
    message = (
        "failed to convert new object (/s; /v1, Kind=Secret) to proper version: unable to convert unstructured "
        "object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 0"
    )
    assert refusal(reply) == (500, None, message)
    assert subject.get("s").status == 404


@pytest.mark.parametrize("value", [1, True, {"x": "CANARY"}, ["CANARY"]])
@pytest.mark.parametrize("body", [secret(), config_map("s")])
def test_value_that_is_no_text_is_a_500_in_an_apply(subject: Subject, body: dict, value: object) -> None:
    reply = subject.apply(body | {"data": {"A": value}})
    start = f"failed to create typed patch object (/s; /v1, Kind={body['kind']}): .data.A: expected string, got "
    status, reason, message = refusal(reply)
    assert (status, reason) == (500, None)
    assert message.startswith(start)
    assert ("CANARY" in message) == ("CANARY" in str(value))


@pytest.mark.parametrize(
    "more",
    [
        {"unknown": "x"},
        {"data": ["x"]},
        {"data": "x"},
        {"immutable": "yes"},
        {"type": 5},
        {"metadata": {"name": "s", "x": "y"}},
    ],
)
def test_field_that_the_schema_does_not_have_is_a_500_in_an_apply(subject: Subject, more: dict) -> None:
    reply = subject.apply(secret() | more, name="s")
    assert refusal(reply)[:2] == (500, None)
    assert reply.body["message"].startswith("failed to create typed patch object (/s; /v1, Kind=Secret): ")


@pytest.mark.parametrize("value", ["!!CANARY", 5])
def test_bad_value_in_a_create_is_a_400(subject: Subject, value: object) -> None:
    reply = subject.create(secret() | {"data": {"A": value}})
    status, reason, message = refusal(reply)
    assert (status, reason) == (400, "BadRequest")
    assert message.startswith('Secret in version "v1" cannot be handled as a Secret: ')


def test_bad_value_in_a_patch_is_a_422_that_shows_the_object(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    reply = subject.merge("s", {"data": {"A": "!!CANARY"}})
    assert fields(reply) == ["patch"]
    assert "CANARY" in reply.body["message"]


def test_null_value_is_stored_as_an_empty_one(subject: Subject) -> None:
    reply = subject.apply(secret() | {"data": {"A": None, "B": b64("1")}})
    assert values(reply) == {"A": "", "B": "1"}
    assert owners(reply) == {"bridge/x Apply": owned("A", "B")}


def test_null_data_claims_the_map_and_loses_our_keys(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    subject.merge("s", {"data": {"B": b64("theirs")}})
    reply = subject.apply(secret() | {"data": None})
    assert values(reply) == {"B": "theirs"}
    assert owners(reply)["bridge/x Apply"] == {"f:data": {}, "f:type": {}}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("A/B", KEY_RULE),
        ("", KEY_RULE),
        ("é", KEY_RULE),
        (".", "must not be '.'"),
        ("..", "must not be '..'"),
        ("..x", "must not start with '..'"),
        ("k" * 254, "must be no more than 253 characters"),
    ],
)
@pytest.mark.parametrize("body", [secret(), config_map("s")])
def test_bad_key_is_invalid(subject: Subject, body: dict, key: str, why: str) -> None:
    reply = subject.apply(body | {"data": {key: "eA=="}})
    message = f'{body["kind"]} "s" is invalid: data[{key}]: Invalid value: "{key}": {why}'
    assert refusal(reply) == (422, "Invalid", message)


def test_data_of_exactly_one_mebibyte_fits(subject: Subject) -> None:
    assert subject.apply(secret(A="x" * (2**20 - 1), B="x")).status == 201
    reply = subject.apply(secret("t", A="x" * 2**20, B="x"))
    message = 'Secret "t" is invalid: data: Too long: may not be more than 1048576 bytes'
    assert refusal(reply) == (422, "Invalid", message)
    binary = {"binaryData": {"B": "AA=="}}
    assert subject.apply(config_map(A="x" * (2**20 - 1)) | binary).status == 201
    assert fields(subject.apply(config_map("d", A="x" * 2**20) | binary)) == ["[]"]


def test_key_in_data_and_in_binary_data_is_invalid(subject: Subject) -> None:
    reply = subject.apply(config_map(A="x") | {"binaryData": {"A": "AA=="}})
    message = 'ConfigMap "c" is invalid: data[A]: Invalid value: "A": duplicate of key present in binaryData'
    assert refusal(reply) == (422, "Invalid", message)


@pytest.mark.parametrize(
    ("type_", "wanted"),
    [
        ("kubernetes.io/tls", ["data[tls.crt]", "data[tls.key]"]),
        ("kubernetes.io/basic-auth", ["data[username]", "data[password]"]),
        ("kubernetes.io/ssh-auth", ["data[ssh-privatekey]"]),
        ("kubernetes.io/dockerconfigjson", ["data[.dockerconfigjson]"]),
        ("kubernetes.io/service-account-token", ["metadata.annotations[kubernetes.io/service-account.name]"]),
    ],
)
def test_type_wants_its_keys(subject: Subject, type_: str, wanted: list[str]) -> None:
    assert fields(subject.apply(secret(A="x") | {"type": type_})) == wanted


def test_docker_config_must_be_json_and_is_not_shown(subject: Subject) -> None:
    body = secret(**{".dockerconfigjson": "CANARY"}) | {"type": "kubernetes.io/dockerconfigjson"}
    reply = subject.apply(body)
    assert fields(reply) == ["data[.dockerconfigjson]"]
    assert "CANARY" not in str(reply.body)


def test_bad_labels_and_annotations_are_invalid(subject: Subject) -> None:
    labels = {"labels": {"a b": "x", "/x": "x", "k": "a/b", "long": "z" * 64}}
    assert fields(subject.apply(secret(meta=labels))) == ["metadata.labels"] * 4
    notes = {"annotations": {"b c": "1", "big": "x" * 2**18}}
    assert fields(subject.apply(secret(meta=notes))) == ["metadata.annotations"] * 2


@pytest.mark.parametrize("name", ["Upper", "under_score", "-x", "x" * 254])
def test_bad_name_is_invalid(subject: Subject, name: str) -> None:
    assert fields(subject.apply(secret(name, A="1"))) == ["metadata.name"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (secret("other"), "the name of the object (other) does not match the name on the URL (s)"),
        (
            secret(meta={"namespace": "default"}),
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
def test_object_that_is_not_the_one_of_the_url_is_refused(subject: Subject, body: dict, message: str) -> None:
    assert refusal(subject.apply(body, name="s")) == (400, "BadRequest", message)


def test_kind_that_is_not_the_one_of_the_url_is_refused(subject: Subject) -> None:
    path = subject.path("s", query="fieldManager=bridge/x")
    reply = subject.request("PATCH", path, config_map("s"), APPLY)
    assert refusal(reply) == (400, "BadRequest", "invalid object type: /v1, Kind=ConfigMap")


# Places and requests


def test_missing_namespace_is_not_found(subject: Subject) -> None:
    nowhere = Subject(subject.client, "nowhere")
    expected = (404, "NotFound", 'namespaces "nowhere" not found')
    assert refusal(nowhere.apply(secret(A="1"))) == expected
    assert refusal(nowhere.apply(secret(**{"A/": "1"}))) == expected
    assert refusal(nowhere.create(secret(A="1"))) == expected
    assert refusal(nowhere.put(lease(holderIdentity="me"))) == expected
    assert refusal(nowhere.get("s")) == (404, "NotFound", 'secrets "s" not found')
    assert nowhere.request("GET", nowhere.path()).body["items"] == []


def test_create_of_what_exists_is_a_conflict_with_its_own_reason(subject: Subject) -> None:
    subject.create(secret(A="1"))
    assert refusal(subject.create(secret(A="1"))) == (409, "AlreadyExists", 'secrets "s" already exists')


def test_create_with_a_generated_name(subject: Subject) -> None:
    body = secret(A="1", meta={"generateName": "gen-"})
    del body["metadata"]["name"]
    reply = subject.create(body)
    assert reply.body["metadata"]["name"].startswith("gen-")
    del body["metadata"]["generateName"]
    assert fields(subject.create(body)) == ["metadata.name"]


def test_list_holds_the_namespace_alone_and_comes_in_pages(subject: Subject) -> None:
    for name in ("c", "a", "b"):
        subject.apply(config_map(name, A="1"))
    whole = subject.request("GET", subject.path(plural="configmaps")).body
    assert (whole["kind"], whole["apiVersion"]) == ("ConfigMapList", "v1")
    # Where there is a controller it puts its own ConfigMap into each namespace; here there is none.
    assert [item["metadata"]["name"] for item in whole["items"]] == ["a", "b", "c"]
    assert "kind" not in whole["items"][0]
    first = subject.request("GET", subject.path(plural="configmaps", query="limit=2")).body
    assert first["metadata"]["remainingItemCount"] == 1
    query = f"limit=2&continue={first['metadata']['continue']}"
    second = subject.request("GET", subject.path(plural="configmaps", query=query)).body
    names = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    assert names == ["a", "b", "c"]
    assert "continue" not in second["metadata"]


def test_namespaces_can_be_applied_and_end_slowly(subject: Subject) -> None:
    name = f"{subject.namespace}-more"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"a": "b"}}}
    path = f"/api/v1/namespaces/{name}"
    created = subject.request("PATCH", f"{path}?fieldManager=bridge/x", body, APPLY)
    assert (created.status, created.body["status"]) == (201, {"phase": "Active"})
    assert created.body["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": name}
    assert owners(created) == {"bridge/x Apply": {"f:metadata": {"f:labels": {"f:a": {}}}}}
    inside = Subject(subject.client, name)
    inside.apply(secret(A="1"))
    assert subject.request("DELETE", path).body["status"] == {"phase": "Terminating"}
    assert subject.request("GET", path).body["status"] == {"phase": "Terminating"}
    late = inside.apply(secret("late", A="1"))
    why = f"unable to create new content in namespace {name} because it is being terminated"
    assert refusal(late) == (403, "Forbidden", f'secrets "late" is forbidden: {why}')
    assert late.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert inside.apply(secret(A="2")).status == 200


def test_default_namespace_exists(subject: Subject) -> None:
    assert subject.request("GET", "/api/v1/namespaces/default").body["status"] == {"phase": "Active"}


def test_field_manager_is_required_for_an_apply(subject: Subject) -> None:
    reply = subject.request("PATCH", subject.path("s"), secret(A="1"), APPLY)
    message = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    assert refusal(reply) == (422, "Invalid", message)
    assert fields(subject.apply(secret(A="1"), "m" * 129)) == ["fieldManager"]
    assert subject.apply(secret(A="1"), "m" * 128).status == 201
    assert fields(subject.apply(secret(A="1"), query="&dryRun=some")) == ["dryRun"]


def test_body_that_is_no_json_is_a_400_without_its_text(subject: Subject) -> None:
    reply = subject.request("PATCH", subject.path("s", query="fieldManager=x"), b"{{CANARY", APPLY)
    assert refusal(reply)[:2] == (400, "BadRequest")
    assert "CANARY" not in reply.body["message"]


def test_unknown_paths_verbs_and_types_of_patches(subject: Subject) -> None:
    assert subject.request("GET", subject.path("x", "frobs")).status == 404
    assert subject.request("GET", "/apis/coordination.k8s.io/v1/namespaces/x/secrets/y").status == 404
    assert refusal(subject.request("PATCH", subject.path(), {}))[:2] == (405, "MethodNotAllowed")
    assert refusal(subject.request("PATCH", subject.path("s"), {}, "text/plain"))[:2] == (415, "UnsupportedMediaType")


def test_wrong_token_is_unauthorized_and_none_is_forbidden(subject: Subject) -> None:
    path = subject.path("s")
    assert refusal(subject.request("GET", path, token="wrong")) == (401, "Unauthorized", "Unauthorized")
    assert refusal(subject.request("GET", path, token=""))[:2] == (403, "Forbidden")


def test_version_and_readiness(subject: Subject) -> None:
    assert subject.request("GET", "/version").body["major"] == "1"
    assert subject.request("GET", "/readyz").body == "ok"


# Leases


def test_put_creates_a_lease_and_needs_a_version_afterwards(subject: Subject) -> None:
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 30, "renewTime": NOW, "acquireTime": NOW}
    created = subject.put(lease(**spec))
    assert (created.status, created.body["spec"]) == (201, spec)
    message = (
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: '
        "must be specified for an update"
    )
    assert refusal(subject.put(lease(holderIdentity="you"))) == (422, "Invalid", message)
    read = version(created)
    taken = subject.put(lease(version=read, holderIdentity="you"))
    assert (taken.status, taken.body["spec"]) == (200, {"holderIdentity": "you"})
    late = subject.put(lease(version=read, holderIdentity="she"))
    expected = f'Operation cannot be fulfilled on leases.coordination.k8s.io "l": {STALE}'
    assert refusal(late) == (409, "Conflict", expected)
    assert late.body["details"] == {"name": "l", "group": "coordination.k8s.io", "kind": "leases"}


def test_version_of_a_lease_that_is_gone_is_ignored(subject: Subject) -> None:
    read = version(subject.put(lease(holderIdentity="me")))
    subject.delete("l", "leases")
    assert subject.put(lease(version=read, holderIdentity="you")).status == 201


def test_empty_holder_is_kept(subject: Subject) -> None:
    assert subject.put(lease(holderIdentity="")).body["spec"] == {"holderIdentity": ""}


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"renewTime": "2026-01-02T03:04:05Z"}, 400),
        ({"renewTime": "soon"}, 400),
        ({"leaseDurationSeconds": "x"}, 400),
        ({"leaseDurationSeconds": 0}, 422),
        ({"leaseTransitions": -1}, 422),
    ],
)
def test_bad_lease_is_refused(subject: Subject, spec: dict, status: int) -> None:
    assert subject.put(lease(holderIdentity="me", **spec)).status == status


def test_absent_lease_is_named_with_its_group(subject: Subject) -> None:
    reply = subject.get("l", "leases")
    assert refusal(reply) == (404, "NotFound", 'leases.coordination.k8s.io "l" not found')
    assert reply.body["details"] == {"name": "l", "group": "coordination.k8s.io", "kind": "leases"}
