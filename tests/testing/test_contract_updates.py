"""Creates, updates and patches, asserted of the embedded cluster and of a real kube-apiserver."""

import pytest

from tests.testing.subject import Subject, b64, owned, owners, refusal, secret, values, version


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


def test_manager_of_update_is_user_agent_by_default(subject: Subject) -> None:
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


def test_update_with_equal_value_takes_nothing(subject: Subject) -> None:
    first = subject.apply(secret(A="1"))
    reply = subject.merge("s", {"data": {"A": b64("1")}})
    assert (reply.status, reply.body) == (200, first.body)


def test_lost_key_is_shared_again_by_equal_apply(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    edited = subject.merge("s", {"data": {"A": b64("hand")}})
    assert owners(edited)["bridge/x Apply"] == {"f:type": {}}
    reply = subject.apply(secret(A="hand"))
    assert version(reply) != version(edited)
    assert owners(reply) == {"bridge/x Apply": owned("A"), "kubectl-patch Update": owned("A", type_=False)}


def test_key_removed_by_patch_is_lost_to_all_and_comes_back_with_apply(subject: Subject) -> None:
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


def test_merge_patch_of_whole_map_to_null_removes_it(subject: Subject) -> None:
    subject.apply(secret(A="1"))
    reply = subject.merge("s", {"data": None})
    assert "data" not in reply.body
    assert owners(reply) == {"bridge/x Apply": {"f:type": {}}}


def test_patches_of_absent_object_are_not_found(subject: Subject) -> None:
    expected = (404, "NotFound", 'secrets "gone" not found')
    assert refusal(subject.merge("gone", {"data": {}})) == expected
    assert refusal(subject.json_patch("gone", [])) == expected
    assert refusal(subject.put(secret("gone"))) == expected
    assert refusal(subject.delete("gone")) == expected
    assert refusal(subject.get("gone")) == expected
