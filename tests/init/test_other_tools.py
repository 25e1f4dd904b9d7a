"""What `bridge init` drafts from the resources of External Secrets and of Vault's operator, and from vals' values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.desk import Result
from tests.team import write_files

Run = Callable[..., Result]

HEAD: Final = "apiVersion: external-secrets.io/v1\nkind: "
STORES: Final = f"""\
{HEAD}SecretStore
metadata: {{name: vault}}
spec:
  provider:
    vault:
      server: https://vault.example.com:8200
      path: kv
      version: v2
      auth: {{kubernetes: {{mountPath: k8s, role: web, serviceAccountRef: {{name: web}}}}}}
---
{HEAD.replace("/v1", "/v1beta1")}ClusterSecretStore
metadata: {{name: ssm}}
spec: {{provider: {{aws: {{service: ParameterStore, region: eu-west-3, prefix: /web/}}}}}}
---
{HEAD.replace("/v1", "/v1beta1")}ClusterSecretStore
metadata: {{name: aws}}
spec: {{provider: {{aws: {{service: SecretsManager, region: eu-west-3}}}}}}
---
{HEAD}SecretStore
metadata: {{name: scaleway}}
spec:
  provider:
    scaleway:
      region: fr-par
      projectId: 11111111-2222-3333-4444-555555555555
      accessKey: {{value: CANARY-access}}
      secretKey: {{value: CANARY-key}}
---
{HEAD}SecretStore
metadata: {{name: fake}}
spec: {{provider: {{fake: {{data: [{{key: a, value: CANARY-fake}}]}}}}}}
"""
VAULT: Final = {
    "address": "https://vault.example.com:8200",
    "mount": "kv",
    "kv_version": 2,
    "auth": [{"method": "kubernetes", "role": "web", "mount": "k8s"}, {"method": "token"}],
}


def external(spec: str, name: str = "db") -> str:
    """Return an ExternalSecret that reads from the store `vault`."""
    return f"{HEAD}ExternalSecret\nmetadata: {{name: {name}}}\nspec:\n  secretStoreRef: {{name: vault}}\n{spec}"


def key(name: str, remote: str, more: str = "") -> str:
    return f"  data: [{{secretKey: {name}, remoteRef: {{{remote}}}{more}}}]\n"


class Draft:
    """What one layout becomes."""

    def __init__(self, run: Run, *manifests: str, overlay: str = "", more: dict[str, str] | None = None) -> None:
        files = {
            "base/all.yaml": "---\n".join((STORES, *manifests)),
            "base/kustomization.yaml": "resources: [all.yaml]",
        }
        files["overlays/staging/kustomization.yaml"] = f"namespace: web\nresources: [../../base]\n{overlay}"
        write_files(Path(), files | (more or {}))
        self.result = run("init", "staging", "--from", ".", "--config", "drafts")
        assert self.result.status == 0, self.result.err
        self.environment: dict[str, Any] = yaml.safe_load(Path("drafts/staging.yaml").read_text())

    @property
    def variables(self) -> Any:
        return self.environment.get("variables")

    @property
    def secrets(self) -> dict[str, Any]:
        text = Path("drafts/staging.objects.yaml").read_text()
        return {one["metadata"]["name"]: one.get("stringData") for one in yaml.safe_load_all(text)}


def test_an_external_secret_becomes_a_template_with_references(run: Run) -> None:
    entries = """\
  target: {name: web, template: {type: kubernetes.io/basic-auth, metadata: {labels: {app: web}}}}
  data:
    - {secretKey: password, remoteRef: {key: web/staging, property: db.password, version: "3"}}
    - {secretKey: cert, remoteRef: {key: kv/web/tls, property: crt, decodingStrategy: Base64}}
    - {secretKey: at, remoteRef: {key: "web@1", property: x}}
    - secretKey: parameter
      sourceRef: {storeRef: {kind: ClusterSecretStore, name: ssm}}
      remoteRef: {key: token}
    - secretKey: api
      sourceRef: {storeRef: {kind: ClusterSecretStore, name: aws}}
      remoteRef: {key: voice, property: api, version: uuid/11111111-2222-3333-4444-555555555555}
    - secretKey: scw
      sourceRef: {storeRef: {name: scaleway}}
      remoteRef: {key: "path:/voice/app", property: key}
"""
    draft = Draft(run, external(entries))
    assert draft.variables == {
        "password": "vault:web/staging@3#db.password",
        "cert": {"from": "vault:kv/web/tls#crt", "decode": "base64"},
        "at": {"provider": "vault", "path": "web@1", "field": "x"},
        "parameter": "aws:ssm:/web/token",
        "api": "aws:voice@11111111-2222-3333-4444-555555555555#api",
        "scw": "scaleway:/voice/app#key",
    }
    assert draft.environment["providers"] == {
        "vault": VAULT,
        "aws": {"region": "eu-west-3"},
        "scaleway": {"region": "fr-par", "project_id": "11111111-2222-3333-4444-555555555555"},
    }
    assert draft.environment["sources"] == []
    assert draft.secrets == {"web": {name: f"${{{name}}}" for name in draft.variables}}
    text = Path("drafts/staging.objects.yaml").read_text()
    assert "type: kubernetes.io/basic-auth" in text
    assert "app: web" in text
    assert "age-keygen" not in draft.result.out
    assert "Secret/web  password   vault:web/staging@3#db.password" in draft.result.out
    assert "ExternalSecret/db creates Secret/web, which is drafted as a template" in draft.result.err
    assert run("check", "staging", "--config", "drafts").status == 0


def test_a_key_of_two_secrets_has_two_variables_unless_its_reference_is_the_same(run: Run) -> None:
    first, second, third = (
        external(key("password", f"key: {path}, property: password"), name)
        for name, path in (("a", "one"), ("b", "two"), ("c", "one"))
    )
    draft = Draft(run, first, second, third)
    assert draft.variables == {"password": "vault:one#password", "b_password": "vault:two#password"}
    assert draft.secrets["c"] == {"password": "${password}"}


def test_a_variable_of_another_template_keeps_its_value(run: Run) -> None:
    secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {a: "${password}"}\n'
    draft = Draft(run, external(key("password", "key: one, property: p")), secret)
    assert draft.variables == {"db_password": "vault:one#p"}
    assert draft.environment["sources"] == ["sops:staging.sops.yaml"]


def test_a_template_of_plain_fields_is_kept(run: Run) -> None:
    spec = """\
  target:
    template:
      data: {url: "postgres://{{ .user }}:{{ .password }}@db/${x}", up: "{{ .user | upper }}", t: CANARY}
  data:
    - {secretKey: user, remoteRef: {key: db, property: user}}
    - {secretKey: password, remoteRef: {key: db, property: password}}
"""
    draft = Draft(run, external(spec))
    url = "postgres://${user}:${password}@db/$${x}"
    assert draft.secrets == {"db": {"url": url, "up": "${db_up}", "t": "${db_t}"}}
    assert draft.variables == {"user": "vault:db#user", "password": "vault:db#password"}
    assert "ExternalSecret/db key up has a template that bridge cannot evaluate" in draft.result.err
    assert "ExternalSecret/db key t is a text in the template" in draft.result.err


def test_a_pull_secret_is_composed_with_escaped_values(run: Run) -> None:
    auths = '{"auths":{"r":{"username":"{{ .user }}","password":"{{ .password }}"}}}'
    spec = f"""\
  target: {{template: {{type: kubernetes.io/dockerconfigjson, data: {{.dockerconfigjson: '{auths}'}}}}}}
  data:
    - {{secretKey: user, remoteRef: {{key: db, property: user}}}}
    - {{secretKey: password, remoteRef: {{key: db, property: password}}}}
"""
    draft = Draft(run, external(spec))
    text = '{"auths":{"r":{"username":"${user|json}","password":"${password|json}"}}}'
    assert draft.secrets == {"db": {".dockerconfigjson": text}}
    assert run("check", "staging", "--config", "drafts").status == 0


POD: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: a, env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: token}}}]}]
      volumes: [{name: v, secret: {secretName: db, items: [{key: tls.crt, path: a}]}}]
"""


def test_a_whole_document_becomes_a_source_and_its_keys_are_those_that_pods_use(run: Run) -> None:
    draft = Draft(run, external("  dataFrom: [{extract: {key: web}}]\n"), POD)
    assert draft.environment["sources"] == ["vault:web"]
    assert draft.secrets == {"db": {"token": "${token}", "tls.crt": "${tls_crt}"}}
    assert draft.variables == {"token": "vault:web#token", "tls_crt": "vault:web#tls.crt"}
    told = "takes every key of vault:web, unknown until it is read; the layout's pods name: token, 'tls.crt'"
    assert told in draft.result.err
    assert "add each other key to Secret/db in the drafted template, as KEY: ${KEY}" in draft.result.err


def test_of_several_whole_documents_the_last_is_the_first_source(run: Run) -> None:
    draft = Draft(run, external("  dataFrom: [{extract: {key: a}}, {extract: {key: b}}]\n"), POD)
    assert draft.environment["sources"] == ["sops:staging.sops.yaml", "vault:b", "vault:a"]
    assert draft.secrets["db"] == {"token": "${token}", "tls.crt": "${db_tls_crt}"}  # no field has this name
    assert draft.variables is None
    assert "has several documents as sources" in draft.result.err


OVERLAY: Final = """\
patches:
  - target: {group: external-secrets.io, kind: ExternalSecret, name: db}
    patch: |-
      - {op: replace, path: /spec/data/0/remoteRef/key, value: staging}
      - {op: add, path: /spec/data/-, value: {secretKey: b, remoteRef: {key: staging, property: b}}}
  - patch: |-
      apiVersion: external-secrets.io/v1
      kind: SecretStore
      metadata: {name: vault}
      spec: {provider: {vault: {server: "https://other.example.com:8200", version: null}}}
"""


def test_patches_of_the_overlay_are_followed(run: Run) -> None:
    draft = Draft(run, external(key("a", "key: base, property: a")), overlay=OVERLAY)
    assert draft.variables == {"a": "vault:staging#a", "b": "vault:staging#b"}
    changed = VAULT | {"address": "https://other.example.com:8200"}
    changed.pop("kv_version")
    assert draft.environment["providers"] == {"vault": changed}


@pytest.mark.parametrize(
    "operation", ["{op: test, path: /spec}", "{op: remove, path: /spec/data/7}", "{op: add, path: x}"]
)
def test_a_patch_that_cannot_be_followed_is_named(run: Run, operation: str) -> None:
    overlay = f"patches:\n  - target: {{kind: ExternalSecret}}\n    patch: '[{operation}]'\n"
    draft = Draft(run, external(key("a", "key: base, property: a")), overlay=overlay)
    assert "is a JSON patch of ExternalSecret/db that bridge does not follow" in draft.result.err


UNTRANSLATED: Final = {
    "  dataFrom: [{find: {name: {regexp: CANARY}}}]\n": "has dataFrom with find, which is not translated",
    "  dataFrom: [{extract: {key: a}, rewrite: [{regexp: {source: CANARY}}]}]\n": "has dataFrom with rewrite",
    "  dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: a}}}]\n": "has dataFrom with a generator",
    "  target: {template: {templateFrom: [{literal: CANARY}]}}\n": "has templateFrom, which is not translated",
    "  target: {creationPolicy: None}\n": "creates no Secret (creationPolicy: None)",
    "  target: {manifest: {kind: ConfigMap}}\n": "creates an object that is not a Secret",
    "  refreshInterval: '0'\n": "never refreshes its Secret; bridge always follows the store",
    key("a", "", ", sourceRef: {generatorRef: {name: a}}"): "key a comes from a generator, which is not translated",
    key("a", "key: b, property: 'c|@reverse'"): "key a has a property that is an expression",
    key("a", "key: '${CANARY}'"): "key a names no key that can be read before another tool fills it in",
    key("a", "key: b, metadataPolicy: Fetch"): "key a reads metadata (metadataPolicy: Fetch)",
    key("a", "key: b, property: c, decodingStrategy: Auto"): "key a has decodingStrategy Auto",
    key("a", "key: b", ", sourceRef: {storeRef: {name: away}}"): "uses SecretStore/away, which is not in the layout",
    key("a", "key: a", ", sourceRef: {storeRef: {name: fake}}"): "has a provider that bridge does not translate: fake",
    key("a", "key: b", ", sourceRef: {storeRef: {name: scaleway}}"): "has a key that is not id:UUID",
}


@pytest.mark.parametrize("spec", UNTRANSLATED)
def test_what_cannot_be_translated_is_named_with_its_object(run: Run, spec: str) -> None:
    draft = Draft(run, external(spec))
    line = next(line for line in draft.result.lines if UNTRANSLATED[spec] in line)
    assert line.startswith(
        ("bridge: warning: base/all.yaml: ExternalSecret/db ", "bridge: warning: base/all.yaml: SecretStore/fake ")
    )
    if "decodingStrategy" not in spec:
        assert draft.variables is None


def test_an_untranslated_key_is_never_filled_with_another_keys_value(run: Run) -> None:
    lost = external(key("password", "", ", sourceRef: {generatorRef: {name: a}}"), "lost")
    draft = Draft(run, lost, external(key("password", "key: a, property: password")))
    assert draft.secrets == {"lost": {"password": "${lost_password}"}, "db": {"password": "${password}"}}
    assert "nowhere yet" in draft.result.out


def test_an_untranslated_key_avoids_the_longer_name_of_another_key_too(run: Run) -> None:
    given = external(key("x_y", "key: a, property: p"))
    lost = external(key("y", "", ", sourceRef: {generatorRef: {name: a}}"), "x")
    assert Draft(run, given, lost).secrets == {"db": {"x_y": "${x_y}"}, "x": {"y": "${x_y_2}"}}


@pytest.mark.parametrize("kind", ["PushSecret", "ClusterExternalSecret"])
def test_other_kinds_are_named(run: Run, kind: str) -> None:
    draft = Draft(run, f"{HEAD}{kind}\nmetadata: {{name: x}}\nspec: {{}}\n")
    assert f"base/all.yaml: has {kind}/x of another tool, which is not translated" in draft.result.err


@pytest.mark.parametrize(
    "content", ["[]", "null", "text", "{data: text}", "{data: [7], dataFrom: [x]}", "{target: [1]}"]
)
def test_a_malformed_resource_is_no_bug(run: Run, content: str) -> None:
    manifest = f"{HEAD}ExternalSecret\nmetadata: {{name: x}}\nspec: {content}\n"
    store = f"{HEAD}SecretStore\nmetadata: {{name: y}}\nspec: {content}\n"
    vault = (
        f"apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultStaticSecret\nmetadata: {{name: z}}\nspec: {content}\n"
    )
    Draft(run, manifest, store, vault)


@pytest.mark.parametrize("content", ["[x]", "{a: b}", "7", "null", '"${X}"'])
@pytest.mark.parametrize("field", ["server", "version", "auth", "caBundle", "namespace"])
def test_a_malformed_store_is_no_bug(run: Run, field: str, content: str) -> None:
    provider = f"{{vault: {{{field}: {content}}}}}"
    store = f"{HEAD}SecretStore\nmetadata: {{name: odd}}\nspec: {{provider: {provider}}}\n"
    entry = key("a", "key: b, property: c", ", sourceRef: {storeRef: {name: odd}}")
    assert Draft(run, store, external(entry)).variables == {"a": "vault:b#c"}


def test_the_keys_of_an_existing_secret_are_merged(run: Run) -> None:
    secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {own: "${OWN}"}\n'
    merged = "  target: {creationPolicy: Merge}\n" + key("more", "key: a, property: b")
    draft = Draft(run, secret, external(merged))
    assert draft.secrets == {"db": {"own": "${OWN}", "more": "${more}"}}


CONNECTION: Final = """\
apiVersion: secrets.hashicorp.com/v1beta1
kind: VaultConnection
metadata: {name: default}
spec: {address: "https://vault.example.com:8200", skipTLSVerify: false}
---
apiVersion: secrets.hashicorp.com/v1beta1
kind: VaultAuth
metadata: {name: web}
spec: {method: kubernetes, mount: k8s, namespace: login, kubernetes: {role: web, serviceAccount: default}}
---
apiVersion: secrets.hashicorp.com/v1beta1
kind: VaultStaticSecret
metadata: {name: app}
spec:
  vaultAuthRef: web
  mount: kv
  type: kv-v2
  path: web/app
  version: 2
  destination: {create: true, name: db, labels: {app: web}%s}
"""


def test_a_vault_static_secret_becomes_a_template(run: Run) -> None:
    transformation = (
        ", transformation: {excludeRaw: true, includes: ['^key$'],"
        " templates: {dsn: {text: ' {{- get .Secrets \"dsn\" -}} '}, up: {text: '{{ upper .Secrets.CANARY }}'},"
        ' line: {text: "{{ .Secrets.line }}\\n"}}}'
    )
    draft = Draft(run, CONNECTION % transformation)
    assert draft.variables == {name: f"vault:kv/web/app@2#{name}" for name in ("dsn", "line", "key")}
    assert draft.secrets == {"db": {"key": "${key}", "dsn": "${dsn}", "up": "${db_up}", "line": "${line}\n"}}
    auth = [{"method": "kubernetes", "role": "web", "mount": "k8s"}, {"method": "token"}]
    section = {"address": "https://vault.example.com:8200", "namespace": "login", "auth": auth}
    assert draft.environment["providers"] == {"vault": section}
    assert "VaultStaticSecret/app key up has a template that bridge cannot evaluate" in draft.result.err


def test_a_vault_static_secret_with_every_key_becomes_a_source(run: Run) -> None:
    draft = Draft(run, CONNECTION % "", POD)
    assert draft.environment["sources"] == ["vault:kv/web/app@2"]
    assert set(draft.secrets["db"]) == {"token", "tls.crt"}
    assert "writes the key _raw with the whole document, which is not drafted" in draft.result.err


VALS: Final = """\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData:
  A: ref+vault://kv/foo?address=https://vault.example.com:8200&version=3#/a/b
  B: "postgres://u:ref+awssecrets://db/x?region=eu-west-3#/password+@host"
  C: ref+awsssm://voice/p?region=eu-west-3
  D: ref+sops://base/x.sops.yaml#/k
  E: ref+echo://CANARY-echo
  F: ref+vault://kv/foo?token_env=CANARY#/b
  H: secretref+vault://kv/foo?address=https://vault.example.com:8200&decode=base64#/h
data:
  G: ref+vault://kv/foo?address=https://vault.example.com:8200#/b64
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {X: "ref+awsssm://voice/p?region=eu-west-3", Y: plain}
---
apiVersion: v1
kind: Secret
metadata: {name: pat}
stringData: {K: "${K}"}
"""
PATCH: Final = """\
apiVersion: v1
kind: Secret
metadata: {name: pat}
stringData: {K: "ref+vault://kv/foo?address=https://vault.example.com:8200#/k"}
"""


def test_values_of_vals_become_references(run: Run) -> None:
    files = {"base/x.sops.yaml": "", "overlays/staging/patch.yaml": PATCH}
    draft = Draft(run, VALS, overlay="patches: [{path: patch.yaml}]\n", more=files)
    assert draft.variables == {
        "A": "vault:kv/foo@3#a.b",
        "B": "aws:db/x#password",
        "C": "aws:ssm:/voice/p",
        "D": "sops:../base/x.sops.yaml#k",
        "G": {"from": "vault:kv/foo#b64", "decode": "base64"},
        "H": {"from": "vault:kv/foo#h", "decode": "base64"},
        "K": "vault:kv/foo#k",
        "c_X": "aws:ssm:/voice/p",
    }
    assert draft.environment["providers"] == {
        "vault": {"address": "https://vault.example.com:8200"},
        "aws": {"region": "eu-west-3"},
    }
    secret = draft.secrets["db"]
    assert secret["B"] == "postgres://u:${B}@host"
    assert (secret["E"], secret["F"]) == ("${db_E}", "${db_F}")
    assert "Secret/db key E has a ref+echo value that is not translated" in draft.result.err
    assert "Secret/db key F has a ref+vault value that is not translated" in draft.result.err
    assert "bridge import staging overlays" not in draft.result.out


def test_a_secret_and_a_config_map_never_share_a_variable(run: Run) -> None:
    reference = "ref+awsssm://voice/p"
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{c_X: {reference}}}\n"
    public = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{X: {reference}}}\n"
    draft = Draft(run, secret, public)
    assert draft.variables == {"c_X": "aws:ssm:/voice/p", "c_X_2": "aws:ssm:/voice/p"}
    text = Path("drafts/staging.objects.yaml").read_text()
    assert "X: ${c_X_2}" in text
