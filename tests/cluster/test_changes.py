"""One change of a plan, sent to an API server that loses answers or has moved on."""

import json
from contextlib import closing
from typing import Any

import pytest

from bridge.cluster.changes import Changed, carry_out
from bridge.cluster.objects import Objects, parse
from bridge.errors import BridgeError, Stopped
from bridge.objects import Desired, Entry, Layer, Live, ObjectId, Origin
from bridge.plan.diff import diff
from bridge.plan.model import Action, Change
from bridge.plan.state import KeyMemory, ObjectMemory
from bridge.secret import SecretValue
from tests.cluster.wire import METADATA, Step, Wire, api, drop, reply, status

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


def change(live: dict[str, Any] | None, **data: str) -> Change:
    known = ObjectMemory("u", {key: KeyMemory(None, "2026-01-01T00:00:00Z") for key in data})
    return diff(desired(**data), parse(live, ID) if live else None, known, MANAGER)


def send(planned: Change, *steps: Step) -> tuple[Live | BridgeError | None, list[str]]:
    """Carry a change out; returns what became of it, and the methods that were sent."""
    result: Live | BridgeError | None
    with Wire(*steps) as wire, closing(api(wire.url)) as client:
        try:
            result = carry_out(Objects(client, "voice", MANAGER), planned)
        except BridgeError as error:
            result = error
    return result, [one.line.split()[0] for one in wire.requests]


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


def test_creation_with_lost_answer_is_retried_only_if_missing() -> None:
    result, methods = send(change(None, A="2"), drop, GONE, reply(201, NEW))
    assert isinstance(result, Live)
    assert methods == ["PATCH", "GET", "PATCH"]
    result, methods = send(change(None, A="2"), drop, reply(200, NEWER))
    assert (type(result), methods) == (Stopped, ["PATCH", "GET"])


def test_ownership_that_was_taken_back_without_answer_is_no_base_for_apply() -> None:
    """It may be another run that took it back, and has a newer value."""
    edited = raw("7", ("kubectl-edit", "Update"), A="1", B="1")
    planned = change(edited, A="1", B="2")
    assert planned.reclaimed
    assert planned.applies
    result, methods = send(planned, reply(200, edited), drop, reply(200, raw("8", A="1", B="1")))
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
    planned = Change(ID, Action.DELETE, None, parse(OLD, ID))
    for refusal in (GONE, STALE):
        result, methods = send(planned, refusal)
        assert (type(result), methods) == (Changed, ["DELETE"])
