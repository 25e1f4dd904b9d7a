"""What a real kube-apiserver says when a webhook is down or of an old kind, and of objects that etcd does not take."""

import base64
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.desk import Desk, Target
from tests.servers.apiserver import RealCluster
from tests.servers.process import free_port

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = "guard.example.com"


@pytest.fixture
def target(real_target: Target) -> Target:
    return real_target


def webhook(namespace: str, side_effects: str) -> dict[str, Any]:
    """Return a webhook that watches the Secrets of a namespace, and at whose address nobody answers."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"], "scope": "*"}
    hook = {
        "name": NAME,
        "clientConfig": {"url": f"https://127.0.0.1:{free_port()}/"},
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": side_effects,
        "timeoutSeconds": 1,
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {},
    }
    version = "admissionregistration.k8s.io/v1"
    kind = "ValidatingWebhookConfiguration"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": f"{namespace}-guard"}, "webhooks": [hook]}


def wait(desk: Desk) -> None:
    """Wait until the server asks the webhook."""
    path = f"/api/v1/namespaces/{desk.target.namespace}/secrets?dryRun=All"
    body = {"metadata": {"name": "probe"}}
    deadline = time.monotonic() + 60
    while desk.target.client.request("POST", path, body).status == 201:
        assert time.monotonic() < deadline, "the webhook never came into force"
        time.sleep(0.2)


@pytest.fixture
def webhook_down(desk: Desk, real_cluster: RealCluster) -> Iterator[None]:
    content = webhook(desk.target.namespace, "None")
    assert real_cluster.request("POST", HOOKS, content).status == 201
    wait(desk)
    yield
    assert real_cluster.request("DELETE", f"{HOOKS}/{content['metadata']['name']}").status == 200


@pytest.fixture
def old_webhook(desk: Desk, real_cluster: RealCluster) -> Iterator[None]:
    """Write a webhook as clusters have it from before 1.22: only past the API, which admits none any longer."""
    content = webhook(desk.target.namespace, "Some")
    name = content["metadata"]["name"]
    content["metadata"] |= {"uid": "6f1b6a3e-0000-4000-8000-000000000000", "creationTimestamp": "2020-01-01T00:00:00Z"}
    key = f"/registry/validatingwebhookconfigurations/{name}"
    body = {"key": encoded(key.encode()), "value": encoded(json.dumps(content).encode())}
    request = urllib.request.Request(f"{real_cluster.etcd_url}/v3/kv/put", json.dumps(body).encode(), method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        assert answer.status == 200
    wait(desk)
    yield
    assert real_cluster.request("DELETE", f"{HOOKS}/{name}").status == 200


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.usefixtures("webhook_down")
def test_webhook_that_is_down_is_named_and_nothing_is_written(desk: Desk) -> None:
    result = desk.run("sync", "staging")
    where = f"Secret/shared-secrets in namespace {desk.target.namespace}"
    assert result.lines[0] == f'bridge: error: {where}: the admission webhook "{NAME}" cannot be reached'
    assert (result.status, desk.target.versions()) == (75, {})


@pytest.mark.usefixtures("old_webhook")
def test_webhook_without_dry_runs_is_named_with_its_remedy(desk: Desk) -> None:
    result = desk.run("sync", "staging")
    where = f"Secret/shared-secrets in namespace {desk.target.namespace}"
    (line,) = [line for line in result.lines if line.startswith(f"bridge: error: {where}: ")]
    assert line.endswith(f'the admission webhook "{NAME}" does not support dry runs')
    assert "`sideEffects: None`" in result.err
    assert (result.status, desk.target.versions()) == (1, {})


def test_object_that_etcd_does_not_take_will_never_pass(desk: Desk) -> None:
    # Kubernetes limits the values alone to 1 MiB; names of keys count in etcd too, twice with managedFields.
    data = {f"k{number:04}{'x' * 240}": "y" for number in range(1500)} | {"value": "z" * 1_040_000}
    desk.write("base/large.yml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": data})
    desk.environment(templates=["base/large.yml"], sources=[])
    result = desk.run("sync", "staging")
    where = f"ConfigMap/large in namespace {desk.target.namespace}"
    assert result.lines[0] == f"bridge: error: {where}: is too large for the cluster's database (etcd)"
    assert result.status == 1
    assert "ConfigMap/large" not in desk.target.versions()
