"""Server-side apply: asserted of the embedded cluster and of a real kube-apiserver."""

from tests.testing.subject import Subject, b64, config_map, conflicts, owned, owners, secret, values, version


def test_apply_creates_object_and_owns_exactly_what_it_sent(subject: Subject) -> None:
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


def test_apply_keeps_keys_of_others(subject: Subject) -> None:
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


def test_conflict_with_update_names_its_version_too(subject: Subject) -> None:
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


def test_force_takes_field_and_leaves_rest_to_its_manager(subject: Subject) -> None:
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


def test_joining_owner_changes_version_and_carries_no_time(subject: Subject) -> None:
    first = subject.apply(secret(A="1"))
    shared = subject.apply(secret(A="1"), "other")
    assert version(shared) != version(first)
    times = {entry["manager"]: "time" in entry for entry in shared.body["metadata"]["managedFields"]}
    assert times == {"bridge/x": True, "other": False}


def test_apply_without_keys_removes_only_exclusively_owned_keys(subject: Subject) -> None:
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
