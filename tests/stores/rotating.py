"""What the tests of rotations share: a template with a previous value, a cluster with workloads, generated values."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from bridge.testing.apiserver import Fault
from tests.desk import Desk, Result
from tests.importing.moving import SHELF, shelf
from tests.team import SECRETS, VALUES

NAME = "OPENAI_API_KEY"
PREVIOUS = "OPENAI_API_KEY_PREVIOUS"
FIRST = VALUES[NAME]
TEMPLATE = SECRETS + f"  {PREVIOUS}: ${{{PREVIOUS}:-}}\n"
KEY = f"Secret/agent-secrets key {NAME}"
PREVIOUS_KEY = f"Secret/agent-secrets key {PREVIOUS}"
HEX = re.compile(r"[0-9a-f]{64}")
EARLY, LATE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"  # before and after everything that a test writes
KINDS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
}


class Workloads:
    """The workloads of the embedded cluster, which has none of its own; `time` is when all their pods have started.

    `fault` decides about each request first.
    """

    def __init__(self, desk: Desk) -> None:
        self.time = LATE
        self.deployments: list[dict[str, Any]] = []
        self.rolled: list[str] = []
        self.fault: Callable[[str, str], Fault | None] = lambda *_: None
        desk.target.embedded.intercept = self

    def deploy(self, name: str = "agent", secret: str = "agent-secrets", **status: Any) -> dict[str, Any]:
        """Add a Deployment."""
        container = {"name": "main", "envFrom": [{"secretRef": {"name": secret}}]}
        usual = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
        found = {
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "generation": 1,
                "resourceVersion": "1",
                "namespace": "voice",
            },
            "spec": {"replicas": 2, "template": {"metadata": {}, "spec": {"containers": [container]}}},
            "status": usual | status,
        }
        self.deployments.append(found)
        return found

    def __call__(self, method: str, path: str) -> Fault | None:
        fault = self.fault(method, path)
        if not fault and method == "PATCH" and "/secrets/" in path and "dryRun" not in path:
            self.time = EARLY  # the pods are older than this write
        if fault or "/apis/apps/v1/" not in path:
            return fault
        if method == "PATCH":
            return self._roll(path)
        plural = path.partition("?")[0].rpartition("/")[2]
        items = {"deployments": self.deployments, "replicasets": list(map(self._replica_set, self.deployments))}
        return _ok({"kind": f"{KINDS[plural]}List", "items": items.get(plural, []), "metadata": {}})

    def _replica_set(self, deployment: dict[str, Any]) -> dict[str, Any]:
        owner = {"uid": deployment["metadata"]["uid"]}
        annotations = {"deployment.kubernetes.io/revision": "1"}
        more = {"creationTimestamp": self.time, "ownerReferences": [owner], "annotations": annotations}
        return {"metadata": deployment["metadata"] | more}

    def _roll(self, path: str) -> Fault:
        name = path.partition("?")[0].rpartition("/")[2]
        found = next(one for one in self.deployments if one["metadata"]["name"] == name)
        if "dryRun" not in path:
            self.rolled.append(name)
            self.time = LATE
        return _ok(found)


def _ok(body: dict[str, Any]) -> Fault:
    return ("status", 200, {"Content-Type": "application/json"}, json.dumps(body).encode())


def rotating(desk: Desk, **changes: Any) -> Workloads:
    """Set the desk up with a previous value in the template, a store, and a cluster that is in sync."""
    desk.write("base/secrets.yml", TEMPLATE)
    desk.environment(**({"sources": [SHELF]} | changes))
    desk.write("shelf.json", VALUES)
    workloads = Workloads(desk)
    assert desk.run("sync", "staging").status == 0
    return workloads


def rotate(desk: Desk, *more: str, form: str = "hex:32", **options: Any) -> Result:
    """Rotate the key to a generated value, which nobody sees."""
    result = desk.run("set", "staging", NAME, "--generate", form, "--keep-previous", PREVIOUS, "--yes", *more)
    for value in hidden(desk, **options):
        for shown in (value, base64.b64encode(value.encode()).decode()):
            assert shown not in result.out + result.err, "a generated value was shown"
    return result


def hidden(desk: Desk, read: Callable[[], Any] | None = None) -> list[str]:
    """Return the two values that the store has now."""
    found = read() if read else shelf(desk)
    return [value for value in (found.get(NAME), found.get(PREVIOUS)) if value]


def pair(desk: Desk) -> tuple[str | None, str | None]:
    """Return the value and the previous one, as the store has them."""
    found = shelf(desk)
    return found.get(NAME), found.get(PREVIOUS)


def live(desk: Desk, name: str = "agent-secrets") -> tuple[str | None, str | None]:
    """Return the value and the previous one, as the cluster has them."""
    found = desk.target.data("Secret", name)
    return found.get(NAME), found.get(PREVIOUS)
