"""The way in from layouts as public repositories have them, with the real kubectl, kustomize and API server."""

import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.importing.migrating import run_line
from tests.init.layouts import DEPLOYMENT
from tests.servers.apiserver import RealCluster
from tests.team import write_files

GENERATED = {
    "base/kustomization.yaml": "resources: [deployment.yaml]\n"
    "configMapGenerator: [{name: settings, literals: [LOG_LEVEL=info, DB_HOST=localhost]}]\n"
    "generatorOptions: {disableNameSuffixHash: true}\n",
    "base/deployment.yaml": DEPLOYMENT,
    "components/tls/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    "secretGenerator: [{name: certificate, files: [ca.crt=ca.pem], options: {disableNameSuffixHash: true}}]\n",
    "components/tls/ca.pem": "CANARY-certificate\n",
    "overlays/staging/kustomization.yaml": "namespace: NAMESPACE\nresources:\n  - ../../base\n"
    "components:\n  - ../../components/tls\n"
    "labels:\n  - pairs: {environment: staging}\ncommonAnnotations: {reloader.stakater.com/match: 'true'}\n"
    "secretGenerator:\n  - name: db\n    envs: [.env.secret]\n    options: {disableNameSuffixHash: true}\n"
    "configMapGenerator:\n  - name: settings\n    behavior: merge\n    literals: [DB_HOST=db.staging.example.com]\n",
    "overlays/staging/.env.secret": "# not in git\nDB_USER=CANARY-user\nDB_PASSWORD=CANARY-p$5=\n",
}
RENDERED = """\
---
# Source: redis/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata:
  name: redis
  namespace: "default"
  creationTimestamp: null
  labels: {app.kubernetes.io/name: redis, helm.sh/chart: redis-18.1.0}
type: Opaque
data:
  redis-password: "Q0FOQVJZLXJlZGlz"
---
# Source: redis/templates/health.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: redis-health, namespace: default}
data:
  ping.sh: |-
    export REDISCLI_AUTH="${REDIS_PASSWORD:0:99}"
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: redis, namespace: default}
"""
REGIONS = {
    "base/kustomization.yaml": "resources: [all.yaml, settings.yaml]\n",
    "base/all.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n"
    'stringData: {DB_USER: "${DB_USER}", DB_PASSWORD: "${DB_PASSWORD}"}\n---\n' + DEPLOYMENT,
    "base/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
    "data: {LOG_LEVEL: info, DB_HOST: localhost}\n",
    "redis/kustomization.yaml": "resources: [rendered.yaml]\n",
    "redis/rendered.yaml": RENDERED,
    "regions/eu/kustomization.yaml": "resources: [../../base, ../../redis]\nnameSuffix: -eu\n"
    "labels: [{pairs: {region: eu}}]\n",
    "overlays/eu/staging/kustomization.yaml": "namespace: NAMESPACE\nnamePrefix: ''\n"
    "resources:\n  - ../../../regions/eu\n"
    "patches:\n  - path: values.yaml\n  - target: {kind: Deployment, name: web.*}\n    patch: |-\n"
    "      - {op: replace, path: /spec/replicas, value: 0}\n",
    "overlays/eu/staging/values.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db-eu}\n"
    "stringData: {DB_USER: CANARY-user, DB_PASSWORD: CANARY-password}\n---\n"
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings-eu}\ndata: {DB_HOST: db.eu.example.com}\n",
}


class Repository:
    """A repository that is deployed with `kubectl apply -k`, and who works in it."""

    def __init__(self, folder: Path, cluster: RealCluster, path: str) -> None:
        self.folder = folder
        self.cluster = cluster
        self.namespace = cluster.namespace()
        home = folder.parent / "home"
        self.environ = {"PATH": path, "HOME": str(home), "KUBECONFIG": str(folder.parent / "kubeconfig")}
        cluster.kubeconfig(Path(self.environ["KUBECONFIG"]))
        identity = pyrage.x25519.Identity.generate()
        write_files(home, {".config/sops/age/keys.txt": f"{identity}\n"})
        write_files(folder, {"config/.sops.yaml": f"creation_rules:\n  - age: {identity.to_public()}\n"})

    def fill(self, files: dict[str, str]) -> None:
        write_files(self.folder, {name: text.replace("NAMESPACE", self.namespace) for name, text in files.items()})
        write_files(self.folder, {"config/.env.k8s.staging": f"K8_ENV=staging\nK8S_NAMESPACE={self.namespace}\n"})

    def run(self, line: str) -> str:
        """Run a line of a shell in the folder; it has to succeed, and to show no value."""
        return run_line(line, self.folder, self.environ)

    def objects(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """Return what is in the namespace, but for what Kubernetes and bridge themselves keep there."""
        text = self.cluster.kubectl("-n", self.namespace, "get", ",".join(kinds), "-o", "json").stdout
        found = {f"{one['kind']}/{one['metadata']['name']}": one for one in json.loads(text)["items"]}
        return {name: one for name, one in found.items() if not re.search("/(kube-root|bridge-)", name)}

    def values(self) -> dict[str, Any]:
        """Return the values, labels and annotations of each Secret and ConfigMap."""
        found = {}
        for name, one in self.objects("secrets", "configmaps").items():
            data = one["data"]
            if one["kind"] == "Secret":
                data = {key: base64.b64decode(text).decode() for key, text in data.items()}
            annotations = one["metadata"].get("annotations") or {}
            kept = {key: text for key, text in annotations.items() if "last-applied" not in key}
            found[name] = (data, one["metadata"].get("labels"), kept)
        return found

    def versions(self) -> dict[str, str]:
        kinds = ("secrets", "configmaps", "deployments", "serviceaccounts")
        return {name: one["metadata"]["resourceVersion"] for name, one in self.objects(*kinds).items()}

    def move_in(self, overlay: str, *by_hand: str) -> dict[str, Any]:
        """Go the whole way, and return the report of `init`; no value changes on it."""
        self.run(f"kubectl apply -k {overlay}")
        before = self.values()
        data = json.loads(self.run("bridge init staging --from . --output json 2>/dev/null"))
        imports = [line for line in data["next"] if line.startswith("bridge import ")]
        for line in (*(f"{one} --yes" for one in imports), *by_hand, "bridge check staging"):
            self.run(line)
        self.run("bridge adopt staging --yes --rebind")
        self.run("bridge sync staging --first")
        assert self.values() == before
        self.run(f"bridge init staging --fix-kustomize {overlay}")
        assert self.values() == before
        self.run(f"kustomize build {overlay} | bridge check staging --manifests -")
        self.run(f"kubectl apply -k {overlay}")
        settled = self.versions()
        assert " configured" not in self.run(f"kubectl apply -k {overlay}")
        assert "nothing to do" in self.run("bridge sync staging")
        assert self.versions() == settled
        assert self.values() == before
        return data

    def make_anew(self, *names: str) -> None:
        """Delete objects, and let bridge write them: what the environment says has to be enough for that."""
        before = self.values()
        self.run(f"kubectl -n {self.namespace} delete {' '.join(names)}")
        self.run("bridge sync staging")
        assert self.values() == before


@pytest.fixture
def repository(real_cluster: RealCluster, kustomize_binary: Path, kubectl_binary: Path, tmp_path: Path) -> Repository:
    folders = [Path(sys.executable).parent, kustomize_binary.parent, kubectl_binary.parent]
    path = os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])
    return Repository(tmp_path / "repository", real_cluster, path)


def test_generators_with_fixed_names_and_component(repository: Repository) -> None:
    repository.fill(GENERATED)
    certificate = "(cat components/tls/ca.pem; echo) | bridge set staging ca_crt --yes"
    data = repository.move_in("overlays/staging", certificate)
    assert [one["hint"] for one in data["warnings"]] == [f"store it: `{certificate}`"]
    metadata = ({"environment": "staging"}, {"reloader.stakater.com/match": "true"})
    assert repository.values() == {
        "Secret/db": ({"DB_USER": "CANARY-user", "DB_PASSWORD": "CANARY-p$5="}, *metadata),
        "Secret/certificate": ({"ca.crt": "CANARY-certificate\n"}, *metadata),
        "ConfigMap/settings": ({"LOG_LEVEL": "info", "DB_HOST": "db.staging.example.com"}, *metadata),
    }
    repository.make_anew("Secret/db", "Secret/certificate", "ConfigMap/settings")


def test_nested_overlays_with_suffix_and_rendered_manifests(repository: Repository) -> None:
    repository.fill(REGIONS)
    redis = "printf CANARY-redis | bridge set staging redis_password --yes"
    data = repository.move_in("overlays/eu/staging", redis)
    assert "ConfigMap/redis-health-eu" in data["others"]
    chart = {"app.kubernetes.io/name": "redis", "helm.sh/chart": "redis-18.1.0"}
    labels = {"region": "eu"}
    values = repository.values()
    assert values.pop("ConfigMap/redis-health-eu")[0].keys() == {"ping.sh"}
    assert values == {
        "Secret/db-eu": ({"DB_USER": "CANARY-user", "DB_PASSWORD": "CANARY-password"}, labels, {}),
        "Secret/redis-eu": ({"redis-password": "CANARY-redis"}, labels | chart, {}),
        "ConfigMap/settings-eu": ({"LOG_LEVEL": "info", "DB_HOST": "db.eu.example.com"}, labels, {}),
    }
    repository.make_anew("Secret/db-eu", "Secret/redis-eu", "ConfigMap/settings-eu")
