"""Paths, namespaces, lists and parameters: asserted of the embedded cluster and of a real kube-apiserver."""

from tests.servers.client import APPLY
from tests.testing.subject import Subject, config_map, fields, lease, owners, refusal, secret


def test_missing_namespace_is_not_found(subject: Subject) -> None:
    nowhere = Subject(subject.client, "nowhere")
    expected = (404, "NotFound", 'namespaces "nowhere" not found')
    assert refusal(nowhere.apply(secret(A="1"))) == expected
    assert refusal(nowhere.apply(secret(**{"A/": "1"}))) == expected
    assert refusal(nowhere.create(secret(A="1"))) == expected
    assert refusal(nowhere.put(lease(holderIdentity="me"))) == expected
    assert refusal(nowhere.get("s")) == (404, "NotFound", 'secrets "s" not found')
    assert nowhere.request("GET", nowhere.path()).body["items"] == []


def test_create_of_what_exists_is_conflict_with_its_own_reason(subject: Subject) -> None:
    subject.create(secret(A="1"))
    assert refusal(subject.create(secret(A="1"))) == (409, "AlreadyExists", 'secrets "s" already exists')


def test_create_with_generated_name(subject: Subject) -> None:
    body = secret(A="1", meta={"generateName": "gen-"})
    del body["metadata"]["name"]
    reply = subject.create(body)
    assert reply.body["metadata"]["name"].startswith("gen-")
    del body["metadata"]["generateName"]
    assert fields(subject.create(body)) == ["metadata.name"]


def test_list_is_limited_to_namespace_and_paginated(subject: Subject) -> None:
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


def test_field_manager_is_required_for_apply(subject: Subject) -> None:
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
