"""`bridge init`, from the command line: what is written, what is said, and that no value is in either."""

import base64
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bridge.cli import main
from bridge.config.environment import load_environment
from bridge.config.template import load_templates
from bridge.testing.apiserver import EmbeddedCluster
from tests.desk import Result, Target
from tests.init import team_layout
from tests.servers.client import Client

ENVIRONMENT = """\
# yaml-language-server: $schema=./bridge.schema.json
# The environment staging, drafted by `bridge init` from k8/apps/overlays/staging.
id: voice-agent-staging   # the environment's identity in the cluster; never change it
namespace: voice-agent-staging

# The objects that bridge may write, with all their keys; a later file's key takes precedence.
templates:
  - ../k8/apps/base/secrets.yml
  - ../k8/apps/base/configmap.yml
  - staging.public.yaml   # this environment's public values

# The second layer, for what no source gives. It is not in git.
env_file: ../k8/config/.env.k8s.staging

# The variables that your scripts need, for `bridge check`; secret = required and masked.
infrastructure:
  K8_ENV: required
  SCW_SECRET_KEY: secret
  CLUSTER_NAME: required
  REGISTRY_BASE: required
  K8S_NAMESPACE: required

# The first layer: where the secrets are. The first source with a field takes precedence.
sources:
  - sops:staging.sops.yaml   # encrypted, in git
  # - vault:secret/voice-agent-staging
  # - scaleway:/voice-agent-staging/app
"""
VAULT, SCALEWAY = "vault:secret/voice-agent-staging", "scaleway:/voice-agent-staging/app"
KEYS = "~/.config/sops/age/keys.txt"
RULE = f"\"creation_rules: [{{age: '$(age-keygen -y {KEYS} | paste -sd, -)'}}]\""
NEW = [
    ".env.k8s.staging.example",
    ".gitignore",
    "bridge.schema.json",
    "staging.public.yaml",
    "staging.sops.example.yaml",
    "staging.yaml",
]


@dataclass
class Place:
    """A folder with the team's layout in `k8`, and the program run there."""

    root: Path
    run: Callable[..., Result]

    @property
    def config(self) -> Path:
        return self.root / "config"

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def data(self, name: str) -> dict[str, dict[str, str]]:
        """Return a written template's values, by object."""
        documents = yaml.safe_load_all((self.config / name).read_text())
        return {one["metadata"]["name"]: one.get("data") or one.get("stringData") for one in documents if one}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("BRIDGE_CONFIG", "K8_ENV", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    team_layout.write_layout(tmp_path / "k8")

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        status = main(arguments)
        out, err = capfd.readouterr()
        written = "".join(path.read_text() for path in (tmp_path / "config").glob("*") if path.is_file())
        assert "CANARY" not in out + err + written
        for canary in team_layout.CANARIES:
            assert base64.b64encode(canary.encode()).decode() not in out + err + written
        return Result(status, out, err)

    return Place(tmp_path, run)


def init(place: Place, *arguments: str, name: str = "staging") -> Result:
    result = place.run("init", name, "--from", "k8", *arguments)
    assert result.status == 0, result.err
    return result


def test_layout_becomes_environment_of_readable_files(place: Place) -> None:
    result = init(place)
    assert sorted(path.name for path in place.config.iterdir()) == NEW
    assert (place.config / "staging.yaml").read_text() == ENVIRONMENT
    assert place.data("staging.public.yaml") == {
        "shared-config": {"LIVEKIT_URL": "wss://livekit.staging.example.com", "DOMAIN": "staging.example.com"},
        "agent-config": {
            "ENV_MODE": "yes",
            "LOG_LEVEL": "0755",
            "NOTES": '# no comment\na: "1"  # and: {[ \' é\n',
            "METRICS_ENABLED": "true",
        },
        "front-config": {"CACHE_ENABLED": "false"},
    }
    assert (place.config / ".env.k8s.staging.example").read_text().splitlines()[1:] == [
        "K8_ENV=", "SCW_SECRET_KEY=", "CLUSTER_NAME=", "REGISTRY_BASE=", "K8S_NAMESPACE=",
    ]  # fmt: skip
    assert yaml.safe_load((place.config / "staging.sops.example.yaml").read_text()) == dict.fromkeys(
        ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY"], ""
    )
    assert result.err == ""


def test_it_says_where_each_value_comes_from_and_what_comes_next(place: Place) -> None:
    lines = init(place).out.splitlines()
    patch = "k8/apps/overlays/staging/patches/staging-secret-config-patch.yml"
    rows = [line.split(maxsplit=2) for line in lines]
    assert ["Secret/agent-secrets", "OPENAI_API_KEY", f"to be imported from {patch}"] in rows
    assert ["ConfigMap/shared-config", "DOMAIN", f"staging.public.yaml (from {patch})"] in rows
    assert ["ConfigMap/front-config", "NODE_ENV", "the template's own text or default"] in rows
    assert "not for bridge: Deployment/agent" in lines
    assert lines[lines.index("next, in this order:") + 1 :] == [
        f"  test -f {KEYS} || {{ mkdir -p ~/.config/sops/age && age-keygen -o {KEYS}; }}",
        f"  test -f config/.sops.yaml || echo {RULE} > config/.sops.yaml",
        f"  bridge import staging {patch} --to sops:staging.sops.yaml",
        "  bridge import staging k8/config/.env.k8s.staging --to sops:staging.sops.yaml",
        "  sed -i -e '/^SCW_SECRET_KEY=/d' k8/config/.env.k8s.staging",
        "  bridge check staging",
        "  kubectl get namespace voice-agent-staging || kubectl create namespace voice-agent-staging",
        "  bridge adopt staging",
        "  bridge plan staging",
        "  bridge sync staging",
        "  bridge init staging --fix-kustomize k8/apps/overlays/staging",
        "  kustomize build k8/apps/overlays/staging | bridge check staging --manifests -",
        f"for another store: import --to {VAULT} or --to {SCALEWAY}; no age key is needed",
        "then delete the files that `bridge import` lists as deletable, and:",
        "  bridge scan staging k8/apps/base k8/apps/overlays/staging config",
        "  kubectl apply -k k8/apps/overlays/staging",
    ]


def create_hint(name: str) -> str:
    return f"create it: `bridge import {name} FILE --to sops:{name}.sops.yaml`, or `bridge set {name} NAME`"


def test_afterwards_check_runs_and_lacks_source_alone(place: Place) -> None:
    init(place)
    assert place.run("check", "staging").lines == [
        "bridge: error: sops:staging.sops.yaml: no such file",
        f"bridge: hint: {create_hint('staging')}",
    ]


def test_json_says_same(place: Place) -> None:
    data = init(place, "--output", "json").data
    assert (data["schema"], data["environment"], data["result"]) == ("bridge/report/v1", "staging", "drafted")
    assert {Path(one["path"]).name for one in data["files"]} == set(NEW)
    assert {one["state"] for one in data["files"]} == {"created"}
    assert len(data["keys"]) == 13
    assert (data["others"], data["warnings"], data["errors"]) == (["Deployment/agent"], [], [])
    assert data["next"][-3].endswith("| bridge check staging --manifests -")
    assert data["next"][-1] == "kubectl apply -k k8/apps/overlays/staging"


def test_patch_file_that_is_deployed_beside_build_is_understood(place: Place) -> None:
    place.write("k8/config/.env.k8s.prod", "K8_ENV=prod\n")
    result = init(place, "--config", "k8/config", name="prod")
    assert "bridge import prod k8/config/prod-secret-config-patch.yml --to sops:prod.sops.yaml --config k8/config" in (
        result.out
    )
    environment = load_environment(Path("k8/config"), "prod")
    assert (environment.id, environment.namespace) == ("voice-agent-prod", "voice-agent-prod")
    documents = yaml.safe_load_all(Path("k8/config/prod.public.yaml").read_text())
    assert [one["data"] for one in documents if one and one["metadata"]["name"] == "shared-config"] == [
        {"LIVEKIT_URL": "wss://livekit.prod.example.com", "DOMAIN": "prod.example.com"}
    ]


def test_layout_is_found_around_environments_folder(place: Place) -> None:
    assert place.run("init", "staging", "--config", "k8/config").status == 0
    assert "  - ../apps/base/secrets.yml\n" in Path("k8/config/staging.yaml").read_text()
    assert "env_file: .env.k8s.staging\n" in Path("k8/config/staging.yaml").read_text()


def test_command_in_example_makes_real_source(place: Place, sops_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyrage  # noqa: PLC0415

    key = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("SOPS_AGE_KEY", str(key))
    init(place)
    example = (place.config / "staging.sops.example.yaml").read_text()
    (line,) = [line for line in example.splitlines() if "EDITOR" in line]
    command = line.removeprefix("#").partition("   # ")[0].replace("age1…", str(key.to_public()))
    environ = os.environ | {"PATH": f"{sops_binary.parent}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", command], cwd=place.config, env=environ, check=True, capture_output=True)
    assert "ENC[AES256_GCM" in (place.config / "staging.sops.yaml").read_text()
    assert place.run("check", "staging").status == 0


# Nothing is overwritten, and all of it or nothing


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_environment_that_exists_is_refused(place: Place, suffix: str) -> None:
    place.write(f"config/staging.{suffix}", "id: mine\n")
    result = place.run("init", "staging", "--from", "k8")
    assert (result.status, result.lines[0]) == (
        1,
        f"bridge: error: config/staging.{suffix}: already exists; nothing was written",
    )
    assert [path.name for path in place.config.iterdir()] == [f"staging.{suffix}"]


def test_other_files_are_kept_and_told(place: Place) -> None:
    place.write("config/staging.public.yaml", "# mine\n")
    place.write("config/.gitignore", "*.log\n.env.k8s.*")
    result = init(place)
    out = result.out.splitlines()
    assert result.lines == ["bridge: warning: config/staging.public.yaml: was kept, and differs from the draft"]
    assert "kept      config/staging.public.yaml" in out
    assert "extended  config/.gitignore" in out
    assert (place.config / "staging.public.yaml").read_text() == "# mine\n"
    assert (place.config / ".gitignore").read_text().splitlines()[:3] == [
        "*.log",
        ".env.k8s.*",
        "!.env.k8s.*.example",
    ]
    (place.config / "staging.yaml").unlink()
    assert "kept      config/.gitignore" in init(place).out.splitlines()


def test_another_versions_schema_is_kept_and_told(place: Place) -> None:
    init(place)
    assert place.run("init", "preprod", "--like", "staging").err.count("this version's") == 0
    place.write("config/bridge.schema.json", "{}")
    result = init(place, name="prod")
    assert "config/bridge.schema.json: was kept, but is from another version" in result.err
    assert (place.config / "bridge.schema.json").read_text() == "{}"


def test_failure_leaves_nothing_behind(place: Place) -> None:
    (place.config / ".gitignore").mkdir(parents=True)
    result = place.run("init", "staging", "--from", "k8")
    assert (result.status, result.lines) == (1, ["bridge: error: config/.gitignore: cannot be read: is a directory"])
    assert [path.name for path in place.config.iterdir()] == [".gitignore"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("nowhere", "--from", "k8"), "k8: has no overlay nowhere (overlays/nowhere, or one folder deeper)"),
        (("staging", "--from", "k9"), "k9: has no overlay staging (overlays/staging, or one folder deeper)"),
        (("a.b", "--from", "k8"), "'a.b' is not a valid environment name"),
        (("../x", "--from", "k8"), "'../x' is not a valid environment name"),
        (("staging", "--like", "prod"), "config: no such folder"),
        ((), "no environment given"),
    ],
)
def test_what_cannot_be_drafted_is_reported_and_nothing_is_written(
    place: Place, arguments: tuple[str, ...], error: str
) -> None:
    result = place.run("init", *arguments)
    assert (result.status, result.lines[0]) == (2, f"bridge: error: {error}")
    assert not place.config.exists()


def test_two_overlays_of_one_name_are_reported(place: Place) -> None:
    place.write("k8/jobs/overlays/staging/kustomization.yaml", "")
    assert place.run("init", "staging", "--from", "k8").lines == [
        "bridge: error: k8: has more than one overlay staging: k8/apps/overlays/staging, k8/jobs/overlays/staging",
        "bridge: hint: choose one with `--from k8/apps/overlays/staging`",
    ]


def test_what_is_wrong_in_layout_is_reported_without_value(place: Place) -> None:
    place.write("k8/config/.env.k8s.staging", "SCW_SECRET_KEY=CANARY-registry\nCANARY CANARY\n")
    result = place.run("init", "staging", "--from", "k8")
    assert (result.status, result.lines[0]) == (2, "bridge: error: k8/config/.env.k8s.staging line 2: cannot be parsed")
    place.write("k8/apps/overlays/staging/patches/staging-secret-config-patch.yml", "a: [CANARY\n")
    assert "not valid YAML" in place.run("init", "staging", "--from", "k8").lines[0]
    assert not place.config.exists()


def test_git_ignores_what_is_in_clear_and_sees_examples(place: Place) -> None:
    place.write("k8/config/staging-secret-config-patch.example.yml", "")
    init(place, "--config", "k8/config")
    place.write("k8/config/demo.agekey", "")
    subprocess.run(["git", "init", "-q"], check=True)
    seen = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "k8/config"], check=True, capture_output=True, text=True
    )
    assert {Path(name).name for name in seen.stdout.split()} == {*NEW, "staging-secret-config-patch.example.yml"}


# Like another environment


def test_second_environment_is_copy_with_what_differs_filled_in_or_told(place: Place) -> None:
    init(place)
    text = ENVIRONMENT.replace("sources:\n", "sources:\n  - vault:voice/staging@3\n  - vault:voice/shared\n") + (
        "variables:\n  TLS: {from: 'scaleway:/staging/tls#cert', decode: base64}\n"
        "providers:\n  vault:\n    address: https://v\n"
        "    auth: {method: token, role: bridge-staging, password: hunter2, x: sk-hunter2}\n"
        "cluster: {context: kapsule, namespace_uid: 3f6c}\n"
    )
    (place.config / "staging.yaml").write_text(text)
    result = place.run("init", "preprod", "--like", "staging")
    assert result.status == 0
    content = yaml.safe_load((place.config / "preprod.yaml").read_text())
    assert content == {
        "id": "voice-agent-preprod",
        "namespace": "voice-agent-preprod",
        "templates": ["../k8/apps/base/secrets.yml", "../k8/apps/base/configmap.yml", "preprod.public.yaml"],
        "env_file": "../k8/config/.env.k8s.preprod",
        "infrastructure": yaml.safe_load(ENVIRONMENT)["infrastructure"],
        "sources": ["vault:voice/preprod", "vault:voice/shared", "sops:preprod.sops.yaml"],
        "variables": {"TLS": {"from": "scaleway:/preprod/tls#cert", "decode": "base64"}},
        "providers": {"vault": {"address": "https://v", "auth": {"method": "token", "role": "bridge-preprod"}}},
        "cluster": {"context": "kapsule"},
    }
    assert [line.removeprefix("bridge: warning: ") for line in result.lines if "warning" in line] == [
        "k8/apps/overlays/preprod: does not exist yet",
        "preprod.yaml: namespace: voice-agent-preprod is a guess based on voice-agent-staging",
        "../k8/config/.env.k8s.preprod: does not exist yet",
        "preprod.public.yaml: has no values yet",
        "preprod.yaml sources: vault:voice/preprod does not exist yet",
        "preprod.yaml sources: vault:voice/shared is staging's too",
        "preprod.yaml sources: sops:preprod.sops.yaml does not exist yet",
        "preprod.yaml variables.TLS: scaleway:/preprod/tls#cert does not exist yet",
        "preprod.yaml providers: is copied from staging, with the new name in it",
        "preprod.yaml providers.vault.auth.password: may be a credential and was not copied",
        "preprod.yaml providers.vault.auth.x: may be a credential and was not copied",
        "preprod.yaml cluster: is copied from staging, without namespace_uid",
    ]
    example = (place.config / ".env.k8s.preprod.example").read_text()
    assert "\nK8_ENV=\n" in example
    assert "\nMETRICS_ENABLED=" not in example
    copy = (place.config / "preprod.public.yaml").read_text()
    ours, theirs = place.data("preprod.public.yaml"), place.data("staging.public.yaml")
    assert {name: dict.fromkeys(keys) for name, keys in ours.items()} == {
        name: dict.fromkeys(keys) for name, keys in theirs.items()
    }
    assert copy.count(":?preprod needs its own value}") == 7
    assert not any(value in copy for keys in theirs.values() for value in keys.values())
    assert "hunter2" not in (place.config / "preprod.yaml").read_text() + result.out + result.err


def test_template_that_cannot_be_renamed_is_others_too(place: Place) -> None:
    place.write("config/base.yml", team_layout.CONFIG_MAPS)
    place.write("config/public.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: front-config}\ndata: {A: b}\n")
    place.write("config/staging.yaml", "id: a\nnamespace: staging\ntemplates: [base.yml, public.yml]\n")
    told = place.run("init", "preprod", "--like", "staging").err
    assert "public.yml: is staging's own template, and preprod would use its values too\n" in told
    assert "base.yml: is staging's" not in told


def test_no_public_value_of_other_environment_reaches_copys_cluster(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(place)
    assert place.run("init", "preprod", "--like", "staging").status == 0
    path = place.config / "preprod.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(json.dumps(content | {"templates": content["templates"][1:], "infrastructure": {}, "sources": []}))
    place.write("k8/config/.env.k8s.preprod", "K8_ENV=preprod\n")
    missing = (
        "preprod.public.yaml ConfigMap/shared-config key DOMAIN: ${DOMAIN} has no value (preprod needs its own value)"
    )
    with EmbeddedCluster() as cluster:
        cluster.write_kubeconfig(place.root / "kubeconfig")
        monkeypatch.setenv("KUBECONFIG", str(place.root / "kubeconfig"))
        client = Client(cluster.url, cluster.token)
        client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "voice-agent-preprod"}})
        for command in (["check"], ["plan"], ["sync", "--first"]):
            result = place.run(command[0], "preprod", *command[1:])
            assert f"bridge: error: {missing}" in result.lines, command
            assert result.status != 0
        patch = team_layout.PATCH.replace("staging.example", "preprod.example").partition("kind: ConfigMap")[2]
        place.write("preprod.yml", f"apiVersion: v1\nkind: ConfigMap{patch}")
        place.write("front.env", "CACHE_ENABLED=true\nMETRICS_ENABLED=true\n")
        for file in ("preprod.yml", "front.env"):
            result = place.run("import", "preprod", file, "--to", "sops:preprod.sops.yaml", "--yes")
            assert result.status == 0, result.err
        assert place.run("check", "preprod").status == 0
        assert place.run("sync", "preprod", "--first").status == 0
        target = Target("voice-agent-preprod", client, cluster.write_kubeconfig)
        assert target.data("ConfigMap", "shared-config")["DOMAIN"] == "preprod.example.com"


def test_overlay_with_values_of_its_own_is_pointed_to(place: Place) -> None:
    init(place)
    overlay = "k8/apps/overlays/preprod"
    place.write(f"{overlay}/kustomization.yaml", "namespace: pre\nresources: [../../base]\n")
    told = "k8/apps/overlays/preprod: has values of its own that `--like` does not read"
    assert told not in place.run("init", "preprod", "--like", "staging").err
    for path in place.config.glob("*preprod*"):
        path.unlink()
    place.write(f"{overlay}/kustomization.yaml", team_layout.OVERLAY.replace("staging", "preprod"))
    place.write(f"{overlay}/patches/preprod-secret-config-patch.yml", team_layout.PATCH)
    lines = place.run("init", "preprod", "--like", "staging").lines
    assert lines[lines.index(f"bridge: warning: {told}") + 1] == (
        "bridge: hint: to draft from it: rm config/preprod.yaml config/preprod.public.yaml; "
        "bridge init preprod --from k8/apps"
    )
    for path in place.config.glob("*preprod*"):
        path.unlink()
    assert place.run("init", "preprod", "--from", "k8/apps").status == 0
    assert place.data("preprod.public.yaml")["shared-config"]["DOMAIN"] == "staging.example.com"


def test_check_runs_on_copy_too(place: Place) -> None:
    init(place)
    assert place.run("init", "preprod", "--like", "staging").status == 0
    lines = place.run("check", "preprod").lines
    assert lines[:2] == [
        "bridge: error: sops:preprod.sops.yaml: no such file",
        f"bridge: hint: {create_hint('preprod')}",
    ]
    assert all("preprod.public.yaml" in line for line in lines[2:] if "error" in line)


def test_namespace_is_overlays_where_there_is_one(place: Place) -> None:
    init(place)
    assert place.run("init", "prod", "--like", "staging").status == 0
    assert load_environment(place.config, "prod").namespace == "voice-agent-prod"


def test_copy_of_template_has_no_value_and_no_default(place: Place) -> None:
    init(place)
    place.write(
        "config/staging.public.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: extra, namespace: voice-agent-staging}\n"
        "stringData: {A: hunter2-literal, B: 'x${C}', C: '${C}', D: '${D:-hunter2}'}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"
        "data: {API_TOKEN: hunter2-literal, D: 'e', E: '${E}', F: '${F:-hunter2}', tls.crt: hunter2}\n"
        "binaryData: {G: aHVudGVyMg==}\n",
    )
    result = place.run("init", "preprod", "--like", "staging")
    copy = (place.config / "preprod.public.yaml").read_text()
    assert "hunter2" not in copy + result.out + result.err
    assert "aHVudGVyMg" not in copy
    secret, config = [one for one in yaml.safe_load_all(copy) if one]
    assert secret["metadata"] == {"name": "extra"}
    unset = ":?preprod needs its own value}"
    assert secret["stringData"] == {"A": "${A}", "B": f"${{B{unset}", "C": "${C}", "D": f"${{D{unset}"}
    assert config["data"] == {
        "API_TOKEN": f"${{API_TOKEN{unset}",
        "D": f"${{PUBLIC_D{unset}",
        "E": "${E}",
        "F": f"${{F{unset}",
        "tls.crt": f"${{tls_crt{unset}",
    }
    assert "binaryData" not in config
    assert "preprod.public.yaml: ConfigMap/extra key G is binary and was not copied" in result.err


ODD = """\
id: other
namespace: voice
templates: [base.yml, "own/staging/base.yml", staging.maps.yml]
env_file: shared.env
secrets_from: any
sources: [{provider: vault, path: "a@staging"}, "vault:shared@3"]
max_age: 90d
variables:
  A: {from: {provider: vault, path: "x#staging"}, literal: true, max_age: 30d, expires: 2027-01-31}
  B: {max_age: unlimited}
  C: {expires: 2027-01-31}
  D: {from: "vault:d#staging", expires: 2027-01-31}
providers: {vault: {auth: [{method: token}], kv_version: 2}}
"""


def test_nobody_is_reported_to_write_secret_into_copied_template(place: Place) -> None:
    init(place)
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: extra}\nstringData: {C: '${C}'}\n"
    place.write("config/staging.objects.yaml", secret)
    file = (place.config / "staging.yaml").read_text()
    place.write(
        "config/staging.yaml",
        file.replace("  - staging.public.yaml", "  - staging.objects.yaml\n  - staging.public.yaml"),
    )
    result = place.run("init", "preprod", "--like", "staging")
    assert result.status == 0, result.err
    assert [line for line in result.lines if "has no values yet" in line] == [
        "bridge: warning: preprod.public.yaml: has no values yet"
    ]
    assert "  bridge set preprod C" in result.out.splitlines()
    copy = (place.config / "preprod.objects.yaml").read_text()
    assert copy.startswith("# Secrets of preprod, without values: ")
    assert "Write" not in copy
    assert "objects.yaml   # TO DO" not in (place.config / "preprod.yaml").read_text()


def test_what_does_not_hold_others_name_is_kept_and_told(place: Place) -> None:
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    for name in ("base.yml", "own/staging/base.yml", "prod.maps.yml", "staging.maps.yml"):
        place.write(f"config/{name}", config_map)
    place.write("config/staging.yaml", ODD)
    result = place.run("init", "prod", "--like", "staging")
    content = yaml.safe_load((place.config / "prod.yaml").read_text())
    assert content == {
        "id": "prod",
        "templates": ["base.yml", "own/prod/base.yml", "prod.maps.yml"],
        "env_file": ".env.k8s.prod",
        "sources": [{"provider": "vault", "path": "a@prod"}, "vault:shared@3"],
        "secrets_from": "any",
        "max_age": "90d",
        "variables": {
            "A": {"from": {"provider": "vault", "path": "x#prod"}, "literal": True, "max_age": "30d"},
            "B": {"max_age": "unlimited"},
            "D": "vault:d#prod",
        },
        "providers": {"vault": {"auth": [{"method": "token"}], "kv_version": 2}},
    }
    assert "prod.yaml: namespace is left out because it cannot be derived" in result.err
    assert "own/prod/base.yml: does not exist yet\nbridge: hint: create it like own/staging/base.yml\n" in result.err
    assert "bridge: error: own/prod/base.yml: no such file" in place.run("check", "prod").lines
    assert not (place.config / "prod.sops.example.yaml").exists()


def test_processs_environment_stays_env_layer(place: Place) -> None:
    init(place)
    path = place.config / "staging.yaml"
    path.write_text(path.read_text().replace("env_file: ../k8/config/.env.k8s.staging", "env_file: environment"))
    assert place.run("init", "preprod", "--like", "staging").status == 0
    assert "env_file: environment\n" in (place.config / "preprod.yaml").read_text()


def test_id_is_never_given_twice(place: Place) -> None:
    init(place)
    overlay = "k8/apps/overlays/prod/kustomization.yaml"
    place.write(overlay, "namespace: voice-agent-staging\nresources: [../../base]\n")
    init(place, name="prod")
    assert load_environment(place.config, "prod").id == "voice-agent-staging-prod"


# Against the real kustomize


def built(kubectl: Path, overlay: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Return what kustomize itself makes: the values of each Secret and ConfigMap, by its final name."""
    done = subprocess.run([kubectl, "kustomize", overlay], check=True, capture_output=True, text=True)
    found = {}
    for one in yaml.safe_load_all(done.stdout):
        if one["kind"] in ("Secret", "ConfigMap"):
            found[one["kind"], one["metadata"]["name"]] = (one.get("data") or {}) | (one.get("stringData") or {})
    return found


def drafted(place: Place, name: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return what the drafted templates say, a ConfigMap's literals in clear."""
    environment = load_environment(place.config, name)
    found = {}
    for one in load_templates(environment, environment.namespace):
        texts = {
            key: "".join(part.reveal().decode() if hasattr(part, "reveal") else "?" for part in value.parts)
            for key, value in one.keys.items()
        }
        found[one.id.kind, one.id.name] = texts
    return found


def test_sync_after_moving_in_gives_what_build_gave(
    place: Place, kubectl_binary: Path, sops_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No value is lost: the drafted files, and the patch's secrets by way of the real sops, make the same objects."""
    import pyrage  # noqa: PLC0415

    theirs = built(kubectl_binary, Path("k8/apps/overlays/staging"))
    assert theirs["ConfigMap", "agent-config"]["METRICS_ENABLED"] == "${METRICS_ENABLED:-true}"
    theirs["ConfigMap", "agent-config"]["METRICS_ENABLED"] = "true"  # kustomize fills in no placeholder
    init(place)
    key = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("SOPS_AGE_KEY", str(key))
    names = yaml.safe_load((place.config / "staging.sops.example.yaml").read_text())
    secrets = {name: text for (kind, _), one in theirs.items() if kind == "Secret" for name, text in one.items()}
    assert names.keys() == secrets.keys()
    command = [sops_binary, "-e", "--age", str(key.to_public()), "--input-type", "yaml", "--output-type", "yaml"]
    command += ["--filename-override", "staging.sops.yaml", "/dev/stdin"]
    done = subprocess.run(command, input=json.dumps(secrets).encode(), check=True, capture_output=True)
    (place.config / "staging.sops.yaml").write_bytes(done.stdout)
    with EmbeddedCluster() as cluster:
        cluster.write_kubeconfig(place.root / "kubeconfig")
        monkeypatch.setenv("KUBECONFIG", str(place.root / "kubeconfig"))
        client = Client(cluster.url, cluster.token)
        client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "voice-agent-staging"}})
        assert place.run("sync", "staging", "--first").status == 0
        target = Target("voice-agent-staging", client, cluster.write_kubeconfig)
        assert {(kind, name): target.data(kind, name) for kind, name in theirs} == theirs


COMPONENT = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
  - patch: |-
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: agent-config}
      data: {LOG_LEVEL: trace, NEW: from-a-component}
"""
BUILDS = {
    "patches": team_layout.OVERLAY,
    "strategic": team_layout.OVERLAY.partition("patches:")[0]
    + "patchesStrategicMerge: [patches/staging-secret-config-patch.yml]\n",
    "prefix and suffix": "namePrefix: eu-\nnameSuffix: -x\n" + team_layout.OVERLAY,
    "through a middle": team_layout.OVERLAY.replace("../../base", "../middle"),
    "component": team_layout.OVERLAY.replace("patches:\n", "components: [../../component]\npatches:\n", 1),
    "extra resource": team_layout.OVERLAY.replace("[../../base]", "[../../base, extra.yml]"),
}


@pytest.mark.parametrize("build", BUILDS)
def test_templates_name_what_kustomize_builds_with_its_public_values(
    place: Place, kubectl_binary: Path, build: str
) -> None:
    place.write("k8/apps/overlays/staging/kustomization.yaml", BUILDS[build])
    place.write("k8/apps/overlays/middle/kustomization.yaml", "namePrefix: m-\nresources: [../../base]\n")
    place.write("k8/apps/component/kustomization.yaml", COMPONENT)
    extra = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {A: b}\n---\n"
    place.write("k8/apps/overlays/staging/extra.yml", extra)
    theirs = built(kubectl_binary, Path("k8/apps/overlays/staging"))
    init(place)
    ours = drafted(place, "staging")
    assert ours.keys() == theirs.keys()
    for (kind, name), values in theirs.items():
        assert ours[kind, name].keys() == values.keys()
        if kind == "ConfigMap":
            literals = {key: value for key, value in values.items() if "${" not in value}
            assert {key: ours[kind, name][key] for key in literals} == literals
    assert place.run("check", "staging").lines[-2] == "bridge: error: sops:staging.sops.yaml: no such file"
    assert json.loads((place.config / "bridge.schema.json").read_text())["title"] == "An environment of bridge"


# What comes next


def steps(place: Place, *more: str, name: str = "staging") -> list[str]:
    return init(place, "--output", "json", *more, name=name).data["next"]


def test_build_of_nothing_else_is_not_checked_nor_applied_afterwards(place: Place) -> None:
    place.write("k8/apps/base/kustomization.yaml", "resources: [secrets.yml, configmap.yml]\n")
    assert [one.split(" k8")[0] for one in steps(place)[-2:]] == [
        "bridge init staging --fix-kustomize",
        "bridge scan staging",
    ]


def test_key_and_rule_that_are_there_are_not_made(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY", "AGE-SECRET-KEY-1")
    rule = "\"creation_rules: [{age: '$(printenv SOPS_AGE_KEY | age-keygen -y | paste -sd, -)'}]\""
    assert steps(place)[0] == f"test -f config/.sops.yaml || echo {rule} > config/.sops.yaml"
    (place.config / "staging.yaml").unlink()
    place.write(".sops.yaml", "creation_rules: []\n")  # above the environments' folder
    assert steps(place)[0].startswith("bridge import ")


def test_age_key_is_looked_for_where_sops_looks(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(place.root / "my keys"))
    file = f"'{place.root}/my keys'"
    assert steps(place)[0] == f"test -f {file} || {{ mkdir -p {place.root} && age-keygen -o {file}; }}"
    place.write("my keys", "")
    (place.config / "staging.yaml").unlink()
    assert steps(place)[0].startswith("test -f config/.sops.yaml ")


def test_without_plaintext_file_secrets_come_from_cluster(place: Place) -> None:
    place.write("k8/apps/overlays/staging/kustomization.yaml", "namespace: voice\nresources: [../../base]\n")
    Path("k8/apps/overlays/staging/patches/staging-secret-config-patch.yml").unlink()
    assert steps(place)[2:5] == [
        "bridge import staging k8/config/.env.k8s.staging --to sops:staging.sops.yaml",
        "sed -i -e '/^SCW_SECRET_KEY=/d' k8/config/.env.k8s.staging",
        "bridge import staging --from-cluster --to sops:staging.sops.yaml",
    ]


def test_copy_of_environment_gets_its_secrets_one_by_one(place: Place) -> None:
    init(place)
    listed = place.run("init", "preprod", "--like", "staging", "--output", "json").data["next"]
    names = ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY"]
    assert [one for one in listed if one.startswith("bridge set")] == [
        f"bridge set preprod {name}" for name in [*names, "SCW_SECRET_KEY"]
    ]


def test_flags_and_odd_names_are_in_every_command(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.root / "k8").rename(place.root / "l'équipe $x")
    listed = steps(place, "--config", "my config", "--from", "l'équipe $x")
    for one in (part for line in listed for part in line.split(" | ") if part.startswith("bridge ")):
        words = shlex.split(one)
        assert words[words.index("--config") + 1] == "my config", one
    (patch,) = [shlex.split(one)[3] for one in listed if "secret-config-patch" in one]
    assert (place.root / patch).is_file()


def test_line_that_other_programs_read_otherwise_is_not_taken_out(place: Place) -> None:
    place.write("k8/config/.env.k8s.staging", "K8_ENV=staging\nSCW_SECRET_KEY=CANARY-a # CANARY-b\nA_TOKEN=CANARY-c\n")
    assert [one for one in steps(place) if one.startswith("sed")] == [
        "sed -i -e '/^A_TOKEN=/d' k8/config/.env.k8s.staging"
    ]
