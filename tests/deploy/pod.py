"""A pod of the CronJob without a kubelet: what the cluster was given becomes files, arguments and variables."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.cluster.choice import Search
from bridge.named_tuple import MANY
from tests.servers.apiserver import RealCluster
from tests.servers.vault import DevVault
from tests.team import VALUES

ROOT = Path(__file__).parent.parent.parent
ID = "bridge-voice-agent-staging"


def in_pod(monkeypatch: pytest.MonkeyPatch, account: Path) -> None:
    """Let a run find the files of a pod's service account in a folder."""
    search = Search.__new__
    monkeypatch.setattr(Search, "_calls", MANY)  # after which a class keeps its constructor
    monkeypatch.setattr(
        Search, "__new__", lambda kind, *given, **named: search(kind, *given, **{"pod": account} | named)
    )


def example(folder: Path, namespace: str, **changes: str) -> Path:
    """Copy the demonstration's environment for a namespace; `changes` replace texts of its file."""
    shutil.copytree(ROOT / "config", folder, ignore=shutil.ignore_patterns("deploy", "monitoring", ".env*"))
    file = folder / "staging.yaml"
    text = file.read_text().replace("namespace: voice-agent-staging", f"namespace: {namespace}")
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "demo.agekey").rename(folder.parent / "demo.agekey")  # in a pod it comes from a Secret
    file.write_text(text)
    return folder


@dataclass
class Pod:
    """The pod's own view, below a folder that stands for its root."""

    cluster: RealCluster
    namespace: str
    root: Path
    account: str = ID

    def path(self, inside: str) -> Path:
        return self.root / inside.lstrip("/")

    def get(self, path: str) -> dict[str, Any]:
        reply = self.cluster.request("GET", path)
        assert reply.status == 200, reply.body
        return reply.body

    @property
    def spec(self) -> dict[str, Any]:
        """The pod's spec as the API server keeps it."""
        cronjob = self.get(f"/apis/batch/v1/namespaces/{self.namespace}/cronjobs/{ID}")
        return cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    def token(self, **spec: Any) -> str:
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.account}/token"
        reply = self.cluster.request("POST", path, {"spec": {"expirationSeconds": 3600} | spec})
        assert reply.status == 201, reply.body
        return str(reply.body["status"]["token"])

    def mount(self) -> None:
        """Lay every volume out as the kubelet does (pkg/volume/util/atomic_writer.go)."""
        spec = self.spec
        mounts = {one["name"]: one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
        for volume in spec["volumes"]:
            lay_out(self.path(mounts[volume["name"]]), self._files(volume))
        account = {
            "token": self.token(),
            "ca.crt": self.cluster.ca_file.read_text(),
            "namespace": self.namespace,
        }
        lay_out(self.path("/var/run/secrets/kubernetes.io/serviceaccount"), account)

    def _files(self, volume: dict[str, Any]) -> dict[str, str]:
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            data = self.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")["data"]
            return {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]}
        if "secret" in volume:
            return {"keys.txt": (self.root / "demo.agekey").read_text()}
        source = volume["projected"]["sources"][0]["serviceAccountToken"]
        return {source["path"]: self.token(audiences=[source["audience"]])}

    def environ(self) -> dict[str, str]:
        host, _, port = self.cluster.url.removeprefix("https://").partition(":")
        given = {one["name"]: one.get("value", "") for one in self.spec["containers"][0].get("env", ())}
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port} | given

    def arguments(self) -> list[str]:
        return list(self.spec["containers"][0]["args"])


def rendered(folder: Path, namespace: str, options: Iterable[str] = (), **changes: str) -> Path:
    """Render; `options` are components beside the stores', `changes` those of the environment."""
    config, out = example(folder / "config", namespace, **changes), folder / "out"
    assert main(["init", "staging", "--deploy", str(out), "--config", str(config)]) == 0
    file = out / "kustomization.yaml"
    text = file.read_text()
    for option in options:
        text = text.replace(f"# - components/{option}", f"- components/{option}")
    file.write_text(text)
    return out


def deployed(folder: Path, cluster: RealCluster, namespace: str, options: Iterable[str] = (), **changes: str) -> Pod:
    """Render, apply and mount; `options` and `changes` are those of `rendered`."""
    out = rendered(folder, namespace, options, **changes)
    assert cluster.kubectl("apply", "-k", str(out), "--warnings-as-errors").stderr == ""
    (folder / "root").mkdir()
    (folder / "demo.agekey").rename(folder / "root" / "demo.agekey")
    pod = Pod(cluster, namespace, folder / "root")
    pod.mount()
    return pod


def lay_out(folder: Path, files: dict[str, str]) -> None:
    """Write files behind `..data`: a link to a folder with the time as its name, and a link for each top name."""
    stamp = folder / "..2026_11_25_02_00_00.1"
    for path, text in files.items():
        (stamp / path).parent.mkdir(parents=True, exist_ok=True)
        (stamp / path).write_text(text)
    (folder / "..data").symlink_to(stamp.name)
    for name in {Path(path).parts[0] for path in files}:
        (folder / name).symlink_to(f"..data/{name}")


def role(pod: Pod) -> dict[str, Any]:
    return pod.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{pod.namespace}/roles/{ID}")


def take_away(pod: Pod, resource: str, verb: str) -> None:
    """Remove a verb from every rule for a resource; a rule without verbs goes."""
    found = role(pod)
    for rule in found["rules"]:
        if resource in rule["resources"] and verb in rule["verbs"]:
            # The other resources of the rule keep it.
            others = [one for one in rule["resources"] if one != resource]
            if others:
                found["rules"].append(json.loads(json.dumps(rule)) | {"resources": others})
                rule["resources"] = [resource]
            rule["verbs"].remove(verb)
    found["rules"] = [rule for rule in found["rules"] if rule["verbs"]]
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{pod.namespace}/roles/{ID}"
    assert pod.cluster.request("PUT", path, found).status == 200


def vault_login(server: DevVault, cluster: RealCluster, namespace: str, mount: str) -> None:
    """Put the values into Vault, for the CronJob's service account of this namespace alone."""
    server.mount(mount, 2)
    server.put("app", VALUES, mount)
    server.policy(mount, f'path "{mount}/data/app" {{ capabilities = ["read"] }}')
    reviewer = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert cluster.request("POST", reviewer, {"metadata": {"name": "reviewer"}}).status == 201
    binding = f"--serviceaccount={namespace}:reviewer"
    cluster.kubectl("create", "clusterrolebinding", namespace, "--clusterrole=system:auth-delegator", binding)
    body = {"spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600}}
    token = cluster.request("POST", f"{reviewer}/reviewer/token", body).body["status"]["token"]
    server.do("POST", f"sys/auth/{mount}", {"type": "kubernetes"})
    config = {"kubernetes_host": cluster.url, "kubernetes_ca_cert": cluster.ca_file.read_text()}
    server.do("POST", f"auth/{mount}/config", config | {"token_reviewer_jwt": token})
    bound = {"bound_service_account_names": [ID], "bound_service_account_namespaces": [namespace]}
    server.do("POST", f"auth/{mount}/role/app", bound | {"audience": "vault", "token_policies": [mount]})
