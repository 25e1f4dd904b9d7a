"""One change of a plan, sent to an API server that loses answers or has moved on."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from bridge.cluster.api import Invalid, LostAnswer
from bridge.cluster.changes import FIXED, Changed, carry_out, try_dry
from bridge.cluster.objects import Objects, parse
from bridge.errors import BridgeError, Refusal, Stopped, Unavailable
from bridge.objects import Desired, Entry, Layer, Live, ObjectId, Origin
from bridge.plan.diff import diff
from bridge.plan.model import Action, Change
from bridge.plan.state import KeyMemory, ObjectMemory
from bridge.secret import SecretValue
from tests.cluster.wire import METADATA, Received, Step, Wire, api, drop, reply, status

ID = ObjectId("ConfigMap", "c")
MANAGER = "bridge/x"
GONE, STALE = status(404, "NotFound"), status(409, "Conflict")
OTHER_UID = status(422, "Invalid", details={"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]})


def raw(version: str, owner: tuple[str, str] = (MANAGER, "Apply"), **data: str) -> dict[str, Any]:
    fields = {"f:data": {f"f:{key}": {} for key in data}}
    entry = {"manager": owner[0], "operation": owner[1], "fieldsV1": fields, "time": "2026-01-01T00:00:00Z"}
    head = METADATA | {"name": "c", "uid": "u", "resourceVersion": version, "managedFields": [entry]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": data}


def desired(**data: str) -> Desired:
    origin = Origin(Layer.SOURCE, "vault:x")
    return Desired(ID, {key: Entry(SecretValue.of(value), origin) for key, value in data.items()})


OLD = raw("7", A="1")
NEW = raw("8", A="2")
NEWER = raw("9", A="3")
EDITED = raw("7", ("kubectl-edit", "Update"), A="1")
OURS_AGAIN = raw("8", A="1", B="1")
EDITED_TWICE = raw("7", ("kubectl-edit", "Update"), A="1", B="1")


def change(live: dict[str, Any] | None, **data: str) -> Change:
    known = ObjectMemory("u", {key: KeyMemory(None, "2026-01-01T00:00:00Z") for key in data})
    return diff(desired(**data), parse(live, ID) if live else None, known, MANAGER)


DELETION = Change(ID, Action.DELETE, None, parse(OLD, ID))
RECREATION = change(raw("7", A="1") | {"immutable": True}, A="2")._replace(action=Action.RECREATE)
DELETED = reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
Outcome = Live | BridgeError | None


def ask(
    step: Callable[[Objects, Change], Live | None], planned: Change, answers: tuple[Step, ...]
) -> tuple[Outcome, list[Received]]:
    result: Outcome
    with Wire(*answers) as wire, closing(api(wire.url)) as client:
        try:
            result = step(Objects(client, "voice", MANAGER), planned)
        except BridgeError as error:
            result = error
    is_dry = {"dryRun" in one.line or b"dryRun" in one.body for one in wire.requests if not one.line.startswith("GET")}
    assert is_dry <= {step is try_dry}
    return result, wire.requests


def methods_of(requests: list[Received]) -> list[str]:
    return [one.line.split()[0] for one in requests]


def send(planned: Change, *steps: Step) -> tuple[Outcome, list[str]]:
    """Carry a change out; returns what became of it, and the methods that were sent."""
    result, requests = ask(carry_out, planned, steps)
    return result, methods_of(requests)


def send_dry(planned: Change, *steps: Step) -> tuple[Outcome, list[str]]:
    """Try a change dry; returns what became of it, and the methods that were sent."""
    result, requests = ask(try_dry, planned, steps)
    return result, methods_of(requests)


def versions(requests: list[Received]) -> list[str]:
    """Return the version that each apply requires of the object."""
    bodies = [json.loads(one.body) for one in requests if one.line.startswith("PATCH")]
    return [body["metadata"]["resourceVersion"] for body in bodies if isinstance(body, dict)]


def refused(*fields: str) -> Step:
    """Find something wrong with these fields; without fields, as an admission webhook refuses without a reason."""
    causes = [{"reason": "FieldValueInvalid", "field": field} for field in fields]
    return status(422, "Invalid", details={"causes": causes})


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cluster.api.BACKOFF", 0.001)


@pytest.mark.parametrize("refusal", [STALE, OTHER_UID])
def test_replaced_object_is_not_permanent_refusal(refusal: Step) -> None:
    result, methods = send(change(OLD, A="2"), refusal, reply(200, NEWER))
    assert isinstance(result, Changed)
    assert methods[0] == "PATCH"


def test_write_that_is_found_after_its_answer_was_lost_is_done() -> None:
    result, methods = send(change(OLD, A="2"), drop, reply(200, NEW))
    assert isinstance(result, Live)
    assert (result.resource_version, methods) == ("8", ["PATCH", "GET"])


def test_after_lost_answer_second_try_is_for_what_first_one_was_for() -> None:
    with Wire(drop, reply(200, OLD), reply(200, NEW)) as wire, closing(api(wire.url)) as client:
        assert carry_out(Objects(client, "voice", MANAGER), change(OLD, A="2"))
    first, second = (one.body for one in wire.requests if one.body)
    assert first == second


def test_after_lost_answer_newer_object_is_left_alone() -> None:
    result, methods = send(change(OLD, A="2"), drop, reply(200, NEWER))
    assert (type(result), methods) == (Stopped, ["PATCH", "GET"])


def test_second_attempt_after_late_first_one_succeeds() -> None:
    result, methods = send(change(OLD, A="2"), drop, reply(200, OLD), STALE, reply(200, NEW))
    assert isinstance(result, Live)
    assert methods == ["PATCH", "GET", "PATCH", "GET"]


def test_second_attempt_that_finds_newer_object_stays_in_doubt() -> None:
    result, _ = send(change(OLD, A="2"), drop, reply(200, OLD), STALE, reply(200, NEWER))
    assert type(result) is Stopped
    result, _ = send(change(OLD, A="2"), drop, reply(200, OLD), status(403, "Forbidden"))
    assert type(result) is Stopped
    assert "may or may not have been made" in str(result.problems[0])
    assert 'forbids "patch"' in str(result.problems[1])


def test_creation_with_lost_answer_is_retried_only_if_missing() -> None:
    result, methods = send(change(None, A="2"), drop, GONE, reply(201, NEW))
    assert isinstance(result, Live)
    assert methods == ["PATCH", "GET", "PATCH"]
    result, methods = send(change(None, A="2"), drop, reply(200, NEWER))
    assert (type(result), methods) == (Stopped, ["PATCH", "GET"])


def test_ownership_that_was_taken_back_without_answer_is_no_base_for_apply() -> None:
    """It may be another run that took it back, and has a newer value."""
    planned = change(EDITED_TWICE, A="1", B="2")
    assert planned.reclaimed
    assert planned.applies
    result, methods = send(planned, reply(200, EDITED_TWICE), drop, reply(200, OURS_AGAIN))
    assert (type(result), methods) == (Stopped, ["GET", "PATCH", "GET"])


def test_reclaim_with_lost_answer_is_verified() -> None:
    planned = change(EDITED, A="1")
    assert planned.reclaimed
    result, methods = send(planned, reply(200, EDITED), drop, reply(200, raw("8", A="1")))
    assert isinstance(result, Live)
    assert methods == ["GET", "PATCH", "GET"]


def test_ownership_is_taken_back_from_very_object_that_was_read() -> None:
    with Wire(reply(200, EDITED), reply(200, raw("8", A="1"))) as wire, closing(api(wire.url)) as client:
        assert carry_out(Objects(client, "voice", MANAGER), change(EDITED, A="1"))
    found = {one["path"]: (one["op"], one["value"]) for one in json.loads(wire.requests[1].body)}
    assert found["/metadata/uid"] == ("test", "u")
    assert found["/metadata/resourceVersion"] == ("replace", "7")


def test_ownership_of_object_that_has_changed_is_not_even_asked_for() -> None:
    for found in (reply(200, raw("8", ("kubectl-edit", "Update"), A="1")), GONE):
        result, methods = send(change(EDITED, A="1"), found)
        assert (type(result), methods) == (Changed, ["GET"])


def test_ownership_of_object_that_changes_at_that_moment_is_not_taken() -> None:
    for refusal in (status(422, "Invalid"), STALE, GONE):
        result, methods = send(change(EDITED, A="1"), reply(200, EDITED), refusal)
        assert (type(result), methods) == (Changed, ["GET", "PATCH"])


def test_concurrently_deleted_object_is_not_permanent_refusal() -> None:
    for refusal in (GONE, STALE):
        result, methods = send(DELETION, refusal)
        assert (type(result), methods) == (Changed, ["DELETE"])
        result, methods = send_dry(DELETION, refusal)
        assert (type(result), methods) == (Changed, ["DELETE"])


def test_deletion_with_lost_answer_is_done_if_object_is_gone() -> None:
    assert send(DELETION, drop, GONE) == (None, ["DELETE", "GET"])
    assert send(RECREATION, drop, GONE, reply(201, NEW))[1] == ["DELETE", "GET", "PATCH"]


@pytest.mark.parametrize("planned", [DELETION, RECREATION], ids=["delete", "recreate"])
@pytest.mark.parametrize("seen", [reply(200, OLD), status(403, "Forbidden")], ids=["exists", "unreadable"])
def test_deletion_with_lost_answer_stays_in_doubt_unless_object_is_gone(planned: Change, seen: Step) -> None:
    result, methods = send(planned, drop, seen)
    assert (type(result), methods) == (Stopped, ["DELETE", "GET"])
    assert "may or may not have been made" in str(result)


def test_recreated_object_must_not_have_been_created_by_someone_else() -> None:
    result, requests = ask(carry_out, RECREATION, (DELETED, reply(201, NEW)))
    assert isinstance(result, Live)
    assert (result.resource_version, methods_of(requests), versions(requests)) == ("8", ["DELETE", "PATCH"], ["1"])
    result, methods = send(RECREATION, DELETED, STALE)
    assert (type(result), methods) == (Stopped, ["DELETE", "PATCH"])


def test_object_that_cannot_be_recreated_is_reported_as_deleted() -> None:
    result, _ = send(RECREATION, DELETED, refused("metadata.labels"))
    assert isinstance(result, Stopped)
    assert [str(problem) for problem in result.problems] == [
        "ConfigMap/c in namespace voice: was deleted but could not be recreated",
        "ConfigMap/c in namespace voice: the API server rejected the request (422 Invalid): metadata.labels",
    ]
    assert result.problems[0].hint == "run again now"


def test_recreation_tries_deletion_and_new_object_dry() -> None:
    for answer in (reply(200, NEW), refused("immutable", "data"), refused("immutable", "binaryData"), refused(*FIXED)):
        assert send_dry(RECREATION, DELETED, answer) == (None, ["DELETE", "PATCH"])
    result, methods = send_dry(RECREATION, GONE)
    assert (type(result), methods) == (Changed, ["DELETE"])


@pytest.mark.parametrize("fields", [(), ("data[A]",), ("immutable", "metadata.annotations")])
def test_recreation_is_refused_for_anything_but_fixed_fields(fields: tuple[str, ...]) -> None:
    result, methods = send_dry(RECREATION, DELETED, refused(*fields))
    assert (type(result), methods) == (Invalid, ["DELETE", "PATCH"])


def test_dry_run_of_fixed_field_is_refused_with_solution() -> None:
    planned = RECREATION._replace(action=Action.UPDATE)
    result, methods = send_dry(planned, refused("immutable", "data"))
    assert isinstance(result, Refusal)
    assert (str(result), methods) == ("ConfigMap/c: is immutable and would have to change", ["PATCH"])
    assert "--recreate ConfigMap/c" in result.problems[0].hint


def test_dry_run_that_is_refused_for_something_else_says_what_server_says() -> None:
    for fields in ((), ("data[A]",), ("immutable", "data[A]")):
        result, _ = send_dry(RECREATION._replace(action=Action.UPDATE), refused(*fields))
        assert type(result) is Invalid
    result, _ = send_dry(change(OLD, A="2"), refused("immutable"))
    assert type(result) is Invalid, "bridge sees nothing that is fixed, so it knows no solution"


def test_dry_run_returns_what_write_would_make() -> None:
    result, methods = send_dry(change(OLD, A="2"), reply(200, NEW))
    assert isinstance(result, Live)
    assert (result.resource_version, methods) == ("8", ["PATCH"])
    assert send_dry(DELETION, DELETED) == (None, ["DELETE"])


def test_dry_run_of_ownership_needs_no_apply_if_values_are_right() -> None:
    result, methods = send_dry(change(EDITED, A="1"), reply(200, EDITED), reply(200, raw("8", A="1")))
    assert isinstance(result, Live)
    assert (result.resource_version, methods) == ("8", ["GET", "PATCH"])


def test_dry_runs_of_ownership_and_values_are_both_for_object_that_was_read() -> None:
    answers = (reply(200, EDITED_TWICE), reply(200, OURS_AGAIN), reply(200, raw("8", A="1", B="2")))
    result, requests = ask(try_dry, change(EDITED_TWICE, A="1", B="2"), answers)
    assert isinstance(result, Live)
    assert result.data["B"].reveal() == b"2"
    assert (methods_of(requests), versions(requests)) == (["GET", "PATCH", "PATCH"], ["7"])


def test_values_are_applied_to_object_whose_ownership_was_taken_back() -> None:
    answers = (reply(200, EDITED_TWICE), reply(200, OURS_AGAIN), reply(200, raw("9", A="1", B="2")))
    result, requests = ask(carry_out, change(EDITED_TWICE, A="1", B="2"), answers)
    assert isinstance(result, Live)
    assert (result.resource_version, versions(requests)) == ("9", ["8"])


def test_refused_values_after_ownership_was_taken_back_stop_run() -> None:
    for refusal in (refused("data[B]"), status(403, "Forbidden")):
        result, methods = send(
            change(EDITED_TWICE, A="1", B="2"), reply(200, EDITED_TWICE), reply(200, OURS_AGAIN), refusal
        )
        assert (type(result), methods) == (Stopped, ["GET", "PATCH", "PATCH"])


@pytest.mark.parametrize("seen", [GONE, reply(200, EDITED), status(403, "Forbidden")])
def test_reclaim_with_lost_answer_stays_in_doubt_unless_ownership_is_seen(seen: Step) -> None:
    result, methods = send(change(EDITED, A="1"), reply(200, EDITED), drop, seen)
    assert (type(result), methods) == (Stopped, ["GET", "PATCH", "GET"])


def test_write_whose_answer_is_lost_twice_was_not_made_if_object_is_unchanged() -> None:
    result, methods = send(change(OLD, A="2"), drop, reply(200, OLD), drop, reply(200, OLD))
    assert isinstance(result, Unavailable)
    assert not isinstance(result, LostAnswer)
    assert "may or may not have been made" not in str(result)
    assert methods == ["PATCH", "GET", "PATCH", "GET"]
    result, _ = send(change(OLD, A="2"), drop, reply(200, OLD), drop, status(403, "Forbidden"))
    assert type(result) is Stopped


def test_second_attempt_that_conflicts_with_unchanged_object_stays_in_doubt() -> None:
    result, _ = send(change(OLD, A="2"), drop, reply(200, OLD), STALE, reply(200, OLD))
    assert type(result) is Stopped


def test_after_lost_answer_object_of_same_version_but_another_uid_is_left_alone() -> None:
    other = raw("7", A="1")
    other["metadata"]["uid"] = "another"
    result, methods = send(change(OLD, A="2"), drop, reply(200, other))
    assert (type(result), methods) == (Stopped, ["PATCH", "GET"])
    result, methods = send(change(OLD, A="2"), drop, GONE)
    assert (type(result), methods) == (Stopped, ["PATCH", "GET"])


def owned(*messages: str) -> Step:
    """Refuse an apply because other managers own fields."""
    causes = [{"reason": "FieldManagerConflict", "field": ".data.A", "message": message} for message in messages]
    return status(409, "Conflict", details={"causes": causes})


@pytest.mark.parametrize(
    ("messages", "owners"),
    [
        (['conflict with "kustomize" using v1'], "kustomize"),
        (['conflict with "kustomize" using v1', 'conflict with "argo" using v1'], "argo, kustomize"),
        (["conflict"], "another field manager"),
    ],
)
def test_field_of_another_manager_is_refused_with_its_name(messages: list[str], owners: str) -> None:
    for step in (send, send_dry):
        result, methods = step(change(OLD, A="2"), owned(*messages), reply(200, OLD))
        assert (type(result), methods) == (Refusal, ["PATCH", "GET"])
        assert str(result) == f"ConfigMap/c in namespace voice: some fields are owned by {owners}"


@pytest.mark.parametrize("seen", [GONE, reply(200, NEWER)])
def test_field_of_another_manager_in_object_that_has_changed_is_retried(seen: Step) -> None:
    result, _ = send(change(OLD, A="2"), owned('conflict with "kustomize" using v1'), seen)
    assert isinstance(result, Changed)
    assert str(result) == "ConfigMap/c in namespace voice: changed since it was read"
    assert result.problems[0].hint == "run again"


def test_conflict_over_version_is_retried_although_object_looks_unchanged() -> None:
    result, _ = send(change(OLD, A="2"), STALE, reply(200, OLD))
    assert isinstance(result, Changed)
