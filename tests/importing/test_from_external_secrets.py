"""The help page's way from External Secrets, block by block, with the real controller.

The controller is a peer of the benchmarks, so it is built only by name, also in CI; without it, this test is skipped.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench.external_secrets import definitions
from tests.importing.migrating import agreed_to
from tests.pages import help_block
from tests.servers import build
from tests.servers.apiserver import RealCluster
from tests.servers.controllers import CONTROLLERS, Controllers
from tests.servers.process import Server
from tests.servers.vault import DevVault
from tests.team import write_files
from tests.waiting import until

NAME: Final = "voice-agent-staging"
VALUES: Final = {"OPENAI_API_KEY": "CANARY-openai", "CARTESIA_API_KEY": "CANARY-cartesia $5"}
LAYOUT: Final = {
    "overlays/staging/kustomization.yaml": "resources: [../../base]\nnamespace: voice-agent-staging\n",
    "base/kustomization.yaml": "resources: [external.yaml, deployment.yaml]\n",
    "base/external.yaml": """\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault}
spec:
  provider:
    vault: {server: SERVER, path: secret, version: v2, auth: {tokenSecretRef: {name: vault-token, key: token}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: agent-secrets}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault}
  data:
    - {secretKey: OPENAI_API_KEY, remoteRef: {key: DOCUMENT, property: openai}}
    - {secretKey: CARTESIA_API_KEY, remoteRef: {key: DOCUMENT, property: cartesia.key}}
""",
    "base/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: example.com/agent, envFrom: [{secretRef: {name: agent-secrets}}]}]}
""",
}
FLAGS: Final = [
    "--metrics-addr=127.0.0.1:0",
    "--loglevel=error",
    *(
        f"--enable-{name}-reconciler=false"
        for name in ("cluster-store", "cluster-external-secret", "cluster-push-secret", "push-secret")
    ),
]


class Place:
    """A namespace with the layout deployed and the controller running."""

    def __init__(self, folder: Path, cluster: RealCluster, environ: dict[str, str]) -> None:
        self.folder = folder
        self.cluster = cluster
        self.environ = environ

    def get(self, path: str) -> Any:
        reply = self.cluster.request("GET", path)
        return reply.body if reply.status == 200 else None

    def secret(self) -> Any:
        return self.get(f"/api/v1/namespaces/{NAME}/secrets/agent-secrets")

    def values(self) -> dict[str, str]:
        data = (self.secret() or {}).get("data", {})
        return {key: base64.b64decode(text).decode() for key, text in data.items()}

    def workload(self) -> tuple[Any, list[str]]:
        """Return the Deployment's template and its ReplicaSets; a restart would change both."""
        group = f"/apis/apps/v1/namespaces/{NAME}"
        sets = self.get(f"{group}/replicasets")["items"]
        return self.get(f"{group}/deployments/agent")["spec"]["template"], [one["metadata"]["uid"] for one in sets]

    def block(self, name: str, status: int = 0) -> str:
        """Run each command of a block of the page; no value may be lost, or shown."""
        said = ""
        lines = [
            line.partition("    #")[0].rstrip() for line in help_block(f"from-external-secrets-{name}").splitlines()
        ]
        for line in map(agreed_to, lines):
            said += self.run(line, status)
            assert self.values() == VALUES, line
        return said

    def run(self, line: str, status: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == status, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "CANARY" not in done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def controller_binary() -> Path:
    """The controller of External Secrets."""
    path = build.find("external-secrets")
    if path is None:
        pytest.skip(
            "no external-secrets, a peer of the benchmarks: run `python tests/servers/build.py external-secrets`"
        )
    return path


@pytest.fixture
def own_cluster(request: pytest.FixtureRequest, kubectl_binary: Path) -> Iterator[RealCluster]:
    """A cluster of its own, as the garbage collector would act on the objects of other tests too."""
    found = {name: build.find(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
    etcd, apiserver, manager = found.values()
    if etcd is None or apiserver is None or manager is None:
        pytest.skip(f"not built: {', '.join(name for name, path in found.items() if path is None)}")
    names = f"{CONTROLLERS},garbage-collector-controller"
    with RealCluster(etcd, apiserver, kubectl_binary) as cluster, Controllers(manager, cluster, names):
        yield cluster


@pytest.fixture
def controller(controller_binary: Path, own_cluster: RealCluster, tmp_path: Path) -> Iterator[Server]:
    """The controller, running for one namespace."""
    for definition in definitions():
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert own_cluster.request("POST", path, definition).status == 201
    for plural in ("externalsecrets", "secretstores"):
        until(lambda plural=plural: own_cluster.request("GET", f"/apis/external-secrets.io/v1/{plural}").status == 200)
    assert own_cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAME}}).status == 201
    environ = {
        "KUBECONFIG": str(own_cluster.kubeconfig(tmp_path / "controller.kubeconfig")),
        "PATH": "",
        "HOME": str(tmp_path),
    }
    server = Server([controller_binary, "--namespace", NAME, *FLAGS], tmp_path / "controller.log", environ)
    yield server
    server.stop()


@pytest.fixture
def place(
    controller: Server, own_cluster: RealCluster, openbao: DevVault, kubectl_binary: Path, tmp_path: Path
) -> Place:
    """Return the layout, deployed; the controller has made its Secret."""
    folder, home, document = tmp_path / "repository", tmp_path / "home", tmp_path.name
    home.mkdir()
    openbao.put(document, {"openai": VALUES["OPENAI_API_KEY"], "cartesia": {"key": VALUES["CARTESIA_API_KEY"]}})
    files = {
        name: text.replace("SERVER", openbao.address).replace("DOCUMENT", document) for name, text in LAYOUT.items()
    }
    write_files(folder, files)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(kubectl_binary.parent), "/usr/bin", "/bin"])
    environ = {"PATH": path, "HOME": str(home), "KUBECONFIG": str(own_cluster.kubeconfig(tmp_path / "kubeconfig"))}
    environ |= {"VAULT_TOKEN": openbao.root}
    place = Place(folder, own_cluster, environ)
    token = {"metadata": {"name": "vault-token"}, "stringData": {"token": openbao.root}}
    assert own_cluster.request("POST", f"/api/v1/namespaces/{NAME}/secrets", token).status == 201
    place.run("kubectl apply -k overlays/staging")
    until(lambda: place.values() == VALUES, f"the controller made no Secret:\n{controller.tail()}")
    until(lambda: place.workload()[1], "the Deployment has no ReplicaSet")
    return place


@pytest.mark.real
def test_migration_from_external_secrets_loses_nothing_and_restarts_nothing(place: Place, controller: Server) -> None:
    uid, workload = place.secret()["metadata"]["uid"], place.workload()
    assert place.secret()["metadata"]["ownerReferences"][0]["kind"] == "ExternalSecret"
    place.block("draft")

    said = place.block("look", status=1)
    release = [line for line in help_block("from-external-secrets-release").splitlines() if line]
    assert [line.strip() for line in said.splitlines() if line.startswith("  kubectl ")] == release
    assert "the next sync changes its value" not in said

    place.block("release")
    metadata = place.secret()["metadata"]
    assert "ownerReferences" not in metadata
    assert "reconcile.external-secrets.io" not in json.dumps([metadata.get("labels"), metadata.get("annotations")])
    assert place.get(f"/apis/external-secrets.io/v1/namespaces/{NAME}/externalsecrets")["items"] == []

    said = place.block("adopt")
    assert "2 keys of 1 object: taken over" in said
    assert "nothing to do" in place.run("bridge plan staging")
    assert place.get(f"/api/v1/namespaces/{NAME}/configmaps/bridge-{NAME}")

    place.block("remove")
    controller.stop()
    place.run("kubectl get crd -o name | grep external-secrets | xargs kubectl delete")
    place.run("rm base/external.yaml && sed -i 's/external.yaml, //' base/kustomization.yaml")
    place.run("kubectl apply -k overlays/staging")
    assert "nothing to do" in place.run("bridge sync staging")
    assert place.values() == VALUES
    assert place.secret()["metadata"]["uid"] == uid
    assert place.workload() == workload


@pytest.mark.real
def test_release_tells_what_is_left_after_each_command(place: Place) -> None:
    """Whoever stops after any command sees the rest, in the same order."""
    place.block("draft")
    commands = [line for line in help_block("from-external-secrets-release").splitlines() if line]
    steps = [line.split()[3:5] for line in commands]
    counts = [len(commands)]
    for command in commands:
        place.run(command)
        assert place.values() == VALUES
        if command == commands[0]:
            until(lambda: "ownerReferences" not in place.secret()["metadata"], "the controller kept its reference")
        said = place.run("bridge adopt staging --dry-run || true")
        left = [line.split()[3:5] for line in said.splitlines() if line.startswith("  kubectl ")]
        assert left == [step for step in steps if step in left]
        counts.append(len(left))
    assert counts == [5, 3, 3, 2, 0, 0]  # a deletion leaves no mark; it is repeated until the others are off
