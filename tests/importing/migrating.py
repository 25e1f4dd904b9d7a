"""A team's repository before it is migrated, deployed in clear, and the help page's way to migrate it."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.pages import help_block
from tests.servers.apiserver import RealCluster
from tests.servers.kwok import NODE
from tests.team import BASE, DEPLOYMENT, env_file, manifests, write_files

SECRETS = {
    "shared-secrets": {"LIVEKIT_API_KEY": "CANARY-livekit", "LIVEKIT_API_SECRET": "CANARY-secret $5 \"'"},
    "agent-secrets": {
        "CARTESIA_API_KEY": "CANARY-cartesia",
        "OPENAI_API_KEY": "CANARY-openai",
        "DEEPGRAM_API_KEY": "CANARY-deepgram",
    },
}
CONFIG_MAPS = {
    "shared-config": {"LIVEKIT_URL": "wss://livekit.staging.example.com", "DOMAIN": "staging.example.com"},
    "agent-config": {"ENV_MODE": "staging", "LOG_LEVEL": "debug", "METRICS_ENABLED": "true"},
    "front-config": {"NODE_ENV": "production", "CACHE_ENABLED": "false"},
}
OVERLAYS = {"staging": "", "prod": "-prod"}


def documents(suffix: str | None) -> dict[str, str]:
    """Return the base's files, with placeholders, or a patch's documents with the values of an overlay."""
    return {
        kind: manifests(
            kind,
            {
                name: {key: f"${{{key}}}" if suffix is None else value + suffix for key, value in data.items()}
                for name, data in objects.items()
            },
        )
        for kind, objects in (("Secret", SECRETS), ("ConfigMap", CONFIG_MAPS))
    }


def deployment() -> str:
    """Return the team's Deployment, with two pods on the node that kwok plays and with every object in them."""
    content = yaml.safe_load(DEPLOYMENT)
    content["spec"]["replicas"] = 2
    pod = content["spec"]["template"]["spec"]
    pod["nodeName"] = NODE
    pod["containers"][0]["envFrom"] = [{"secretRef": {"name": name}} for name in SECRETS] + [
        {"configMapRef": {"name": name}} for name in CONFIG_MAPS
    ]
    return json.dumps(content)


def run_line(line: str, folder: Path, environ: dict[str, str]) -> str:
    """Run a line of a shell in a folder, and return what it says; it has to succeed, and to show no value."""
    command = ["bash", "-o", "pipefail", "-c", line]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "CANARY" not in done.stdout + done.stderr
    return done.stdout + done.stderr


class Team:
    """A team's repository as it is before it is migrated, deployed with `kubectl apply -k`."""

    def __init__(self, folder: Path, cluster: RealCluster, namespaces: Mapping[str, str], path: str) -> None:
        self.folder = folder
        self.cluster = cluster
        self.namespaces = namespaces
        home = folder.parent / "home"
        home.mkdir()
        self.environ = {"PATH": path, "HOME": str(home), "KUBECONFIG": str(folder.parent / "kubeconfig")}
        cluster.kubeconfig(Path(self.environ["KUBECONFIG"]))
        base = documents(None)
        self.write("apps/base/secrets.yml", base["Secret"])
        self.write("apps/base/configmap.yml", base["ConfigMap"])
        self.write("apps/base/deployment.yml", deployment())
        self.write("apps/base/kustomization.yaml", BASE)
        for name, suffix in OVERLAYS.items():
            self._overlay(name, suffix)

    def _overlay(self, name: str, suffix: str) -> None:
        patch = f"patches/{name}-secret-config-patch.yml"
        values = documents(suffix)
        text = (
            f"# {name}\nnamespace: {self.namespaces[name]}\nresources:\n  - ../../base\npatches:\n  - path: {patch}\n"
        )
        self.write(f"apps/overlays/{name}/kustomization.yaml", text)
        self.write(f"apps/overlays/{name}/{patch}", f"{values['Secret']}---\n{values['ConfigMap']}")
        env = {
            "K8_ENV": name,
            "SCW_SECRET_KEY": f"CANARY-registry-of-{name}",
            "CLUSTER_NAME": "kapsule",
            "REGISTRY_BASE": "registry.example.com/voice",
            "K8S_NAMESPACE": self.namespaces[name],
        }
        self.write(f"config/.env.k8s.{name}", env_file(env))
        self.write(f"config/.env.k8s.{name}.example", env_file(dict.fromkeys(env, "")))

    def write(self, name: str, text: str) -> None:
        write_files(self.folder, {name: text})

    def run(self, line: str) -> str:
        """Run a line of a shell in the repository's folder; it has to succeed, and to show no value."""
        return run_line(line, self.folder, self.environ)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        group = "/apis/apps/v1" if kind == "Deployment" else "/api/v1"
        reply = self.cluster.request("GET", f"{group}/namespaces/{self.namespaces['staging']}/{kind.lower()}s/{name}")
        assert reply.status == 200
        return reply.body

    def values(self) -> dict[str, dict[str, str]]:
        found = {name: self.get("ConfigMap", name)["data"] for name in CONFIG_MAPS}
        for name in SECRETS:
            data = self.get("Secret", name)["data"]
            found[name] = {key: base64.b64decode(text).decode() for key, text in data.items()}
        return found

    def versions(self) -> dict[str, str]:
        names = {"Secret": SECRETS, "ConfigMap": CONFIG_MAPS, "Deployment": ["agent"]}
        return {
            f"{kind}/{name}": self.get(kind, name)["metadata"]["resourceVersion"]
            for kind, listed in names.items()
            for name in listed
        }

    def pods(self) -> set[str]:
        text = self.cluster.kubectl("-n", self.namespaces["staging"], "get", "pods", "-o", "json").stdout
        return {one["metadata"]["uid"] for one in json.loads(text)["items"]}

    def plaintext(self) -> set[str]:
        """Return the files that hold a value in clear, as it is or in base64."""
        forms = [b"CANARY", base64.b64encode(b"CANARY")[:6]]
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.folder)) for path in files if any(form in path.read_bytes() for form in forms)
        }


@contextmanager
def deployed(folder: Path, cluster: RealCluster, path: list[Path]) -> Iterator[Team]:
    """Yield a repository with two overlays, deployed in clear; a HOME of its own is empty."""
    namespaces = {name: cluster.namespace() for name in OVERLAYS}
    team = Team(folder / "repository", cluster, namespaces, os.pathsep.join([*map(str, path), "/usr/bin", "/bin"]))
    for name in OVERLAYS:
        team.run(f"kubectl apply -k apps/overlays/{name}")
    team.run(f"kubectl -n {namespaces['staging']} rollout status deployment/agent --timeout=60s")
    yield team
    for name in OVERLAYS:
        cluster.kubectl("-n", namespaces[name], "delete", "deployment", "agent")


def lines(team: Team, name: str = "migrating") -> list[str]:
    """Return the commands of the help page's block, for this team's namespace."""
    commands = [line.partition("  #")[0].rstrip() for line in help_block(name).splitlines() if not line.startswith("#")]
    named = [line.replace("voice-agent-staging", team.namespaces["staging"]) for line in commands if line]
    return [agreed_to(line) for line in named]


def agreed_to(line: str) -> str:
    """Return a command with a yes to all that it would ask."""
    agreed = {"bridge import": " --yes", "bridge adopt": " --yes --rebind"}
    return line + agreed.get(" ".join(line.split()[:2]), "")


def check_migration(team: Team, commands: list[str], config: Path | None = None) -> None:
    """Run the commands: nothing is lost, nothing is restarted, and nothing is left in clear."""
    if config:
        team.environ["BRIDGE_CONFIG"] = str(config)
    before, pods = team.values(), team.pods()
    assert before == {**SECRETS, **CONFIG_MAPS}
    prod = {name for name in team.plaintext() if "prod" in name}
    assert len(pods) == 2
    for line in commands:
        said = team.run(line)
        assert team.values() == before, line
    assert commands[-1].startswith("bridge scan staging ")
    assert "nothing found" in said
    assert team.pods() == pods
    assert team.plaintext() == prod
    for name in SECRETS:
        found = team.get("Secret", name)
        kept = json.dumps([found["metadata"].get("annotations"), found["metadata"]["managedFields"]])
        assert "CANARY" not in kept
        assert "last-applied" not in kept
    settled = team.versions()
    (deploy,) = [line for line in commands if line.startswith("kubectl apply")]
    assert " configured" not in team.run(deploy)
    assert "nothing to do" in team.run("bridge sync staging")
    assert team.versions() == settled
    assert "CANARY-registry-of-staging" not in team.run("bridge status staging")
    assert team.run("bridge exec staging --with SCW_SECRET_KEY -- sh -c 'printenv SCW_SECRET_KEY | wc -c'") == "27\n"
