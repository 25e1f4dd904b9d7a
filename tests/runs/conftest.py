"""An operator's desk: a folder of configuration, a cluster, and the program."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.testing.apiserver import EmbeddedCluster

NAMESPACE = "voice"
THIRD_PARTY = Path(__file__).parent.parent / "thirdparty"

SECRETS = """\
apiVersion: v1
kind: Secret
metadata: {name: shared-secrets}
stringData:
  LIVEKIT_API_KEY: ${LIVEKIT_API_KEY}
  LIVEKIT_API_SECRET: ${LIVEKIT_API_SECRET}
---
apiVersion: v1
kind: Secret
metadata: {name: agent-secrets}
stringData:
  CARTESIA_API_KEY: ${CARTESIA_API_KEY}
  OPENAI_API_KEY: ${OPENAI_API_KEY}
  DEEPGRAM_API_KEY: ${DEEPGRAM_API_KEY}
"""

CONFIG_MAPS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared-config}
data: {LIVEKIT_URL: "${LIVEKIT_URL}", DOMAIN: "${DOMAIN}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent-config}
data: {ENV_MODE: "${K8_ENV}", LOG_LEVEL: "${LOG_LEVEL:-info}", METRICS_ENABLED: "true"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: front-config}
data: {NODE_ENV: production, CACHE_ENABLED: "${CACHE_ENABLED:-true}"}
"""

VALUES = {
    "LIVEKIT_API_KEY": "CANARY-livekit-key",
    "LIVEKIT_API_SECRET": "CANARY-livekit-secret",
    "CARTESIA_API_KEY": "CANARY-cartesia",
    "OPENAI_API_KEY": "CANARY-openai",
    "DEEPGRAM_API_KEY": "CANARY-deepgram",
}

ENV_FILE = {
    "K8_ENV": "staging",
    "CLUSTER_NAME": "demo",
    "REGISTRY_BASE": "registry.example.com/demo",
    "LIVEKIT_URL": "wss://livekit.example.com",
    "DOMAIN": "example.com",
}


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


@dataclass
class Desk:
    """Where an operator works: files, and commands."""

    folder: Path
    run: Callable[..., Result]
    canaries: set[str] = field(default_factory=lambda: set(VALUES.values()))

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
            "namespace": NAMESPACE,
            "templates": ["base/secrets.yml", "base/configmap.yml"],
            "env_file": ".env.k8s.staging",
            "sources": ["plain:values.json"],
            "cluster": {"kubeconfig": "kubeconfig"},
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
        self.write(".env.k8s.staging", "".join(f"{key}={value}\n" for key, value in content.items() if value is not None))


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the third party's provider as pip does, in a folder of its own on the path."""
    folder = tmp_path_factory.mktemp("third-party")
    source = folder / "source"
    source.mkdir()
    for file in THIRD_PARTY.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", folder / "site", source], check=True)
    sys.path.insert(0, str(folder / "site"))
    yield folder / "site"
    sys.path.remove(str(folder / "site"))


@pytest.fixture
def embedded() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], third_party: Path
) -> Desk:
    """A desk with the team's usual files; nothing of the real user's home is seen."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "BRIDGE_CONFIG", "K8_ENV", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        status = main([*arguments, "--config", str(tmp_path / "config")])
        out, err = capfd.readouterr()
        for canary in desk.canaries:
            for form in (canary, base64.b64encode(canary.encode()).decode(), json.dumps(canary)[1:-1]):
                assert form not in out + err, "a value was shown"
        return Result(status, out, err)

    desk = Desk(tmp_path / "config", run)
    desk.write("base/secrets.yml", SECRETS)
    desk.write("base/configmap.yml", CONFIG_MAPS)
    desk.environment()
    desk.values()
    desk.env_file()
    return desk
