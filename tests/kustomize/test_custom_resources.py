"""Custom resources whose controllers write what bridge writes: by their samples, and what is none of them."""

from pathlib import Path

import pytest

from bridge.kustomize.custom_resources import MAKERS, made_elsewhere
from bridge.kustomize.objects import parse_build
from bridge.kustomize.overlap import Finding, Owned, Verdict
from bridge.objects import ObjectId

SAMPLES = Path(__file__).with_suffix("").with_name("custom_resources.yaml").read_text()
BUILD = parse_build(SAMPLES, "samples")
SECRET, CONFIG = ObjectId("Secret", "agent-secrets"), ObjectId("ConfigMap", "agent-secrets")
OWNED = Owned("voice", "bridge/voice-staging", {SECRET: ("OPENAI", "DEEPGRAM"), CONFIG: ("LEVEL",)})
EXTERNAL = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: agent-secrets}
spec:
  target: {creationPolicy: POLICY}
  data: [{secretKey: KEY, remoteRef: {key: a}}]
"""


def found(text: str, owned: Owned = OWNED) -> list[Finding]:
    return list(made_elsewhere(parse_build(text, "stdin"), owned))


@pytest.mark.parametrize("one", BUILD, ids=str)
def test_each_sample_is_error_that_names_both(one) -> None:
    (finding,) = made_elsewhere([one], OWNED)
    written = "ConfigMap/agent-secrets" if one.name.endswith("-config") else "Secret/agent-secrets"
    assert (finding.verdict, finding.object, finding.warning) == (Verdict.CONTROLLED, str(one), False)
    assert f"its controller continuously writes {written}" in finding.what
    assert f"remove {one} from the build, or {written} from the templates" in finding.hint


def test_there_is_sample_of_each_kind() -> None:
    kinds = {(one.version.rpartition("/")[0], one.kind) for one in BUILD}
    assert kinds >= {(maker.group, kind) for maker in MAKERS for kind in maker.kinds}


@pytest.mark.parametrize(
    ("owned", "text"),
    [
        (OWNED._replace(namespace="another"), SAMPLES),
        (OWNED._replace(keys={ObjectId("Secret", "front-secrets"): ("A",)}), SAMPLES),
        (OWNED, SAMPLES.replace("apiVersion: ", "apiVersion: x")),
    ],
    ids=["another namespace", "another object", "another group"],
)
def test_what_is_for_another_object_is_not_told(owned: Owned, text: str) -> None:
    assert [one for one in found(text, owned) if one.object != "PostgreSQLInstance/crossplane"] == []


def test_resource_without_namespace_may_be_of_this_one() -> None:
    assert len(found(SAMPLES.replace("namespace: voice", "namespace: '${K8S_NAMESPACE}'"))) == len(BUILD)
    assert len(found(EXTERNAL.replace("POLICY", "Orphan"))) == 1


@pytest.mark.parametrize(
    ("policy", "key", "keys"),
    [("None", "OPENAI", None), ("Merge", "THEIRS", None), ("Merge", "OPENAI", ("OPENAI",)), ("Owner", "THEIRS", ())],
)
def test_what_external_secret_writes_depends_on_its_policy(policy: str, key: str, keys: tuple[str, ...] | None) -> None:
    findings = found(EXTERNAL.replace("POLICY", policy).replace("KEY", key))
    assert [one.keys for one in findings] == ([] if keys is None else [keys])


def test_what_is_merged_from_elsewhere_may_have_every_key() -> None:
    text = EXTERNAL.replace("POLICY", "Merge").replace("KEY", "THEIRS")
    assert len(found(f"{text}  dataFrom: [{{extract: {{key: a}}}}]\n")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: clustersecret.io/v1\nkind: ClusterSecret\nmetadata: {name: agent-secrets}\nmatchNamespace: [v]\n",
        (
            "apiVersion: trust.cert-manager.io/v1alpha1\nkind: Bundle\nmetadata: {name: agent-secrets}\n"
            "spec: {sources: [{useDefaultCAs: true}], target: {configMap: {key: a.pem}}}\n"
        ),
        (
            "apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {name: agent-secrets}\n"
            "spec: {namespaceSelectors: [{matchLabels: {a: b}}], externalSecretSpec: {dataFrom: []}}\n"
        ),
    ],
)
def test_what_selects_its_namespaces_is_warning(text: str) -> None:
    (one,) = found(text)
    assert (one.verdict, one.warning) == (Verdict.CONTROLLED, True)
    assert "in every selected namespace" in one.what


def test_names_that_sops_encrypted_are_warning() -> None:
    name = "ENC[AES256_GCM,data:QQ==,iv:QQ==,tag:QQ==,type:str]"
    text = "apiVersion: isindir.github.com/v1alpha3\nkind: SopsSecret\nmetadata: {name: s}\nspec:\n  secretTemplates:\n"
    (one,) = found(f"{text}    - name: {name}\n    - name: {name}\n")
    assert (one.verdict, one.warning) == (Verdict.CONTROLLED, True)
    assert "is encrypted" in one.what


def test_ingress_without_issuer_makes_no_secret() -> None:
    head = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n"
    assert found(f"{head}spec: {{tls: [{{secretName: agent-secrets}}]}}\n") == []


@pytest.mark.parametrize(
    "spec", ["", "spec:", "spec: []", "spec: {target: [], data: x}", "spec: {target: {name: [a]}}"]
)
def test_malformed_resource_names_nothing(spec: str) -> None:
    text = "apiVersion: {}\nkind: {}\nmetadata: {{name: s}}\n{}\n"
    for maker in MAKERS:
        for kind in maker.kinds:
            assert found(text.format(f"{maker.group}/v1", kind, spec)) == []
