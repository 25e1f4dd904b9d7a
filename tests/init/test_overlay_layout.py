"""What of an overlay is understood, and what is told instead, always by name."""

from pathlib import Path

import pytest
import yaml

from bridge.draft.from_layout import draft_from_layout
from bridge.draft.layout_model import Drafted
from tests import team
from tests.canary import CANARY, refusal
from tests.init import team_layout

OVERLAY = Path("k8/apps/overlays/staging")
KUSTOMIZATION = f"{OVERLAY}/kustomization.yaml"
PATCH = f"{OVERLAY}/p.yml"
HEADER = "namespace: voice\nresources: [../../base]\n"
HEAD = "apiVersion: v1\nkind: {}\nmetadata: {{name: {}}}\n"
SECRET = HEAD.format("Secret", "agent-secrets")
NOBODY = HEAD.format("Secret", "nobody")
CONFIG = HEAD.format("ConfigMap", "agent-config")
JSON_PATCH = """\
patches:
  - target: {kind: Secret, name: agent-.*}
    patch: |-
      - {op: add, path: /data/NEW, value: CANARY-5ecre7}
"""
INLINE_PATCH = """\
patches:
  - patch: |-
      kind: Secret
      metadata: {name: agent-secrets}
      stringData: {OPENAI_API_KEY: CANARY-5ecre7}
"""


@pytest.fixture
def draft(tmp_path, monkeypatch):
    """Draft `staging` with an overlay's own fields, and a patch p.yml; no remark may hold the canary."""
    monkeypatch.chdir(tmp_path)
    team_layout.write_layout(Path("k8"))
    (OVERLAY / "patches" / "staging-secret-config-patch.yml").unlink()

    def draft(fields: str = "", patch: str = "", base: str | None = None, head: str = HEADER) -> Drafted:
        listed = "patches: [{path: p.yml}]\n" if patch else ""
        Path(KUSTOMIZATION).write_text(head + listed + fields)
        (OVERLAY / "p.yml").write_text(patch)
        if base is not None:
            Path("k8/apps/base/secrets.yml").write_text(base)
        drafted = draft_from_layout("staging", Path("config"), Path("k8"))
        assert CANARY not in str(drafted.remarks) + "".join(drafted.texts.values()) + str(drafted.keys)
        return drafted

    return draft


def told(drafted: Drafted) -> list[tuple[str, str]]:
    """Return the remarks but those of the env file, which the usual layout always has here."""
    return [(one.where, one.what) for one in drafted.remarks if ".env.k8s" not in one.where]


@pytest.mark.parametrize(
    ("fields", "remark"),
    [
        (
            "components: ['https://u:CANARY-5ecre7@example.com/x?ref=1']",
            (f"{KUSTOMIZATION} components[0]", "is not on this machine and was not fetched"),
        ),
        (
            "secretGenerator: [{name: made, literals: [A=CANARY-5ecre7]}]",
            (
                f"{KUSTOMIZATION} secretGenerator[0]",
                "creates Secret/made with a hash in its name, which bridge cannot take over",
            ),
        ),
        (
            "replacements: [{path: x}]",
            (f"{KUSTOMIZATION} replacements", "may create or change objects; bridge does not follow it"),
        ),
        (
            JSON_PATCH,
            (
                f"{KUSTOMIZATION} patches[0]",
                "is a JSON patch of Secret/agent-secrets (/data/NEW); bridge does not follow it",
            ),
        ),
        (
            "patches:\n- target: {labelSelector: app=x}\n  patch: |-\n    data: {A: CANARY-5ecre7}",
            (f"{KUSTOMIZATION} patches[0]", "selects by label or annotation; bridge does not follow it"),
        ),
        (
            INLINE_PATCH,
            (f"{KUSTOMIZATION} patches[0]", "has a Secret's values in the kustomization itself"),
        ),
    ],
)
def test_what_is_not_understood_in_kustomization(draft, fields, remark):
    assert remark in told(draft(fields))


@pytest.mark.parametrize(
    ("patch", "what"),
    [
        (f"{NOBODY}stringData: {{A: {CANARY}}}", "patches Secret/nobody, which no resource defines"),
        (f"{SECRET}stringData: {{NEW: {CANARY}}}", "gives S/a key NEW, which is in no template"),
        (f"{SECRET}$patch: delete", "deletes S/a from the build; bridge would still write it"),
        (f"{SECRET}$patch: replace", "replaces S/a as a whole; its template still has all keys of the base"),
        (f"{SECRET}type: other", "sets type of S/a to a different value than its template"),
        (f"{SECRET}stringData: {{OPENAI_API_KEY: null}}", "removes S/a key OPENAI_API_KEY, which is in its template"),
        (f"{SECRET}stringData: null", "replaces or removes stringData of S/a as a whole; bridge does not follow it"),
        (f"{CONFIG}data: {{LOG_LEVEL: 5}}", "C/a key LOG_LEVEL is not text"),
        (f"{CONFIG}data: {{LOG_LEVEL: '${{LEVEL}}'}}", "C/a key LOG_LEVEL contains a placeholder; it was left out"),
        (f"{CONFIG}data: {{API_TOKEN: {CANARY}}}", "C/a key API_TOKEN is named like a secret; it was left out"),
        (f"{CONFIG}data: {{A: 'https://u:{CANARY}@x'}}", "C/a key A looks like a secret; it was left out"),
        (
            f"{SECRET}stringData: {{OPENAI_API_KEY: {CANARY}}}\n---\n{CONFIG}data: {{A: 'is {CANARY}'}}",
            "C/a key A contains the value of a secret; it was left out",
        ),
        (f"{CONFIG}binaryData: {{A: AAEC}}", "C/a key A is in binaryData; it was left out"),
    ],
)
def test_what_is_not_taken_over_from_patch(draft, patch, what):
    what = what.replace("S/a", "Secret/agent-secrets").replace("C/a", "ConfigMap/agent-config")
    assert (PATCH, what) in told(draft(patch=patch))


@pytest.mark.parametrize("value", ["True", "5432", "postgres"])
def test_common_value_is_public_although_secret_has_it_too(draft, value):
    patch = f"{SECRET}stringData: {{OPENAI_API_KEY: '{value}'}}\n---\n{CONFIG}data: {{LOG_LEVEL: '{value}'}}"
    drafted = draft(patch=patch)
    assert not [what for _, what in told(drafted) if "LOG_LEVEL" in what]
    text = drafted.texts["staging.public.yaml"]
    assert [one["data"] for one in yaml.safe_load_all(text) if one] == [{"LOG_LEVEL": value, "METRICS_ENABLED": "true"}]


def test_short_public_value_that_secret_has_too_is_reported(draft):
    patch = f"{SECRET}stringData: {{OPENAI_API_KEY: s3cr3t}}\n---\n{CONFIG}data: {{LOG_LEVEL: s3cr3t}}"
    what = "ConfigMap/agent-config key LOG_LEVEL has the value of a secret but is public"
    assert (PATCH, what) in told(draft(patch=patch))


def test_patch_that_repeats_templates_placeholder_gives_no_value(draft):
    drafted = draft(patch=f"{SECRET}stringData: {{OPENAI_API_KEY: '${{OPENAI_API_KEY}}', CARTESIA_API_KEY: '${{x'}}")
    assert [one.place for one in drafted.keys if one.key.endswith("I_API_KEY")] == ["nowhere yet"]
    assert [one.place for one in drafted.keys if one.key.startswith("CARTESIA")] == [f"to be imported from {PATCH}"]


def test_base64_in_secrets_data_is_compared_in_clear(draft):
    patch = f"{SECRET}data: {{OPENAI_API_KEY: Q0FOQVJZLTVlY3JlNw==}}\n---\n{CONFIG}data: {{A: {CANARY}}}"
    assert told(draft(patch=patch)) == [
        (PATCH, "ConfigMap/agent-config key A contains the value of a secret; it was left out")
    ]


def test_new_key_of_config_map_is_public_value_like_others(draft):
    drafted = draft(patch=f"{CONFIG}data: {{NEW: here}}")
    assert told(drafted) == []
    assert "  NEW: here\n" in drafted.texts["staging.public.yaml"]
    assert [one.place for one in drafted.keys if one.key == "NEW"] == [f"staging.public.yaml (from {PATCH})"]


def test_where_build_and_file_beside_it_differ_builds_value_is_taken(draft):
    Path("k8/config/staging-secret-config-patch.yml").write_text(f"{CONFIG}data: {{LOG_LEVEL: debug, B: c}}")
    drafted = draft(patch=f"{CONFIG}data: {{LOG_LEVEL: trace}}")
    what = f"ConfigMap/agent-config key LOG_LEVEL has a different value than {PATCH}, which the build deploys"
    assert told(drafted) == [("k8/config/staging-secret-config-patch.yml", what)]
    assert "  LOG_LEVEL: trace\n" in drafted.texts["staging.public.yaml"]
    assert "  B: c\n" in drafted.texts["staging.public.yaml"]


def test_literal_in_bases_secret_is_reported_by_name(draft):
    drafted = draft(base=f"{SECRET}stringData: {{OPENAI_API_KEY: {CANARY}}}")
    assert told(drafted) == [
        ("k8/apps/base/secrets.yml", "Secret/agent-secrets key OPENAI_API_KEY contains a literal value")
    ]
    (hint,) = [one.hint for one in drafted.remarks if one.what.endswith("contains a literal value")]
    assert hint == "replace it with ${OPENAI_API_KEY}, and import the value"


def test_objects_beside_others_are_written_out_without_secret(draft):
    secret = f"{SECRET}type: Opaque\nstringData: {{OPENAI_API_KEY: {CANARY}, tls.key: {CANARY}, URL: 'x${{Y}}'}}"
    drafted = draft(base=f"{secret}\n---\n{team.DEPLOYMENT}")
    what = "also has objects of other kinds, so it cannot be a template: "
    what += "staging.objects.yaml has a copy of Secret/agent-secrets"
    assert told(drafted)[-1] == ("k8/apps/base/secrets.yml", what)
    text = drafted.texts["staging.objects.yaml"]
    assert "  OPENAI_API_KEY: ${OPENAI_API_KEY}\n  tls.key: ${tls_key}\n  URL: x${Y}\n" in text
    assert "secrets.yml" not in drafted.texts["staging.yaml"]
    assert 'tls_key: ""\nY: ""\n' in drafted.texts["staging.sops.example.yaml"]


def test_what_env_file_gives_is_reported(draft):
    env = "K8_ENV=prod\nOPENAI_API_KEY=CANARY-5ecre7\nENV_MODE=x\nK8S_NAMESPACE=other\n"
    Path("k8/config/.env.k8s.staging").write_text(env)
    drafted = draft()
    assert [one.what for one in drafted.remarks] == [
        "K8_ENV names a different environment than staging",
        "K8S_NAMESPACE names a different namespace than the overlay (voice)",
        "contains values for Secrets (OPENAI_API_KEY), which may not come from an env file",
    ]
    assert drafted.imports == (Path("k8/config/.env.k8s.staging"),)
    assert "infrastructure:\n  K8_ENV: required\n  K8S_NAMESPACE: required\n\n" in drafted.texts["staging.yaml"]


def public(drafted: Drafted, name: str) -> dict[str, str]:
    documents = yaml.safe_load_all(drafted.texts["staging.public.yaml"])
    return next(one["data"] for one in documents if one and one["metadata"]["name"] == name)


def test_what_config_maps_get_from_env_file_or_by_default_is_written_out(draft):
    """A fresh clone has no env file, and a value that the file might hold is refused there."""
    keys = 'A: "${ENV_MODE}", B: "${NONE:-by default}", C: "${EMPTY:-x}-${EMPTY-y}", D: "${K8_ENV}/${K8S_NAMESPACE}"'
    keys += ', E: "${NONE}", F: "${ENV_MODE|json}", H: "$${ENV_MODE}", API_KEY: "${PASSWORD}"'
    Path("k8/config/.env.k8s.staging").write_text(f"ENV_MODE=$x\nEMPTY=\nPASSWORD={CANARY}\n")
    drafted = draft(base=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: other}}\ndata: {{{keys}}}\n")
    assert public(drafted, "other") == {"A": "$x", "B": "by default", "C": "x-", "D": "staging/voice"}
    assert any(one.what.startswith("ConfigMap/other key API_KEY ") for one in drafted.remarks)
    place = next(one.place for one in drafted.keys if one.key == "A")
    assert place == "staging.public.yaml (from k8/config/.env.k8s.staging)"


def test_what_env_file_is_still_to_say_is_left_to_it(draft):
    Path("k8/config/.env.k8s.staging").unlink()
    Path("k8/config/.env.k8s.staging.example").write_text("K8_ENV=\nENV_MODE=\n")
    keys = "A: '${ENV_MODE:-x}', B: '${B:-y}'"
    drafted = draft(base=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: other}}\ndata: {{{keys}}}\n")
    assert public(drafted, "other") == {"B": "y"}


def test_without_env_file_its_example_gives_names(draft):
    Path("k8/config/.env.k8s.staging").rename("k8/config/.env.k8s.prod.example")
    drafted = draft()
    text = drafted.texts["staging.yaml"]
    assert ("config/.env.k8s.staging", "does not exist yet") in [(one.where, one.what) for one in drafted.remarks]
    assert "env_file: .env.k8s.staging   # TO DO: it does not exist yet\n" in text
    assert "  SCW_SECRET_KEY: secret\n" in text


def test_namespace_that_nobody_names_is_left_to_do(draft):
    Path("k8/config/.env.k8s.staging").write_text("K8_ENV=staging\n")
    drafted = draft(head="resources: [../../base]\n")
    assert told(drafted) == [(str(OVERLAY), "has no namespace, and K8S_NAMESPACE is not set")]
    assert "# namespace: voice-agent-staging   # TO DO" in drafted.texts["staging.yaml"]
    assert "id: staging " in drafted.texts["staging.yaml"]


def test_overlay_that_is_among_its_own_resources(draft):
    Path("k8/apps/base/kustomization.yaml").write_text("resources: [../overlays/staging]")
    assert refusal(draft) == [("k8/apps/overlays/staging", "lists itself as a resource")]


@pytest.mark.parametrize(
    ("base", "remark"),
    [
        ("kind: List\nitems: [5]", ("document 1 items[0]", "is not an object with a name")),
        ("kind: [Secret]\nmetadata: {name: [x]}", ("document 1", "is not an object with a name")),
        ("- just text", ("document 1", "is not an object with a name")),
        (
            "kind: ExternalSecret\nmetadata: {name: x}",
            ("", "has ExternalSecret/x, with a controller that creates a Secret that bridge cannot take over"),
        ),
    ],
)
def test_resource_that_is_nothing_for_bridge(draft, base, remark):
    where, what = remark
    assert (f"k8/apps/base/secrets.yml {where}".strip(), what) in told(draft(base=base))


@pytest.mark.parametrize("patch", ["kind: [Secret]\nmetadata: {name: x}", "metadata: 5", "a: b", "- 5"])
def test_patch_that_names_no_object_is_nobodys(draft, patch):
    assert told(draft(patch=patch)) == []


def test_config_map_that_patch_deletes_gives_no_public_value(draft):
    patch = f"{CONFIG}data: {{LOG_LEVEL: trace}}\n---\n{CONFIG}$patch: delete\n"
    assert "agent-config" not in draft(patch=patch).texts["staging.public.yaml"]


def test_secrets_value_is_not_written_out_with_config_map(draft):
    base = f"{SECRET}stringData: {{A: {CANARY}}}\n---\n{CONFIG}data: {{B: {CANARY}, C: d}}\n---\n{team.DEPLOYMENT}"
    drafted = draft(base=base)
    what = "ConfigMap/agent-config key B contains the value of a secret; it was left out"
    assert ("k8/apps/base/secrets.yml", what) in told(drafted)
    assert "  C: d\n" in drafted.texts["staging.objects.yaml"]


def test_what_env_file_holds_in_secret_is_public_nowhere(draft):
    Path("k8/config/.env.k8s.staging").write_text(f"SCW_SECRET_KEY={CANARY}\n")
    what = "ConfigMap/agent-config key A contains the value of a secret; it was left out"
    assert (PATCH, what) in told(draft(patch=f"{CONFIG}data: {{A: {CANARY}}}"))


def test_patch_file_that_build_reaches_by_detour_is_read_once(draft):
    Path("k8/config/staging-secret-config-patch.yml").write_text(team_layout.PATCH)
    drafted = draft("patches: [{path: ../../../config/staging-secret-config-patch.yml}]")
    imported = [path.resolve() for path in drafted.imports if path.name != ".env.k8s.staging"]
    assert imported == [Path("k8/config/staging-secret-config-patch.yml").resolve()]


def test_overlays_namespace_counts_over_its_bases(draft):
    Path("k8/apps/base/kustomization.yaml").write_text(f"namespace: other\n{team.BASE}")
    assert "namespace: voice\n" in draft().texts["staging.yaml"]
