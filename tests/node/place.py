"""A namespace on the real node, and what a team does there."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deploy.pod import ID, rendered
from tests.servers.client import MERGE
from tests.servers.node import Node
from tests.waiting import until

API: Final = {
    "cronjobs": "/apis/batch/v1",
    "jobs": "/apis/batch/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "leases": "/apis/coordination.k8s.io/v1",
}
PYTHON: Final = "/opt/bridge/bin/python"
BRIDGE: Final = "/opt/bridge/bin/bridge"
CANARY: Final = "demo-openai-key"  # a value of the demonstration's SOPS file
RESTRICTED: Final = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
SUSPENDED: Final = """
patches:
  - target: {kind: CronJob}
    patch: '[{"op": "add", "path": "/spec/suspend", "value": true}]'
"""
# It ends at once when its pod does; process 1 ignores the signal otherwise.
WAITS: Final = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()"


@dataclass(frozen=True)
class Place:
    """A namespace, and a folder for its files."""

    node: Node
    namespace: str
    folder: Path

    def path(self, plural: str, name: str = "", query: str = "") -> str:
        """Return the address of an object or, without a name, of all."""
        end = f"/{name}" if name else ""
        return f"{API.get(plural, '/api/v1')}/namespaces/{self.namespace}/{plural}{end}{query and f'?{query}'}"

    def get(self, plural: str, name: str) -> dict[str, Any]:
        """Return an object; it must exist."""
        reply = self.node.cluster.request("GET", self.path(plural, name))
        assert reply.status == 200, reply.body
        return reply.body

    def all(self, plural: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects that a label selects, the oldest first."""
        query = selector and "labelSelector=" + selector.replace("=", "%3D")
        items = self.node.cluster.request("GET", self.path(plural, query=query)).body["items"]
        return sorted(items, key=lambda one: one["metadata"]["creationTimestamp"])

    def create(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object; the metadata may be a name alone."""
        reply = self.node.cluster.request("POST", self.path(plural), body)
        assert reply.status == 201, reply.body
        return reply.body

    def patch(self, plural: str, name: str, body: dict[str, Any]) -> None:
        """Change an object by a merge patch."""
        reply = self.node.cluster.request("PATCH", self.path(plural, name), body, MERGE)
        assert reply.status == 200, reply.body

    def kubectl(self, *words: str, text: str | None = None, check: bool = True) -> str:
        """Run kubectl as the administrator, and return what it prints."""
        done = self.node.cluster.kubectl("-n", self.namespace, *words, text=text, check=check)
        return done.stdout + ("" if check else done.stderr)

    def secret(self, name: str, **data: str) -> None:
        """Create a Secret or replace its data."""
        encoded = {key.replace("__", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
        if self.node.cluster.request("GET", self.path("secrets", name)).status == 200:
            self.patch("secrets", name, {"data": encoded})
        else:
            self.create("secrets", {"metadata": {"name": name}, "data": encoded})

    def data(self, plural: str, name: str) -> dict[str, str]:
        """Return an object's values in clear."""
        given = self.get(plural, name)["data"]
        return {key: base64.b64decode(text).decode() if plural == "secrets" else text for key, text in given.items()}

    def restrict(self) -> None:
        """Admit only what is `restricted`."""
        address = f"/api/v1/namespaces/{self.namespace}"
        assert self.node.cluster.request("PATCH", address, {"metadata": {"labels": RESTRICTED}}, MERGE).status == 200

    def render(self, options: Iterable[str] = (), image: str = "bridge", **changes: str) -> Path:
        """Render the CronJob for this namespace, suspended, with the image from our registry; return the folder."""
        out = rendered(self.folder, self.namespace, options, **changes)
        file = out / "kustomization.yaml"
        name = self.node.registry.reference(image).rpartition(":")[0]
        file.write_text(file.read_text().replace("registry.example.com/bridge", name) + SUSPENDED)
        return out

    def deploy(self, options: Iterable[str] = (), image: str = "bridge", **changes: str) -> Path:
        """Render and apply; the age key is there as the help page says."""
        out = self.render(options, image, **changes)
        self.secret(f"{ID}.age", keys__txt=(self.folder / "demo.agekey").read_text())
        assert self.node.cluster.kubectl("apply", "-k", str(out), "--warnings-as-errors").stderr == ""
        return out

    def start(self, job: str) -> None:
        """Start a run of the CronJob by hand."""
        self.kubectl("create", "job", job, f"--from=cronjob/{ID}")

    def variant(self, job: str, *command: str, **container: Any) -> dict[str, Any]:
        """Start a Job whose pod is the CronJob's with another command or other fields of its container."""
        spec = self.get("cronjobs", ID)["spec"]["jobTemplate"]["spec"]
        given = spec["template"]["spec"]["containers"][0]
        if command:
            given |= {"command": list(command)}
            given.pop("args", None)
        given |= container
        return self.create("jobs", {"metadata": {"name": job}, "spec": spec})

    def pods(self, job: str) -> list[dict[str, Any]]:
        """Return a Job's pods, the oldest first."""
        return self.all("pods", f"job-name={job}")

    def running(self, job: str) -> str:
        """Wait until a Job's newest pod runs, and return its name."""
        return str(until(lambda: self._running(job), f"no pod of {job} runs: {self.said(job)}"))

    def _running(self, job: str) -> str:
        found = [one for one in self.pods(job) if one["status"]["phase"] == "Running"]
        return found[-1]["metadata"]["name"] if found else ""

    def exec(self, pod: str, *command: str) -> str:
        """Run a command in a pod, and return what it prints."""
        return self.kubectl("exec", pod, "--", *command)

    def log(self, pod: str) -> str:
        """Return what a pod has printed, as the API server gets it from the kubelet."""
        return self.kubectl("logs", pod)

    def finished(self, job: str) -> str:
        """Wait until a Job has ended, and return how: Complete or the reason of its failure."""
        result: str = until(lambda: self._result(job), f"{job} never ended")
        return result

    def _result(self, job: str) -> str:
        self.node.fail_if_over()
        found = self.get("jobs", job)["status"].get("conditions") or []
        true = {one["type"]: one.get("reason", "") for one in found if one["status"] == "True"}
        return "Complete" if "Complete" in true else true.get("Failed", "")

    def exits(self, job: str) -> list[int]:
        """Return the exit statuses of a Job's pods that have ended, the oldest first."""
        found = [(one["status"].get("containerStatuses") or [{}])[0].get("state", {}) for one in self.pods(job)]
        return [state["terminated"]["exitCode"] for state in found if "terminated" in state]

    def events(self, pod: str, reason: str) -> list[dict[str, Any]]:
        """Return the Events of a pod that have this reason."""
        query = f"fieldSelector=involvedObject.name%3D{pod}%2Creason%3D{reason}"
        found: list[dict[str, Any]] = self.node.cluster.request("GET", self.path("events", query=query)).body["items"]
        return found

    def said(self, job: str) -> str:
        """Return everything that a Job's pods have printed, and what their statuses are, for a failure's message."""
        parts = []
        for pod in self.pods(job):
            name = pod["metadata"]["name"]
            parts.append(json.dumps(pod["status"].get("containerStatuses")))
            parts.append(self.kubectl("logs", name, check=False))
        return "\n".join(parts)

    def complete(self, job: str) -> str:
        """Wait until a Job has succeeded, and return what its last pod has printed, which holds no secret."""
        assert self.finished(job) == "Complete", self.said(job)
        text = self.log(self.pods(job)[-1]["metadata"]["name"])
        assert CANARY not in text
        assert "CANARY" not in text
        return text
