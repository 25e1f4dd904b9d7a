"""An operator's desk: a folder of configuration, a cluster, and the program.

The fixture `desk` gives one in front of each cluster in turn, `offline_desk` one in front of the embedded cluster.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.testing.apiserver import EmbeddedCluster
from tests.servers.client import APPLY, MERGE, Client
from tests.team import CONFIG_MAPS, ENV_FILE, SECRETS, VALUES, env_file

PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps"}


@dataclass
class Result:
    """What a run gave back."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The errors, warnings and hints."""
        return self.err.splitlines()


@dataclass(frozen=True)
class Target:
    """A namespace of a cluster, embedded or real, as somebody other than bridge sees it."""

    namespace: str
    client: Client
    write_kubeconfig: Callable[[Path], object]
    embedded: EmbeddedCluster | None = None

    def path(self, kind: str, name: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{PLURALS[kind]}/{name}"

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        reply = self.client.request("GET", self.path(kind, name))
        return reply.body if reply.status == 200 else None

    def data(self, kind: str, name: str) -> dict[str, str]:
        """Return the values in clear."""
        found = self.get(kind, name) or {}
        given = found.get("data") or {}
        return {key: base64.b64decode(text).decode() if kind == "Secret" else text for key, text in given.items()}

    def secrets(self) -> dict[str, str]:
        """Return the values of the team's two Secrets in clear."""
        return self.data("Secret", "shared-secrets") | self.data("Secret", "agent-secrets")

    def edit(self, kind: str, name: str, manager: str = "kubectl-edit", **data: str | None) -> None:
        """Change keys as `kubectl edit` does; None removes one."""
        encoded = {
            key: base64.b64encode(value.encode()).decode() if value is not None and kind == "Secret" else value
            for key, value in data.items()
        }
        self.patch(kind, name, {"data": encoded}, manager)

    def patch(self, kind: str, name: str, body: dict[str, Any], manager: str = "kubectl-edit") -> None:
        reply = self.client.request("PATCH", f"{self.path(kind, name)}?fieldManager={manager}", body, MERGE)
        assert reply.status == 200, reply.body

    def apply(self, kind: str, name: str, body: dict[str, Any], manager: str = "somebody") -> None:
        """Apply server-side as another manager does, by force."""
        content = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}} | body
        reply = self.client.request(
            "PATCH", f"{self.path(kind, name)}?fieldManager={manager}&force=true", content, APPLY
        )
        assert reply.status in (200, 201), reply.body

    def create(self, kind: str, name: str, body: dict[str, Any], manager: str = "kubectl-create") -> None:
        path = f"/api/v1/namespaces/{self.namespace}/{PLURALS[kind]}?fieldManager={manager}"
        metadata = {"name": name} | body.pop("metadata", {})
        reply = self.client.request("POST", path, {"apiVersion": "v1", "kind": kind, "metadata": metadata} | body)
        assert reply.status == 201, reply.body

    def delete(self, kind: str, name: str) -> None:
        assert self.client.request("DELETE", self.path(kind, name)).status == 200

    def versions(self) -> dict[str, str]:
        """Return the resourceVersion of everything in the namespace that a run could write."""
        found = {}
        for kind, plural in PLURALS.items():
            items = self.client.request("GET", f"/api/v1/namespaces/{self.namespace}/{plural}").body["items"]
            found |= {f"{kind}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in items}
        found.pop("ConfigMap/kube-root-ca.crt", None)
        return found

    def owners(self, kind: str, name: str, key: str) -> set[tuple[str, str]]:
        """Return who owns a key, as (manager, operation)."""
        entries = (self.get(kind, name) or {})["metadata"]["managedFields"]
        return {
            (one["manager"], one["operation"]) for one in entries if f"f:{key}" in one["fieldsV1"].get("f:data", {})
        }


@dataclass
class Desk:
    """Where an operator works: files, and commands."""

    folder: Path
    target: Target
    run: Callable[..., Result]
    canaries: set[str] = field(default_factory=lambda: set(VALUES.values()))

    @property
    def kubeconfig(self) -> Path:
        """The file that the usual environment selects."""
        return self.folder / "kubeconfig"

    @property
    def cluster(self) -> dict[str, str]:
        """Server and context, as the kubeconfig has them."""
        content = json.loads(self.kubeconfig.read_text())
        return {"server": content["clusters"][0]["cluster"]["server"], "context": content["current-context"]}

    @property
    def cluster_line(self) -> str:
        """The second line of every report."""
        return f"  cluster: context {self.cluster['context']}, {self.cluster['server']}"

    def write(self, name: str, content: str | Mapping[str, Any] | list[Any]) -> Path:
        """Write a file of the configuration; what is no text becomes JSON, which is YAML too."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def environment(self, name: str = "staging", **changes: Any) -> None:
        """Write an environment file: the usual one, with some of its keys changed or (None) left out."""
        content = {
            "id": "voice-agent-staging",
            "namespace": self.target.namespace,
            "templates": ["base/secrets.yml", "base/configmap.yml"],
            "env_file": ".env.k8s.staging",
            "sources": ["plain:values.json"],
            "cluster": {"kubeconfig": "kubeconfig", "server": self.target.client.url},  # bound: nobody is asked
        } | changes
        self.write(f"{name}.yaml", {key: value for key, value in content.items() if value is not None})

    def values(self, **changes: str | None) -> None:
        """Write the source: the usual values, with some changed or (None) left out."""
        self.canaries |= {value for value in changes.values() if isinstance(value, str) and "CANARY" in value}
        content = VALUES | changes
        self.write("values.json", {key: value for key, value in content.items() if value is not None})

    def env_file(self, **changes: str | None) -> None:
        """Write the env file: the usual one, with some of its variables changed or (None) left out."""
        content = ENV_FILE | changes
        self.write(".env.k8s.staging", env_file({key: value for key, value in content.items() if value is not None}))


def set_up_desk(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Desk:
    """Return a desk with the team's usual files, in front of a cluster."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # nothing of the real user's is seen
    for name in ("KUBECONFIG", "BRIDGE_CONFIG", "K8_ENV", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("BRIDGE_TRUST", raising=False)

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        status = main([*arguments, "--config", str(tmp_path / "config")])
        out, err = capfd.readouterr()
        for canary in desk.canaries:
            for form in (canary, base64.b64encode(canary.encode()).decode(), json.dumps(canary)[1:-1]):
                assert form not in out + err, "a value was shown"
        flag = f" --config {tmp_path / 'config'}"  # the commands in hints have it: no test but theirs looks at it
        return Result(status, out.replace(flag, ""), err.replace(flag, ""))

    desk = Desk(tmp_path / "config", target, run)
    desk.write("base/secrets.yml", SECRETS)
    desk.write("base/configmap.yml", CONFIG_MAPS)
    target.write_kubeconfig(desk.kubeconfig)
    desk.environment()
    desk.values()
    desk.env_file()
    return desk
