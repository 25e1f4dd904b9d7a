"""Objects that Kubernetes does not let anybody change: deleted and created again, where nobody else loses anything."""

import pytest

from tests.desk import Desk
from tests.failures.failing import failing
from tests.team import SECRETS, VALUES

SECRET = "Secret"
TYPED = SECRETS.replace("metadata: {name: shared-secrets}", "metadata: {name: shared-secrets}\ntype: example.com/other")
RECREATE = ("--recreate", "Secret/shared-secrets")


def retyped(desk: Desk) -> str:
    """Sync, then change the type in the template; returns the object's uid."""
    assert desk.run("sync", "staging").status == 0
    desk.write("base/secrets.yml", TYPED)
    return uid(desk)


def uid(desk: Desk) -> str:
    return (desk.target.get(SECRET, "shared-secrets") or {})["metadata"]["uid"]


def test_type_that_must_change_takes_word_of_operator(desk: Desk) -> None:
    before = retyped(desk)
    result = desk.run("sync", "staging")
    assert (result.status, uid(desk)) == (1, before)
    assert result.lines[-1] == (
        "bridge: hint: use type Opaque in the template, or "
        "run `bridge sync staging --recreate Secret/shared-secrets`, which works if only bridge wrote to it"
    )


def test_object_of_ours_is_deleted_and_created_again(desk: Desk) -> None:
    before = retyped(desk)
    plan = desk.run("plan", "staging", *RECREATE)
    assert "~ Secret/shared-secrets  to delete and create again" in plan.out
    assert "1 to recreate, 4 unchanged" in plan.out
    assert uid(desk) == before
    result = desk.run("sync", "staging", *RECREATE)
    assert result.status == 0
    found = desk.target.get(SECRET, "shared-secrets")
    assert found
    assert (found["type"], found["metadata"]["uid"] != before) == ("example.com/other", True)
    assert desk.target.data(SECRET, "shared-secrets") == {key: VALUES[key] for key in VALUES if "LIVEKIT" in key}
    assert "nothing to do" in desk.run("sync", "staging").out


def test_immutable_object_can_be_made_anew(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    desk.target.patch(SECRET, "shared-secrets", {"immutable": True})
    desk.values(LIVEKIT_API_KEY="CANARY-new")
    assert desk.run("sync", "staging").status == 1
    result = desk.run("sync", "staging", *RECREATE)
    assert result.status == 0
    warning, hint = result.lines
    what = "is immutable: each node keeps its old values until no pod there uses it"
    assert warning == f"bridge: warning: Secret/shared-secrets: {what}"
    assert hint.startswith("bridge: hint: scale each workload that uses it to zero")
    assert desk.target.data(SECRET, "shared-secrets")["LIVEKIT_API_KEY"] == "CANARY-new"
    assert "immutable" not in (desk.target.get(SECRET, "shared-secrets") or {})


def test_what_others_keep_in_object_is_not_lost(desk: Desk) -> None:
    before = retyped(desk)
    desk.target.edit(SECRET, "shared-secrets", THEIRS="x")
    result = desk.run("sync", "staging", *RECREATE)
    assert (result.status, uid(desk)) == (1, before)
    wanted = "bridge: error: Secret/shared-secrets: cannot be recreated: kubectl-edit also wrote to it"
    assert result.lines[-2] == wanted


def test_finalizer_would_hold_old_object(desk: Desk) -> None:
    before = retyped(desk)
    desk.target.patch(SECRET, "shared-secrets", {"metadata": {"finalizers": ["example.com/hold"]}})
    result = desk.run("sync", "staging", *RECREATE)
    assert (result.status, uid(desk)) == (1, before)
    assert "cannot be recreated: finalizer example.com/hold would block the deletion" in result.err
    desk.target.patch(SECRET, "shared-secrets", {"metadata": {"finalizers": None}})


def test_new_object_that_lacks_what_its_type_requires_is_refused_before_old_one_is_deleted(desk: Desk) -> None:
    before = retyped(desk)
    desk.write("base/secrets.yml", TYPED.replace("type: example.com/other", "type: kubernetes.io/ssh-auth"))
    result = desk.run("sync", "staging", *RECREATE)
    assert (result.status, uid(desk)) == (1, before)
    assert "ssh-privatekey: is required by type kubernetes.io/ssh-auth" in result.err


def test_new_object_that_only_api_server_refuses_is_refused_before_old_one_is_deleted(desk: Desk) -> None:
    """Go refuses a number beyond the range of a float64, and bridge leaves that to the API server."""
    before = retyped(desk)
    desk.values(LIVEKIT_API_KEY='{"auths": {}, "CANARY-number": 1e999}')
    docker = TYPED.replace("type: example.com/other", "type: kubernetes.io/dockerconfigjson")
    desk.write("base/secrets.yml", docker.replace("LIVEKIT_API_KEY:", ".dockerconfigjson:"))
    for command in ("plan", "sync"):
        result = desk.run(command, "staging", *RECREATE)
        assert (result.status, uid(desk)) == (1, before)
        assert result.lines[0] == (
            f"bridge: error: Secret/shared-secrets in namespace {desk.target.namespace}: "
            "the API server rejected the request (422 Invalid): type, data[.dockerconfigjson]"
        )


def test_new_object_that_is_refused_without_a_field_is_refused_before_old_one_is_deleted(offline_desk: Desk) -> None:
    """An admission webhook that denies with a code of its own names no field."""
    before = retyped(offline_desk)
    denied = 'admission webhook "types.example.com" denied the request:'
    failing(offline_desk, lambda method, path: method == "PATCH" and "/shared-secrets?" in path, 422, denied)
    result = offline_desk.run("sync", "staging", *RECREATE)
    assert (result.status, uid(offline_desk)) == (1, before)
    assert 'the admission webhook "types.example.com" denies the change' in result.lines[0]


def test_recreating_what_can_be_changed_is_plain_update(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    before = uid(desk)
    desk.values(LIVEKIT_API_KEY="CANARY-new")
    result = desk.run("sync", "staging", *RECREATE)
    assert (result.status, uid(desk)) == (0, before)
    assert result.lines == [
        "bridge: warning: --recreate Secret/shared-secrets: not needed: Kubernetes can change this object in place"
    ]


@pytest.mark.parametrize("text", ["shared-secrets", "Secret/", "Pod/x", "/"])
def test_object_that_bridge_cannot_mean(offline_desk: Desk, text: str) -> None:
    result = offline_desk.run("plan", "staging", "--recreate", text)
    assert (result.status, result.lines[0]) == (2, "bridge: error: --recreate: must be KIND/NAME")


def test_object_that_no_template_names(offline_desk: Desk) -> None:
    result = offline_desk.run("sync", "staging", "--recreate", "Secret/other")
    assert (result.status, result.lines[0]) == (1, "bridge: error: --recreate Secret/other: not in any template")


def test_object_whose_new_creation_fails_is_made_by_next_run(offline_desk: Desk) -> None:
    cluster = offline_desk.target.embedded
    assert cluster
    retyped(offline_desk)
    refusal = (
        "status",
        403,
        {"Content-Type": "application/json"},
        b'{"kind":"Status","code":403,"reason":"Forbidden"}',
    )
    cluster.intercept = lambda method, path: (
        refusal if method == "PATCH" and "/shared-secrets?" in path and "dryRun" not in path else None
    )
    result = offline_desk.run("sync", "staging", *RECREATE, "--output", "json")
    assert result.status == 5
    assert result.data["result"] == "stopped"
    assert "was deleted but could not be recreated" in result.err
    assert offline_desk.target.get(SECRET, "shared-secrets") is None
    cluster.intercept = None
    assert offline_desk.run("sync", "staging").status == 0
    assert offline_desk.target.data(SECRET, "shared-secrets")["LIVEKIT_API_KEY"] == VALUES["LIVEKIT_API_KEY"]
