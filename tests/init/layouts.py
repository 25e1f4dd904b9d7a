"""Layouts of kustomize as public repositories have them; each is a way to give Secrets and ConfigMaps their values."""

from typing import Final

from tests.init import team_layout

DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - &web
          name: web
          image: registry.example.com/web:1
          envFrom: [{secretRef: {name: db}}, {configMapRef: {name: settings}}]
        - <<: *web
          name: worker
"""
SECRET: Final = """\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {DB_USER: "${DB_USER}", DB_PASSWORD: "${DB_PASSWORD}"}
"""
SETTINGS: Final = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: info, DB_HOST: localhost}
"""
BASE: Final = {
    "base/kustomization.yaml": "resources: [secret.yaml, settings.yaml, deployment.yaml]\n",
    "base/secret.yaml": SECRET,
    "base/settings.yaml": SETTINGS,
    "base/deployment.yaml": DEPLOYMENT,
}
OVERLAY: Final = "overlays/staging/kustomization.yaml"
HEAD: Final = "namespace: web-staging\nresources: [../../base]\n"
VALUES: Final = """\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {DB_USER: CANARY-user, DB_PASSWORD: CANARY-password}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {DB_HOST: db.staging.example.com}
"""
COMPONENT: Final = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
resources: [sentry.yaml]
patches:
  - patch: |-
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: settings}
      data: {TRACING: "true"}
labels: [{pairs: {tracing: sentry}}]
"""
SENTRY: Final = """\
apiVersion: v1
kind: Secret
metadata: {name: sentry}
stringData: {DSN: "${SENTRY_DSN}"}
"""
HELM: Final = """\
---
# Source: redis/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata:
  name: release-redis
  namespace: "default"
  labels:
    app.kubernetes.io/instance: release
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: redis-18.1.0
type: Opaque
data:
  redis-password: "Q0FOQVJZLXJlZGlz"
---
# Source: redis/templates/configmap.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: release-redis-configuration
  namespace: "default"
data:
  redis.conf: |-
    appendonly yes
    save ""
---
# Source: redis/templates/health.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: release-redis-health
  namespace: "default"
data:
  ping.sh: |-
    [[ -f $REDIS_PASSWORD_FILE ]] && export REDISCLI_AUTH="${REDIS_PASSWORD:0:9}"
---
# Source: redis/templates/serviceaccount.yaml
apiVersion: v1
kind: ServiceAccount
metadata: {name: release-redis, creationTimestamp: null}
"""
CRD: Final = (
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.example.com}\n"
    "spec: " + "{a: " * 60 + "1" + "}" * 60 + "\n"
)
DRY_RUN: Final = """\
apiVersion: v1
data:
  token: Q0FOQVJZLXRva2Vu
kind: Secret
metadata:
  creationTimestamp: null
  name: made-by-kubectl
"""
LIST: Final = """\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    metadata: {name: db, namespace: "${NAMESPACE}"}
    stringData: {DB_USER: "${DB_USER}", DB_PASSWORD: "${DB_PASSWORD}"}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {LOG_LEVEL: info}}
"""
ENV: Final = "# the real values\nDB_USER=CANARY-user\nDB_PASSWORD=CANARY-password\n"
LAYOUTS: Final[dict[str, dict[str, str]]] = {
    "the team's": {f"{name}": text for name, text in team_layout.FILES.items()},
    "patch beside the build": BASE | {OVERLAY: HEAD, "config/staging-secret-config-patch.yml": VALUES},
    "patch in the build": BASE
    | {OVERLAY: HEAD + "patches: [{path: values.yaml}]\n", "overlays/staging/values.yaml": VALUES},
    "older patches": BASE
    | {OVERLAY: HEAD + "patchesStrategicMerge: [values.yaml]\n", "overlays/staging/values.yaml": VALUES},
    "JSON patches": BASE
    | {
        OVERLAY: HEAD
        + "patches:\n  - target: {kind: ConfigMap, name: settings}\n    patch: |-\n"
        + "      - {op: replace, path: /data/DB_HOST, value: db.example.com}\n"
        + "patchesJson6902:\n  - target: {version: v1, kind: Secret, name: db}\n    path: p.json\n",
        "overlays/staging/p.json": '[{"op": "add", "path": "/stringData/MORE", "value": "CANARY-more"}]',
    },
    "component": BASE
    | {
        OVERLAY: HEAD + "components: [../../components/sentry]\n",
        "components/sentry/kustomization.yaml": COMPONENT,
        "components/sentry/sentry.yaml": SENTRY,
    },
    "manifests of helm": BASE
    | {OVERLAY: "namespace: web-staging\nresources: [../../base, redis.yaml]\n", "overlays/staging/redis.yaml": HELM},
    "charts": BASE | {OVERLAY: HEAD + "helmCharts: [{name: redis, releaseName: a, repo: 'https://example.com'}]\n"},
    "generators with a hash": BASE
    | {
        OVERLAY: HEAD
        + "secretGenerator: [{name: made, envs: [.env.secret]}]\n"
        + "configMapGenerator: [{name: made, literals: [A=b]}]\n",
        "overlays/staging/.env.secret": ENV,
    },
    "generators without a hash": {
        "base/kustomization.yaml": "resources: [deployment.yaml]\n",
        "base/deployment.yaml": DEPLOYMENT,
        OVERLAY: HEAD
        + "generatorOptions: {disableNameSuffixHash: true, labels: {made: here}}\n"
        + "secretGenerator:\n  - {name: db, envs: [.env.secret]}\n  - {name: other, literals: [DB_USER=CANARY-other]}\n"
        + "  - {name: tls, type: kubernetes.io/tls, files: [tls.crt, tls.key=key.pem]}\n"
        + "configMapGenerator:\n  - name: settings\n    literals: [LOG_LEVEL=info, 'DB_HOST=\"db\"']\n"
        + "    files: [page.html, nginx.conf]\n",
        "overlays/staging/.env.secret": ENV,
        "overlays/staging/tls.crt": "CANARY-certificate\n",
        "overlays/staging/key.pem": "CANARY-key\n",
        "overlays/staging/page.html": "<h1>${title?html}</h1>\n",
        "overlays/staging/nginx.conf": "server { listen 80; }\n",
    },
    "generators over manifests": BASE
    | {
        OVERLAY: HEAD
        + "secretGenerator: [{name: db, behavior: merge, literals: [DB_USER=CANARY-user]}]\n"
        + "configMapGenerator: [{name: settings, behavior: merge, literals: [LOG_LEVEL=debug, NEW=here]}]\n",
    },
    "generators over generators": {
        "base/kustomization.yaml": "secretGenerator: [{name: db, literals: [DB_USER=CANARY-a, OLD=CANARY-b]}]\n",
        OVERLAY: HEAD + "secretGenerator: [{name: db, behavior: replace, literals: [DB_USER=CANARY-c]}]\n"
        "generatorOptions: {disableNameSuffixHash: true}\n",
    },
    "several bases": {
        **{f"one/{name}": text for name, text in BASE.items()},
        "two/kustomization.yaml": "namePrefix: two-\nresources: [../one/base/secret.yaml]\n",
        "two/kustomization.yml.txt": "",
        OVERLAY: "namespace: web-staging\nresources: [../../one/base, ../../sentry]\n",
        "sentry/kustomization.yaml": "namePrefix: two-\nresources: [sentry.yaml]\n",
        "sentry/sentry.yaml": SENTRY,
    },
    "bases in namespaces of their own": {
        **BASE,
        "base/kustomization.yaml": "namespace: web\n" + BASE["base/kustomization.yaml"],
        "sentry/kustomization.yaml": "namespace: sentry\nresources: [sentry.yaml]\n",
        "sentry/sentry.yaml": SENTRY,
        OVERLAY: "resources: [../../base, ../../sentry]\n",
        "config/.env.k8s.staging": "K8S_NAMESPACE=web\n",
    },
    "two levels of overlays": {
        **BASE,
        "regions/eu/kustomization.yaml": "resources: [../../base]\nnameSuffix: -eu\nlabels: [{pairs: {region: eu}}]\n",
        "overlays/eu/staging/kustomization.yaml": "namespace: web-staging\nresources: [../../../regions/eu]\n"
        "patches: [{path: values.yaml}]\n",
        "overlays/eu/staging/values.yaml": VALUES.replace("{name: db}", "{name: db-eu}"),
    },
    "without overlays": {**BASE, "kustomization.yaml": HEAD.replace("../../base", "base")},
    "namespaces in the manifests": BASE
    | {
        "base/secret.yaml": SECRET.replace("{name", "{namespace: web-staging, name"),
        OVERLAY: "resources: [../../base]\n",
    },
    "another namespace in the base": BASE
    | {"base/secret.yaml": SECRET.replace("{name", "{namespace: prod, name"), OVERLAY: HEAD},
    "an empty prefix": BASE
    | {
        OVERLAY: HEAD
        + 'namePrefix: ""\nnameSuffix: ""\npatches: [{target: {kind: ConfigMap, name: ""}, path: p.yaml}]\n',
        "overlays/staging/p.yaml": SETTINGS,
    },
    "labels and annotations": BASE
    | {
        OVERLAY: HEAD
        + "commonLabels: {team: a}\nlabels: [{pairs: {environment: staging}}]\n"
        + "commonAnnotations: {reloader.stakater.com/match: 'true', note: '${X}'}\nbuildMetadata: [managedByLabel]\n"
        + "patches:\n  - patch: |-\n      apiVersion: v1\n      kind: Secret\n"
        + "      metadata: {name: db, labels: {tier: data}}\n",
    },
    "what kubectl writes": BASE
    | {
        OVERLAY: "namespace: web-staging\nresources: [../../base, made.yaml, crd.yaml]\n",
        "overlays/staging/made.yaml": DRY_RUN,
        "overlays/staging/crd.yaml": CRD,
    },
    "a list": {"base/kustomization.yaml": "resources: [all.yaml]\n", "base/all.yaml": LIST, OVERLAY: HEAD},
    "merge keys in a Secret": BASE
    | {
        "base/secret.yaml": f"{SECRET}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: more}}\n"
        'stringData: {<<: {A: &a "${A}", B: *a}, C: c}\n',
        OVERLAY: HEAD,
    },
    "local objects": BASE
    | {
        "base/settings.yaml": SETTINGS.replace(
            "{name: settings}", "{name: x, annotations: {config.kubernetes.io/local-config: 'true'}}"
        ),
        OVERLAY: HEAD,
    },
    "service account tokens": BASE
    | {
        "base/settings.yaml": f"{SETTINGS}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: token, annotations: "
        "{kubernetes.io/service-account.name: x}}\ntype: kubernetes.io/service-account-token\n",
        OVERLAY: HEAD,
    },
    "an object per file": BASE
    | {
        "base/kustomization.yaml": "resources: [db.yaml, other.yaml, deployment.yaml]\n",
        "base/db.yaml": SECRET,
        "base/other.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: other, creationTimestamp: null}\n"
        "stringData: {DB_USER: CANARY-another, DB_PASSWORD: 'CANARY-${x!y}'}\n",
        OVERLAY: HEAD,
    },
}
