"""Taking fields over by rewriting managedFields: asserted of the embedded cluster and of a real kube-apiserver."""

import pytest

from tests.testing.subject import Subject, b64, conflicts, copy, owned, owners, refusal, secret, values, version


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


def test_json_patch_ends_shared_ownership_without_entry_of_its_own(subject: Subject) -> None:
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


def test_json_patch_moves_field_from_editor_to_us(subject: Subject) -> None:
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


def test_fields_that_json_patch_changes_go_to_its_update_entry(subject: Subject) -> None:
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


def test_managed_fields_in_apply_are_refused(subject: Subject) -> None:
    reply = subject.apply(secret(A="1", meta={"managedFields": []}))
    assert refusal(reply) == (400, "BadRequest", "metadata.managedFields must be nil")
