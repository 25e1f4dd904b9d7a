"""`bridge check`: everything that is wrong with the files, offline and all at once."""

import json
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.config.reference import Reference
from bridge.provider import Context, Problem, Session
from bridge.sources import offline
from tests.desk import Desk, Result
from tests.team import CONFIG_MAPS, SECRETS, VALUES


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.target.embedded.requests.clear()
    return offline_desk


def check(desk: Desk, *errors: str, status: int) -> None:
    """Expect exactly these errors and no request to the cluster, from check and from sync."""
    for verb in ("check", "sync"):
        result = desk.run(verb, "staging")
        assert [line for line in result.lines if line.startswith("bridge: error")] == [
            f"bridge: error: {error}" for error in errors
        ]
        assert result.status == status
    assert desk.target.embedded.requests == []


def test_files_in_order(desk: Desk) -> None:
    infrastructure = {"K8_ENV": "required", "CLUSTER_NAME": "required", "SCW_SECRET_KEY": "secret"}
    desk.env_file(SCW_SECRET_KEY="CANARY-registry")
    desk.canaries.add("CANARY-registry")
    desk.environment(infrastructure=infrastructure, sources=[], secrets_from="any")
    desk.write("base/secrets.yml", "")
    desk.environment(infrastructure=infrastructure, sources=[], templates=["base/configmap.yml"])
    result = desk.run("check", "staging")
    assert result.out.splitlines() == [
        "INFRASTRUCTURE VARIABLE  VALUE     FROM",
        "K8_ENV                   staging   .env.k8s.staging",
        "CLUSTER_NAME             demo      .env.k8s.staging",
        "SCW_SECRET_KEY           ********  .env.k8s.staging",
        "staging: the files are valid",
    ]
    assert (result.status, result.err) == (0, "")


def test_line_of_env_file_that_loses_text_to_comment_is_reported(desk: Desk) -> None:
    desk.canaries |= {"CANARY-behind"}
    text = (desk.folder / ".env.k8s.staging").read_text()
    desk.write(".env.k8s.staging", f"# all of them\n{text}CACHE_ENABLED=false # CANARY-behind\nQUOTED='a # b' # c\n")
    result = desk.run("check", "staging")
    assert result.lines[:2] == [
        "bridge: warning: .env.k8s.staging CACHE_ENABLED: the text after ` #` was read as a comment",
        "bridge: hint: quote the value if it includes that text; otherwise move the comment to its own line",
    ]
    assert (result.status, "QUOTED" in result.err) == (0, False)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("ConfigMap", "front-config")["CACHE_ENABLED"] == "false"


def test_what_cannot_be_known_without_reading_is_said(desk: Desk) -> None:
    desk.environment(infrastructure={"SCW_SECRET_KEY": "secret"})
    result = desk.run("check", "staging")
    assert result.status == 0
    assert result.out.splitlines()[1] == (
        "SCW_SECRET_KEY           unknown until the source is read  perhaps plain:values.json"
    )
    assert result.lines[0] == "bridge: warning: plain:values.json: fields unknown until it is read"


def test_infrastructure_variables_that_are_missing_or_empty(desk: Desk) -> None:
    desk.env_file(CLUSTER_NAME=None, REGISTRY_BASE="")
    infrastructure = {"CLUSTER_NAME": "required", "REGISTRY_BASE": "required"}
    desk.environment(infrastructure=infrastructure, sources=[], templates=["base/configmap.yml"])
    result = desk.run("check", "staging")
    assert result.lines == [
        "bridge: error: staging.yaml: infrastructure.CLUSTER_NAME is not set",
        "bridge: error: staging.yaml: infrastructure.REGISTRY_BASE is not set",
        "bridge: hint: set it in .env.k8s.staging",
    ]
    assert result.status == 2


def test_infrastructure_variables_without_env_file_are_warning(desk: Desk) -> None:
    """The file is not in git, so a fresh clone has none, and what it would hold is not known."""
    (desk.folder / ".env.k8s.staging").unlink()
    infrastructure = {"CLUSTER_NAME": "required", "REGISTRY_BASE": "secret"}
    desk.write("base/configmap.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {A: b}\n")
    desk.environment(infrastructure=infrastructure, sources=[], templates=["base/configmap.yml"])
    result = desk.run("check", "staging")
    assert result.lines == [
        "bridge: warning: staging.yaml: infrastructure.CLUSTER_NAME is not set",
        "bridge: warning: staging.yaml: infrastructure.REGISTRY_BASE is not set",
        "bridge: hint: set it in .env.k8s.staging (which does not exist)",
    ]
    assert (result.status, "NOT SET" in result.out) == (0, True)


def test_json_says_same(desk: Desk) -> None:
    desk.environment(infrastructure={"CLUSTER_NAME": "required"}, sources=[], templates=["base/configmap.yml"])
    data = desk.run("check", "staging", "--output", "json").data
    assert re.fullmatch("[0-9a-f]{16}", data.pop("run"))
    assert data == {
        "schema": "bridge/report/v1",
        "environment": "staging",
        "infrastructure": [{"name": "CLUSTER_NAME", "set": True, "place": ".env.k8s.staging", "value": "demo"}],
        "warnings": [],
        "errors": [],
    }


def test_every_file_is_checked_in_one_go(desk: Desk) -> None:
    desk.write("base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", "${OPENAI_API_KEY"))
    desk.write("base/configmap.yml", CONFIG_MAPS.replace("NODE_ENV: production", "NODE_ENV: true"))
    desk.write(".env.k8s.staging", "K8_ENV=prod\nCANARY CANARY CANARY\n")
    desk.canaries.add("CANARY CANARY")
    desk.environment(sources=["plain:values.json", "nobody:x"])
    result = desk.run("check", "staging")
    assert result.status == 2
    assert len([line for line in result.lines if line.startswith("bridge: error")]) == 4


def test_env_file_for_another_environment(desk: Desk) -> None:
    desk.env_file(K8_ENV="prod")
    check(desk, ".env.k8s.staging: K8_ENV names a different environment than staging", status=2)


def test_namespace_that_two_files_do_not_agree_on(desk: Desk) -> None:
    desk.env_file(K8S_NAMESPACE="other")
    check(
        desk,
        ".env.k8s.staging: K8S_NAMESPACE names a different namespace than staging.yaml (voice)",
        status=2,
    )


def test_namespace_that_nobody_gives(desk: Desk) -> None:
    desk.environment(namespace=None)
    check(desk, "staging.yaml: namespace is missing, and K8S_NAMESPACE is not set", status=2)
    (desk.folder / ".env.k8s.staging").unlink()
    check(desk, "staging.yaml: namespace is missing, and .env.k8s.staging does not exist", status=2)


def test_namespace_from_env_file(desk: Desk) -> None:
    desk.environment(namespace=None)
    desk.env_file(K8S_NAMESPACE="voice")
    assert desk.run("sync", "staging").status == 0
    desk.env_file(K8S_NAMESPACE="CANARY-../x")
    desk.canaries.add("CANARY-../x")
    desk.target.embedded.requests.clear()
    check(desk, ".env.k8s.staging: K8S_NAMESPACE is not a valid namespace name", status=2)


@pytest.mark.parametrize(
    ("id_", "error"),
    [(None, "config/staging.yaml: id is missing"), ("Voice_Agent", "config/staging.yaml id: ")],
)
def test_id_that_is_missing_or_no_dns_label(desk: Desk, id_: str | None, error: str) -> None:
    desk.environment(id=id_)
    result = desk.run("check", "staging")
    assert result.status == 2
    assert error in result.lines[0]


def test_two_environments_that_meet_in_one_namespace_and_key(desk: Desk) -> None:
    desk.environment("prod", id="voice-agent-prod", env_file=None)
    errors = [
        f"staging.yaml: the environment prod also writes {name}"
        for name in (
            "Secret/shared-secrets key LIVEKIT_API_KEY",
            "Secret/shared-secrets key LIVEKIT_API_SECRET",
            "Secret/agent-secrets key CARTESIA_API_KEY",
            "Secret/agent-secrets key OPENAI_API_KEY",
            "Secret/agent-secrets key DEEPGRAM_API_KEY",
            "ConfigMap/shared-config key LIVEKIT_URL",
            "ConfigMap/shared-config key DOMAIN",
            "ConfigMap/agent-config key ENV_MODE",
            "ConfigMap/agent-config key LOG_LEVEL",
            "ConfigMap/agent-config key METRICS_ENABLED",
            "ConfigMap/front-config key NODE_ENV",
            "ConfigMap/front-config key CACHE_ENABLED",
        )
    ]
    check(desk, *errors, status=2)


def test_two_environments_with_one_id_in_one_namespace(desk: Desk) -> None:
    template = "apiVersion: v1\nkind: Secret\nmetadata: {name: other}\nstringData: {A: '${OPENAI_API_KEY}'}\n"
    desk.write("base/other.yml", template)
    desk.environment("prod", templates=["base/other.yml"], env_file=None)
    check(desk, "staging.yaml: the environment prod has the same id in the same namespace", status=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "voice-prod"},
        {"cluster": {"kubeconfig": "kubeconfig", "context": "other"}},
        {"templates": ["base/nothing-of-ours.yml"]},
    ],
)
def test_two_environments_that_do_not_meet(desk: Desk, changes: dict) -> None:
    desk.write("base/nothing-of-ours.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {A: b}\n")
    desk.environment(cluster={"kubeconfig": "kubeconfig", "context": "embedded"})
    desk.environment("prod", **({"id": "voice-agent-prod", "env_file": None} | changes))
    assert desk.run("check", "staging").status == 0


@pytest.mark.parametrize(
    ("user", "what"),
    [
        ({"exec": {"command": "aws"}}, "exec is not allowed if the environment's file names the kubeconfig"),
        ({"tokenFile": "/etc/hostname"}, "tokenFile must be in the kubeconfig's folder"),
        ("broken", "not valid YAML"),
        (None, ""),
    ],
)
def test_kubeconfig_of_environment_is_judged_as_run_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, user: Any, what: str
) -> None:
    desk.environment(cluster={"kubeconfig": "theirs"})
    if user:
        content = json.loads((desk.folder / "kubeconfig").read_text())
        content["users"][0]["user"] = user
        desk.write("theirs", "users: [CANARY" if user == "broken" else json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(desk.folder / "elsewhere"))  # which is the business of whoever runs it
    result = desk.run("check", "staging")
    assert (result.status == 0, what in result.err) == (not user, True)


def test_neighbour_that_is_broken_does_not_stop_this_environment(desk: Desk) -> None:
    desk.write("prod.yaml", "id: [")
    assert desk.run("check", "staging").status == 0


def test_value_that_is_secret_is_never_in_report(desk: Desk) -> None:
    for verb in ("check", "plan", "sync", "status"):
        for form in ("text", "json"):
            out = desk.run(verb, "staging", "--output", form)
            assert not any(value in out.out + out.err for value in VALUES.values())


UNENCRYPTED = "sops:plain.yaml: is not encrypted with sops (it has no `sops` metadata)"
LEAF = f"ENC[AES256_GCM,data:AA==,iv:{'A' * 43}=,tag:{'A' * 22}==,type:str]"
HALF = "sops:half.yaml: key OPENAI_API_KEY is not encrypted, but the file's rules say it should be"
HALF_ENCRYPTED = f"""\
OPENAI_API_KEY: CANARY-openai
CARTESIA_API_KEY: {LEAF}
sops:
  age: [{{recipient: age1, enc: x}}, {{recipient: age1b, enc: x}}]
  lastmodified: "2026-01-01T00:00:00Z"
  mac: {LEAF}
  version: 3.9.0
"""
PUBLIC = (
    "ConfigMap/y key A: ${DEEPGRAM_API_KEY} is secret (Secret/agent-secrets key DEEPGRAM_API_KEY) "
    "and would become public here"
)


def errors(result: Result) -> list[str]:
    return [line.removeprefix("bridge: error: ") for line in result.lines if line.startswith("bridge: error: ")]


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_secret_is_made_of_is_masked_whatever_rule(desk: Desk, form: str) -> None:
    desk.canaries |= {"CANARY-in-env-file", "CANARY-key"}
    desk.env_file(OPENAI_API_KEY="CANARY-in-env-file", PLAIN="CANARY-key")
    desk.write("base/extra.yml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {PLAIN: ''}\n")
    desk.environment(
        templates=["base/secrets.yml", "base/configmap.yml", "base/extra.yml"],
        infrastructure={"OPENAI_API_KEY": "required", "PLAIN": "required", "CLUSTER_NAME": "required"},
        sources=[],
        secrets_from="any",
    )
    out = desk.run("check", "staging", "--output", form).out
    if form == "text":
        assert out.splitlines()[1:4] == [
            "OPENAI_API_KEY           ********  .env.k8s.staging",
            "PLAIN                    ********  .env.k8s.staging",
            "CLUSTER_NAME             demo      .env.k8s.staging",
        ]


def test_without_templates_every_variable_is_masked(desk: Desk) -> None:
    desk.environment(templates=["base/nowhere.yml"], infrastructure={"CLUSTER_NAME": "required"}, sources=[])
    result = desk.run("check", "staging")
    assert result.out.splitlines()[1:] == ["CLUSTER_NAME             ********  .env.k8s.staging"]
    assert errors(result) == ["base/nowhere.yml: no such file"]


def test_missing_template_hides_nothing_else(desk: Desk) -> None:
    desk.write("half.yaml", HALF_ENCRYPTED)
    desk.environment(
        templates=["base/nowhere.yml"],
        sources=["sops:half.yaml"],
        infrastructure={"CLUSTER_NAME": "required", "BUCKET": "required"},
    )
    result = desk.run("check", "staging")
    assert errors(result) == [
        "base/nowhere.yml: no such file",
        HALF,
        "staging.yaml: infrastructure.BUCKET is not set",
    ]
    assert result.status == 2


def test_reference_to_commit_is_checked_as_file_is_there(desk: Desk) -> None:
    """What is wrong with the file of today is not asked for, and neither are the names that it has."""
    who = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    desk.write("half.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    for words in (["init", "--quiet"], ["add", "half.yaml"], ["commit", "--quiet", "--message", "x"], ["tag", "v1"]):
        environ = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(["git", "-C", desk.folder, *words], env=environ, check=True)
    desk.write("half.yaml", HALF_ENCRYPTED)
    names = {"CARTESIA_API_KEY": "secret"}
    desk.environment(sources=["sops:half.yaml@v1"], infrastructure=names, templates=["base/configmap.yml"])
    result = desk.run("check", "staging")
    assert (errors(result), result.status) == ([], 0)
    assert "CARTESIA_API_KEY         ********  sops:half.yaml@v1" in result.out
    desk.environment(sources=["sops:half.yaml@v2"])
    assert errors(desk.run("check", "staging")) == ["sops:half.yaml@v2: git has no commit v2"]


def commit(desk: Desk) -> str:
    who = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull}
    for words in (["init", "--quiet"], ["add", "half.yaml"], ["commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", "-C", desk.folder, *words], env=environ, check=True)
    head = subprocess.run(["git", "-C", desk.folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return head.stdout[:10]


def test_recipient_who_was_removed_and_can_still_read_is_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `check` alone, and only of the file of today."""
    encrypted = HALF_ENCRYPTED.replace("CANARY-openai", LEAF)
    desk.write("half.yaml", encrypted)
    commit(desk)
    desk.write("half.yaml", encrypted.replace("recipient: age1b", "recipient: age1c"))
    removal = commit(desk)
    desk.environment(sources=["sops:half.yaml"], templates=["base/configmap.yml"])
    warning = f"sops:half.yaml: age1b was removed in commit {removal}, but the data key it had still opens 2 values"
    hint = "in the folder of .sops.yaml, run `sops updatekeys FILE` and `sops rotate -i FILE`, then set new values"
    result = desk.run("check", "staging")
    assert (result.status, result.lines) == (0, [f"bridge: warning: {warning}", f"bridge: hint: {hint}"])
    told = desk.run("check", "staging", "--output", "json").data["warnings"]
    assert [(one["where"], one["hint"]) for one in told] == [("sops:half.yaml", hint)]
    monkeypatch.chdir(desk.folder)
    assert f"bridge: warning: {warning}" in desk.run("check", "--files", "sops", "half.yaml").lines
    desk.environment(sources=["sops:half.yaml@HEAD"], templates=["base/configmap.yml"])
    assert "age1b" not in desk.run("check", "staging").err


def test_bug_in_providers_look_at_history_shows_nothing(tmp_path: Path) -> None:
    class Broken:
        def check_history(self, path: str, context: Context) -> Iterable[Problem]:
            raise ValueError("CANARY")

    (problem,) = offline._of_history(Broken(), Reference("x", "a"), Context(tmp_path, {}, 0))
    assert "CANARY" not in repr(problem)
    assert offline._of_history(object(), Reference("x", "a"), Context(tmp_path, {}, 0)) == []


def test_names_of_today_are_not_those_of_revision_that_provider_cannot_look_at(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Today:
        """A third party's, which knows of no revisions."""

        concurrency: ClassVar[int] = 1

        def open(self, context: Context) -> Session:
            raise NotImplementedError

        def check(self, path: str, context: Context) -> Iterable[Problem]:
            return [Problem("", f"{path} is odd", warning=True)]

        def names(self, path: str, context: Context) -> frozenset[str] | None:
            return frozenset({"A"})

    context = Context(tmp_path, {}, 0)
    for reference, names in ((Reference("x", "a"), {"A"}), (Reference("x", "a", "3"), None)):
        found, (problem,) = offline._names(Today(), reference, context)
        assert (found, problem.what) == (names, "a is odd")


def test_source_that_is_wrong_hides_nothing_else(desk: Desk) -> None:
    desk.write("half.yaml", HALF_ENCRYPTED)
    desk.environment(sources=["sops:half.yaml"], infrastructure={"BUCKET": "required"})
    desk.env_file(DOMAIN=None)
    result = desk.run("check", "staging")
    assert errors(result) == [
        HALF,
        "staging.yaml: infrastructure.BUCKET is not set",
        *(
            f"base/secrets.yml Secret/{name}: ${{{name.partition(' key ')[2]}}} has no value"
            for name in (
                "shared-secrets key LIVEKIT_API_KEY",
                "shared-secrets key LIVEKIT_API_SECRET",
                "agent-secrets key DEEPGRAM_API_KEY",
            )
        ),
        "base/configmap.yml ConfigMap/shared-config key DOMAIN: ${DOMAIN} has no value",
    ]
    assert result.status == 1


def test_unencrypted_source_hides_nothing_else(desk: Desk) -> None:
    desk.write("plain.yaml", "OPENAI_API_KEY: CANARY-openai\n")
    desk.write("base/tls.yml", TLS)
    desk.environment(
        sources=["sops:plain.yaml"],
        templates=["base/tls.yml"],
        infrastructure={"CLUSTER_NAME": "required", "BUCKET": "required"},
    )
    result = desk.run("check", "staging")
    assert result.out.splitlines()[1:] == [
        "CLUSTER_NAME             demo                              .env.k8s.staging, unless sops:plain.yaml has it",
        "BUCKET                   unknown until the source is read  perhaps sops:plain.yaml",
    ]
    assert errors(result) == [UNENCRYPTED, LACKING]
    assert [line for line in result.lines if "warning" in line] == []


def test_env_file_that_is_wrong_hides_nothing_else(desk: Desk) -> None:
    desk.write(".env.k8s.staging", "K8_ENV=staging\nno equals sign\n")
    desk.write("public.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {A: '${DEEPGRAM_API_KEY}'}\n")
    desk.environment(
        templates=["base/secrets.yml", "public.yml"],
        sources=["sops:nowhere.yaml"],
        infrastructure={"CLUSTER_NAME": "required"},
        providers={"sops": {"age_key_fil": "x"}, "plain": {"fail": "denied"}},
        variables={"LIVEKIT_API_KEY": "plain:values.json#LIVEKIT_API_KEY"},
    )
    result = desk.run("check", "staging")
    assert errors(result) == [
        ".env.k8s.staging line 2: cannot be parsed",
        "staging.yaml: providers.sops.age_key_fil: unknown key",
        PUBLIC,
    ]
    assert "unknown until the source is read  perhaps sops:nowhere.yaml or the env file" in result.out
    assert result.status == 2
    assert desk.target.embedded.requests == []


def test_namespace_that_may_be_in_wrong_env_file_is_not_called_missing(desk: Desk) -> None:
    desk.write(".env.k8s.staging", "K8S_NAMESPACE=voice\nno equals sign\n")
    desk.environment(namespace=None)
    check(desk, ".env.k8s.staging line 2: cannot be parsed", status=2)


@pytest.mark.parametrize("verb", ["check", "plan"])
def test_type_without_its_keys(desk: Desk, verb: str) -> None:
    desk.write("base/tls.yml", TLS)
    desk.environment(templates=["base/tls.yml"])
    desk.values(OPENAI_API_KEY="-----BEGIN CERTIFICATE-----\n")
    result = desk.run(verb, "staging")
    assert errors(result) == [LACKING]
    assert result.status == 1


LACKING = "Secret/tls key tls.key: is required by type kubernetes.io/tls"
TLS = """\
apiVersion: v1
kind: Secret
metadata: {name: tls}
type: kubernetes.io/tls
stringData: {tls.crt: "${OPENAI_API_KEY}"}
"""


def test_what_source_gives_is_masked_whatever_rule(desk: Desk) -> None:
    desk.write("half.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    desk.env_file(CARTESIA_API_KEY="CANARY-left-over")
    desk.canaries.add("CANARY-left-over")
    desk.environment(
        sources=["sops:half.yaml"],
        templates=["base/configmap.yml"],
        infrastructure={"CARTESIA_API_KEY": "required", "REGISTRY": "required"},
        variables={"REGISTRY": "sops:half.yaml#OPENAI_API_KEY"},
    )
    result = desk.run("check", "staging")
    assert result.out.splitlines()[1:3] == [
        "CARTESIA_API_KEY         ********  sops:half.yaml",
        "REGISTRY                 ********  sops:half.yaml#OPENAI_API_KEY",
    ]
    assert (result.status, result.err) == (0, "")


def test_of_nested_field_only_first_name_can_be_told(desk: Desk) -> None:
    desk.write("half.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    desk.write("base/tls.yml", TLS.replace("kubernetes.io/tls", "Opaque") + "data: {}\n")
    desk.environment(
        sources=[],
        templates=["base/tls.yml"],
        variables={"OPENAI_API_KEY": "sops:half.yaml#OPENAI_API_KEY.deep", "WHOLE": "sops:half.yaml"},
    )
    assert errors(desk.run("check", "staging")) == []
    desk.environment(
        sources=[], templates=["base/tls.yml"], variables={"OPENAI_API_KEY": "sops:half.yaml#NOWHERE.deep"}
    )
    assert errors(desk.run("check", "staging")) == ["sops:half.yaml: has no field NOWHERE.deep (for OPENAI_API_KEY)"]


def test_field_that_is_known_to_exist_counts_as_given(desk: Desk) -> None:
    desk.write("half.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    desk.write("base/strict.yml", secret | {"stringData": {"A": "${OPENAI_API_KEY:?set it}", "B": "${OTHER:?set it}"}})
    variables = {"OTHER": {"from": "sops:half.yaml#OPENAI_API_KEY", "decode": "base64"}}
    desk.environment(sources=["sops:half.yaml"], templates=["base/strict.yml"], variables=variables)
    assert errors(desk.run("check", "staging")) == []


def test_source_whose_names_are_not_known_is_not_called_empty(desk: Desk) -> None:
    desk.write("base/plain.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {A: b}\n")
    desk.environment(templates=["base/plain.yml"], sources=["sops:nowhere.yaml", "plain:values.json"])
    assert errors(desk.run("check", "staging")) == ["sops:nowhere.yaml: no such file"]


def test_encrypted_value_in_template(desk: Desk) -> None:
    encrypted = "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"
    desk.write("base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", encrypted))
    desk.canaries.add(encrypted)
    check(
        desk,
        "base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: looks encrypted, but templates are not decrypted",
        status=2,
    )


ESCAPED_PEM = r"-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\n-----END PRIVATE KEY-----"
TYPED = """\
apiVersion: v1
kind: Secret
metadata: {name: typed}
type: %s
stringData: {%s}
"""


@pytest.mark.parametrize("place", ["template", "default", "env file"])
@pytest.mark.parametrize(
    ("type_key", "wrong", "problem"),
    [
        (
            ("kubernetes.io/tls", "tls.key"),
            ESCAPED_PEM,
            r"has literal \n instead of line breaks, but type kubernetes.io/tls requires PEM",
        ),
        (
            ("kubernetes.io/tls", "tls.key"),
            "CANARY-no-pem",
            "must be PEM text, as type kubernetes.io/tls requires",
        ),
        (
            ("kubernetes.io/ssh-auth", "ssh-privatekey"),
            ESCAPED_PEM,
            r"has literal \n instead of line breaks, but type kubernetes.io/ssh-auth requires PEM",
        ),
        (
            ("kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
            "[CANARY-no-object]",
            "must be a JSON object, as type kubernetes.io/dockerconfigjson requires",
        ),
    ],
)
def test_check_judges_typed_keys_as_sync_does(
    desk: Desk, place: str, type_key: tuple[str, str], wrong: str, problem: str
) -> None:
    type_, key = type_key
    text = {"template": wrong, "default": f"${{TYPED:-{wrong}}}", "env file": "${TYPED}"}[place]
    keys = f"{key}: '{text}'" + (', tls.crt: "-----BEGIN CERTIFICATE-----\\n"' if key == "tls.key" else "")
    desk.write("base/typed.yml", TYPED % (type_, keys))
    desk.env_file(TYPED=f"'{wrong}'" if place == "env file" else None)
    desk.environment(templates=["base/typed.yml"], secrets_from="any", sources=[])
    for verb in ("check", "sync"):
        result = desk.run(verb, "staging")
        assert (errors(result), result.status) == ([f"Secret/typed key {key}: {problem}"], 1)
    assert desk.target.versions() == {}


def test_check_does_not_judge_what_it_does_not_know(desk: Desk) -> None:
    keys = "tls.key: '${OPENAI_API_KEY}', tls.crt: '${OPENAI_API_KEY}'"
    desk.write("base/typed.yml", TYPED % ("kubernetes.io/tls", keys))
    desk.write("source.yaml", HALF_ENCRYPTED.replace("CANARY-openai", LEAF))
    desk.environment(templates=["base/typed.yml"], sources=["sops:source.yaml"])
    assert errors(desk.run("check", "staging")) == []
    desk.write(".env.k8s.staging", "wrong line\n")  # what it would give is not known either
    desk.environment(templates=["base/typed.yml"], sources=[])
    assert errors(desk.run("check", "staging")) == [".env.k8s.staging line 1: cannot be parsed"]


# Doubtful values


DOUBTFUL = {
    "$OPENAI_API_KEY": "is the name of a shell variable, not its value",
    "$${OPENAI_API_KEY}": "is still a placeholder",
    "{{ .Values.openai }}": "is a template expression, {{ … }}, not its result",
    "changeme": "looks like a placeholder",
    "<YOUR KEY>": "looks like a placeholder",
    "TODO": "looks like a placeholder",
    "xxxx": "looks like a placeholder",
    ESCAPED_PEM: r"is PEM with literal \n instead of line breaks",
    "\ufeffCANARY-a": "begins with a byte order mark (BOM)",
}
LAYER_HINTS = {
    "template": "write ${NAME} in the template and put the value in a source",
    "env file": "replace it with `bridge set staging DOUBTFUL`",
    "source": "replace it with `bridge set staging DOUBTFUL`",
}


def doubtful(desk: Desk, layer: str, value: str) -> str:
    """Let a layer give a value; returns the place of that."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    text = value if layer == "template" else "${DOUBTFUL}"
    desk.write("base/doubtful.yml", secret | {"stringData": {"KEY": text}})
    bare = value.replace("$$", "$")
    desk.env_file(DOUBTFUL=f"'{bare}'" if layer == "env file" else None)
    desk.values(DOUBTFUL=bare if layer == "source" else None)
    desk.environment(
        templates=["base/doubtful.yml", "base/configmap.yml"],
        infrastructure={"DOUBTFUL": "required"} if layer == "env file" else {},
        sources=["plain:values.json"] if layer == "source" else [],
    )
    return {"template": "base/doubtful.yml", "env file": ".env.k8s.staging", "source": "plain:values.json"}[layer]


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYER_HINTS)
@pytest.mark.parametrize("value", DOUBTFUL)
def test_doubtful_value_is_warning_in_every_command(desk: Desk, layer: str, value: str) -> None:
    place = doubtful(desk, layer, value)
    warning = f"bridge: warning: Secret/s key KEY: the value from {place} {DOUBTFUL[value]}"
    for verb in ("check", "plan", "sync", "status"):
        result = desk.run(verb, "staging")
        expected = [] if (verb, layer) == ("check", "source") else [warning, f"bridge: hint: {LAYER_HINTS[layer]}"]
        told = [
            line
            for line in result.lines
            if "fields unknown until it is read" not in line and "read it with" not in line
        ]
        assert told == expected
        assert result.status == 0


@pytest.mark.parametrize(
    "value", ["$ecret", "pa$$WORD", "CANARY-$NAME", "a {{ b }}", "{{ a }} b", "yours", "<a><b/></a>", "xx", "a\r\n"]
)
def test_odd_password_is_not_doubtful(desk: Desk, value: str) -> None:
    doubtful(desk, "source", value)
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)


def test_variable_declared_literal_may_look_like_placeholder(desk: Desk) -> None:
    doubtful(desk, "source", "changeme")
    desk.environment(
        templates=["base/doubtful.yml"],
        variables={"DOUBTFUL": {"from": "plain:values.json#DOUBTFUL", "literal": True}},
    )
    assert desk.run("plan", "staging").err == ""


def test_public_value_is_not_judged_as_secret_is(desk: Desk) -> None:
    desk.values(DOMAIN="$DOMAIN")
    assert desk.run("plan", "staging").err == ""


def test_what_provider_told_before_its_error_is_reported_too(desk: Desk) -> None:
    desk.environment(sources=["sops:a.yaml"], providers={"sops": {"gpg": str(desk.folder / "program")}})
    result = desk.run("check", "staging")
    assert errors(result) == [
        "sops:a.yaml: gpg is in the checkout, so anyone who can push a branch can change it",
        "sops:a.yaml: no such file",
    ]
