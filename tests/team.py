"""A team's kustomize layout: a base with placeholders, an overlay for each environment with its values in clear.

apps/base/            kustomization.yaml, secrets.yml, configmap.yml, deployment.yml
apps/overlays/NAME/   kustomization.yaml, patches/NAME-secret-config-patch.yml
config/               .env.k8s.NAME
"""

import json
from collections.abc import Mapping
from pathlib import Path

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

OBJECTS = {
    "agent-secrets": ["CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY"],
    "shared-secrets": ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"],
}
"""The Secrets, and the keys of each."""

BASE = """\
resources:
  - secrets.yml
  - configmap.yml
  - deployment.yml
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers:
        - name: agent
          image: registry.example.com/agent:1
          envFrom:
            - secretRef: {name: agent-secrets}
            - configMapRef: {name: agent-config}
          env:
            - name: LIVEKIT
              valueFrom: {secretKeyRef: {name: shared-secrets, key: LIVEKIT_API_KEY}}
"""


def manifests(kind: str, objects: Mapping[str, Mapping[str, str]]) -> str:
    """Return a document for each Secret or ConfigMap, with its values in clear."""
    field = "stringData" if kind == "Secret" else "data"
    return "---\n".join(
        f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{field}: {json.dumps(data)}\n"
        for name, data in objects.items()
    )


def secrets(values: Mapping[str, str]) -> str:
    """Return the team's Secrets with these values in clear."""
    return manifests("Secret", {name: {key: values[key] for key in keys} for name, keys in OBJECTS.items()})


def env_file(variables: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder, and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
