"""A team's kustomize application: a base with placeholders, two overlays with plaintext patches, a Deployment."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import team
from tests.desk import Desk

PLAINTEXT = {"staging": "CANARY-staging-in-clear", "prod": "CANARY-prod-in-clear"}

OVERLAY = """\
# The overlay of one environment.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: NAMESPACE
resources:
  - ../../base   # shared by all
patches:
  # the real values; not in git
  - path: patches/NAME-secret-config-patch.yml
  - path: patches/replicas.yml
"""

REPLICAS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec: {replicas: 3}
"""


PUBLIC = {"shared-config": {"LIVEKIT_URL": "wss://livekit.example.com", "DOMAIN": "example.com"}}


def in_clear(value: str) -> str:
    """Return an overlay's patch: each key of the Secrets with the same value, and a ConfigMap."""
    return f"{team.secrets(dict.fromkeys(team.VALUES, value))}---\n{team.manifests('ConfigMap', PUBLIC)}"


@dataclass(frozen=True)
class Application:
    """The application's folder, beside the desk's configuration, and what builds it."""

    folder: Path
    kustomize: Path

    def overlay(self, name: str) -> Path:
        return self.folder / "overlays" / name

    def kustomization(self, name: str) -> str:
        return (self.overlay(name) / "kustomization.yaml").read_text()

    def build(self, name: str) -> str:
        done = subprocess.run([self.kustomize, "build", self.overlay(name)], capture_output=True, text=True, check=True)
        return done.stdout

    def files(self) -> dict[str, str]:
        """Return every file with its content."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_text() for path in paths}


def application(desk: Desk, kustomize: Path) -> Application:
    """Write the application beside the desk's configuration, whose templates become its base."""
    app = Application(desk.folder.parent / "apps", kustomize)
    desk.canaries |= set(PLAINTEXT.values())
    base = {"secrets.yml": team.SECRETS, "configmap.yml": team.CONFIG_MAPS, "deployment.yml": team.DEPLOYMENT}
    for name, text in (base | {"kustomization.yaml": team.BASE}).items():
        desk.write(f"../apps/base/{name}", text)
    for name, value in PLAINTEXT.items():
        folder = f"../apps/overlays/{name}"
        text = OVERLAY.replace("NAMESPACE", desk.target.namespace).replace("NAME", name)
        desk.write(f"{folder}/kustomization.yaml", text)
        desk.write(f"{folder}/patches/{name}-secret-config-patch.yml", in_clear(value))
        desk.write(f"{folder}/patches/replicas.yml", REPLICAS)
    desk.environment(templates=["../apps/base/secrets.yml", "../apps/base/configmap.yml"])
    return app
