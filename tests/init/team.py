"""A team's kustomize layout as it is before moving in: two overlays, one base, the real values in clear."""

from pathlib import Path

CANARIES = {
    "CANARY-livekit-key",
    "CANARY-livekit-secret",
    "CANARY-cartesia",
    "CANARY-openai",
    "CANARY-deepgram",
    "CANARY-registry",
}
BASE = "resources: [secrets.yml, configmap.yml, deployment.yml]\n"
SECRETS = """\
apiVersion: v1
kind: Secret
metadata: {name: shared-secrets}
type: Opaque
stringData:
  LIVEKIT_API_KEY: ${LIVEKIT_API_KEY}
  LIVEKIT_API_SECRET: ${LIVEKIT_API_SECRET}
---
apiVersion: v1
kind: Secret
metadata: {name: agent-secrets}
type: Opaque
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
data: {ENV_MODE: "${ENV_MODE}", LOG_LEVEL: "info", METRICS_ENABLED: "${METRICS_ENABLED:-true}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: front-config}
data: {NODE_ENV: production, CACHE_ENABLED: "true"}
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
          image: agent
          envFrom: [{secretRef: {name: agent-secrets}}, {configMapRef: {name: agent-config}}]
"""
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: voice-agent-staging
resources: [../../base]
patches:
  - path: patches/staging-secret-config-patch.yml
  - target: {kind: ConfigMap, name: front-.*}
    patch: |-
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: any}
      data: {CACHE_ENABLED: "false"}
"""
PATCH = """\
apiVersion: v1
kind: Secret
metadata: {name: shared-secrets}
stringData: {LIVEKIT_API_KEY: CANARY-livekit-key, LIVEKIT_API_SECRET: CANARY-livekit-secret}
---
apiVersion: v1
kind: Secret
metadata: {name: agent-secrets}
stringData: {CARTESIA_API_KEY: CANARY-cartesia, OPENAI_API_KEY: CANARY-openai, DEEPGRAM_API_KEY: CANARY-deepgram}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shared-config}
data: {LIVEKIT_URL: "wss://livekit.staging.example.com", DOMAIN: staging.example.com}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent-config}
data:
  ENV_MODE: "yes"
  LOG_LEVEL: "0755"
  NOTES: |
    # no comment
    a: "1"  # and: {[ ' é
"""
ENV_FILE = """\
K8_ENV=staging
SCW_SECRET_KEY=CANARY-registry
CLUSTER_NAME="voice agent"
REGISTRY_BASE=registry.example.com/voice
K8S_NAMESPACE=voice-agent-staging
"""
FILES = {
    "apps/base/kustomization.yaml": BASE,
    "apps/base/secrets.yml": SECRETS,
    "apps/base/configmap.yml": CONFIG_MAPS,
    "apps/base/deployment.yml": DEPLOYMENT,
    "apps/overlays/staging/kustomization.yaml": OVERLAY,
    "apps/overlays/staging/patches/staging-secret-config-patch.yml": PATCH,
    "apps/overlays/prod/kustomization.yaml": "namespace: voice-agent-prod\nresources: [../../base]\n",
    "config/.env.k8s.staging": ENV_FILE,
    "config/prod-secret-config-patch.yml": PATCH.replace("CANARY", "CANARY-prod").replace("staging.", "prod."),
}


def write_layout(root: Path) -> Path:
    """Write the files below a folder, and return it."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
