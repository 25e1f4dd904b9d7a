"""The team's layout with what a draft has to understand: forms of patches, odd values, an overlay without a patch."""

from pathlib import Path

from tests import team

CANARIES = {*team.VALUES.values(), "CANARY-registry"}
CONFIG_MAPS = team.CONFIG_MAPS.replace(
    'ENV_MODE: "${K8_ENV}", LOG_LEVEL: "${LOG_LEVEL:-info}", METRICS_ENABLED: "true"',
    'ENV_MODE: "${ENV_MODE}", LOG_LEVEL: "info", METRICS_ENABLED: "${METRICS_ENABLED:-true}"',
).replace("${CACHE_ENABLED:-true}", "true")
"""The base's, with other public values left to the overlay."""
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
PATCH = (
    f"{team.secrets(team.VALUES)}---\n"
    """\
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
)
ENV_FILE = """\
K8_ENV=staging
SCW_SECRET_KEY=CANARY-registry
CLUSTER_NAME="voice agent"
REGISTRY_BASE=registry.example.com/voice
K8S_NAMESPACE=voice-agent-staging
"""
FILES = {
    "apps/base/kustomization.yaml": team.BASE,
    "apps/base/secrets.yml": team.SECRETS,
    "apps/base/configmap.yml": CONFIG_MAPS,
    "apps/base/deployment.yml": team.DEPLOYMENT,
    "apps/overlays/staging/kustomization.yaml": OVERLAY,
    "apps/overlays/staging/patches/staging-secret-config-patch.yml": PATCH,
    "apps/overlays/prod/kustomization.yaml": "namespace: voice-agent-prod\nresources: [../../base]\n",
    "config/.env.k8s.staging": ENV_FILE,
    "config/prod-secret-config-patch.yml": PATCH.replace("CANARY", "CANARY-prod").replace("staging.", "prod."),
}


def write_layout(root: Path) -> Path:
    """Write the files below a folder, and return it."""
    return team.write_files(root, FILES)
