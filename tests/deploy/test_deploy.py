"""`bridge init --deploy`, from the command line: what is rendered, what is refused, and what is told."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cli import main
from tests.deploy.pod import ID, ROOT
from tests.desk import Result

CANARY = "CANARY-sk-9f8e7d6c5b4a39281706"
SECRETS = """\
apiVersion: v1
kind: Secret
metadata: {name: agent-secrets}
stringData: {OPENAI_API_KEY: "${OPENAI_API_KEY}"}
"""
PUBLIC = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: agent-config}
data: {LOG_LEVEL: info}
"""


@dataclass
class Desk:
    """A repository with the environment's folder and a shared base beside it."""

    root: Path
    run: Callable[..., Result]

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def environment(self, **changes: Any) -> None:
        content: dict[str, Any] = {
            "id": "voice-agent-staging",
            "namespace": "voice",
            "templates": ["../apps/base/secrets.yml", "staging.public.yaml"],
            "sources": ["sops:staging.sops.yaml"],
        } | changes
        self.write("config/staging.yaml", json.dumps({key: one for key, one in content.items() if one is not None}))

    def objects(self, name: str) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all((self.root / "deploy" / "staging" / name).read_text()))

    def files(self) -> dict[str, str]:
        folder = self.root / "deploy"
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("BRIDGE_CONFIG", "K8_ENV", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        status = main(["init", "staging", "--deploy", *arguments])
        out, err = capfd.readouterr()
        assert "CANARY" not in out + err
        return Result(status, out, err)

    desk = Desk(tmp_path, run)
    desk.write("apps/base/secrets.yml", SECRETS)
    desk.write("config/staging.public.yaml", PUBLIC)
    shutil.copy(ROOT / "config" / "staging.sops.yaml", tmp_path / "config")
    desk.environment()
    return desk


def test_what_repository_has_is_what_program_renders(desk: Desk) -> None:
    shutil.rmtree(desk.root / "config")
    shutil.copytree(ROOT / "config", desk.root / "config", ignore=shutil.ignore_patterns("deploy", "monitoring"))
    result = desk.run("config/deploy", "--config", "config")
    assert (result.err, result.status) == ("", 0)
    rendered, kept = desk.root / "config" / "deploy", ROOT / "config" / "deploy"
    files = [path.relative_to(rendered) for path in rendered.rglob("*") if path.is_file()]
    found = [path.relative_to(kept) for path in kept.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(path for path in found if path.parts[0] != "fleet")  # of many environments
    for file in files:
        assert (rendered / file).read_text() == (kept / file).read_text()


def test_folders_between_files_are_same_in_pod(desk: Desk) -> None:
    result = desk.run()
    assert (result.err, result.status) == ("", 0)
    spec = desk.objects("cronjob.yaml")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["sync", "staging", "--in-cluster", "--config", "/etc/bridge/config"]
    data = desk.objects("configuration.yaml")[0]["data"]
    mounted = {one["path"]: data[one["key"]] for one in spec["volumes"][0]["configMap"]["items"]}
    names = ["apps/base/secrets.yml", "config/staging.public.yaml", "config/staging.sops.yaml", "config/staging.yaml"]
    assert mounted == {name: (desk.root / name).read_text() for name in names}


def test_second_run_changes_nothing_and_has_nothing_to_tell(desk: Desk) -> None:
    desk.run()
    before = desk.files()
    result = desk.run("--output", "json")
    assert (result.err, result.status, desk.files()) == ("", 0, before)
    assert {one["state"] for one in result.data["files"]} == {"kept"}


def test_files_that_changed_are_named_and_what_was_rendered_is_kept_until_it_is_removed(desk: Desk) -> None:
    desk.run()
    before = desk.files()
    desk.write("config/staging.public.yaml", PUBLIC.replace("info", "debug"))
    result = desk.run()
    assert result.lines == [
        "bridge: warning: deploy/staging/configuration.yaml: is out of date, but was kept: config/staging.public.yaml",
        "bridge: hint: delete it and run this command again",
    ]
    assert desk.files() == before
    (desk.root / "deploy/staging/configuration.yaml").unlink()
    assert desk.run().err == ""
    assert desk.objects("configuration.yaml")[0]["data"]["config_staging.public.yaml"].endswith("LOG_LEVEL: debug}\n")


def test_edit_of_ones_own_is_kept_and_told_by_its_lines_alone(desk: Desk) -> None:
    desk.run()
    file = desk.root / "deploy/staging/cronjob.yaml"
    text = file.read_text().replace('"*/10 * * * *"', f'"0 * * * *"    # {CANARY}')
    file.write_text(text)
    result = desk.run()
    assert (result.status, file.read_text()) == (0, text)
    assert result.lines[0].endswith("cronjob.yaml: differs from what would be rendered now, but was kept: line 8")


def test_each_variable_that_only_env_file_gives_is_named(desk: Desk) -> None:
    desk.environment(env_file=".env.k8s.staging")
    desk.write("config/.env.k8s.staging", f"LOG_LEVEL=debug\nDOMAIN={CANARY}\n")
    desk.write("config/staging.public.yaml", PUBLIC.replace("info", '"${LOG_LEVEL:-info}", DOMAIN: "${DOMAIN}"'))
    result = desk.run()
    assert result.status == 0
    assert [line.partition(" key ")[2] for line in result.lines[:2]] == [
        f"{key}: no source gives ${{{key}}}, and a pod has no .env.k8s.staging, so the CronJob would fail"
        for key in ("LOG_LEVEL", "DOMAIN")
    ]
    assert CANARY not in json.dumps(desk.files())


def test_namespace_that_only_env_file_names_is_refused(desk: Desk) -> None:
    desk.environment(namespace=None, env_file=".env.k8s.staging")
    desk.write("config/.env.k8s.staging", "K8S_NAMESPACE=voice\n")
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (2, False)
    assert "has no namespace, and a pod has no env file to read it from" in result.lines[0]


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("apps/base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", "CANARY-tame"), "stringData.OPENAI_API_KEY"),
        ("apps/base/secrets.yml", SECRETS.replace("OPENAI_API_KEY: ", f"USER: {CANARY}, X: "), "stringData.USER"),
        ("apps/base/secrets.yml", SECRETS.replace("OPENAI_API_KEY}", f"A:-{CANARY}}}"), "stringData.OPENAI_API_KEY"),
        ("config/staging.public.yaml", PUBLIC.replace("info", CANARY), "data.LOG_LEVEL"),
        ("config/staging.public.yaml", f"# was {CANARY}\n{PUBLIC}", "line 1"),
        ("config/staging.public.yaml", PUBLIC + f"# was {CANARY}\n", "line 5"),
        (
            "config/staging.public.yaml",
            PUBLIC.replace("config}", f"config, annotations: {{a: {CANARY}}}}}"),
            "annotations.a",
        ),
    ],
)
def test_what_looks_like_secret_is_refused_by_its_place_and_nothing_is_written(
    desk: Desk, file: str, text: str, place: str
) -> None:
    desk.write(file, text)
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (1, False)
    assert place in result.lines[0]
    assert "may be a plaintext secret, which does not belong in a ConfigMap" in result.lines[0]


@pytest.mark.parametrize(
    "clear", ["OTHER_KEY_unencrypted: CANARY-tame\n", f"harmless_unencrypted: {{deep: [{CANARY}]}}\n"]
)
def test_value_that_sops_file_has_in_clear_is_refused(desk: Desk, clear: str) -> None:
    file = desk.root / "config" / "staging.sops.yaml"
    name = clear.partition(":")[0]
    file.write_text(clear + file.read_text())
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (1, False)
    assert f"staging.sops.yaml key {name}" in result.err
    assert "may be a plaintext secret" in result.err


def test_source_that_was_never_encrypted_is_refused(desk: Desk) -> None:
    desk.write("config/staging.sops.yaml", f"OPENAI_API_KEY: {CANARY}\n")
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (1, False)
    assert result.lines[0].startswith("bridge: error: sops:staging.sops.yaml")


def test_identifiers_are_no_secrets(desk: Desk) -> None:
    project = "22222222-0000-4000-8000-000000000000"
    section = {"region": "fr-par", "project_id": project}
    desk.environment(sources=["scaleway:/voice/app"], providers={"scaleway": section})
    result = desk.run()
    assert (result.status, "may be a secret" in result.err) == (0, False)


def test_reference_that_says_region_and_project_itself_lacks_neither(desk: Desk) -> None:
    desk.environment(sources=["scaleway:fr-par:22222222-0000-4000-8000-000000000000:/voice/app"])
    assert "profile of scw" not in desk.run().err
    desk.environment(sources=["scaleway:fr-par:/voice/app"])
    assert "has no project_id, and the pod has no scw profile" in desk.run().err


def test_path_that_link_leads_elsewhere_is_refused(desk: Desk) -> None:
    desk.write("elsewhere/deep/secrets.yml", SECRETS)
    (desk.root / "config" / "link").symlink_to(desk.root / "elsewhere" / "deep")
    desk.write("elsewhere/secrets.yml", SECRETS)
    desk.write("config/secrets.yml", SECRETS)
    desk.environment(templates=["link/../secrets.yml"])
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (2, False)
    assert "link/../secrets.yml: its path contains a link" in result.lines[0]


def test_absolute_path_is_refused(desk: Desk) -> None:
    desk.environment(templates=[str(desk.root / "apps/base/secrets.yml")])
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (2, False)
    assert "is an absolute path, which does not exist in a pod" in result.lines[0]


def test_more_than_config_map_holds_is_refused(desk: Desk) -> None:
    desk.write("config/staging.public.yaml", PUBLIC + "# x\n" * 300_000)
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (1, False)
    assert "a ConfigMap holds at most 1048576" in result.lines[0]


def test_where_file_cannot_be_written_none_is_left(desk: Desk) -> None:
    desk.write("deploy/staging/components", "in the way")
    result = desk.run()
    assert result.status == 1
    assert desk.files() == {"staging/components": "in the way"}


def component(desk: Desk, name: str) -> dict[str, Any]:
    """Return what a component adds to the pod, and the ports that it opens."""
    patches = {
        one["target"]["kind"]: yaml.safe_load(one["patch"])
        for one in desk.objects(f"components/{name}/kustomization.yaml")[0]["patches"]
    }
    spec = patches["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    ports = [rule["value"]["ports"][0]["port"] for rule in patches.get("NetworkPolicy", ())]
    return spec["containers"][0] | {"volumes": spec.get("volumes"), "ports": ports}


VAULT = {
    "address": "https://vault.internal:8300",
    "mount": "kv",
    "auth": [{"method": "kubernetes", "role": "bridge", "token_file": "/var/run/secrets/tokens/vault"}],
}


def test_vaults_token_is_where_environments_file_looks_for_it(desk: Desk) -> None:
    desk.write("config/ca.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    desk.environment(sources=["vault:voice/app"], providers={"vault": VAULT | {"ca_cert": "ca.crt"}})
    result = desk.run()
    assert result.status == 0
    found = component(desk, "vault")
    assert found["volumeMounts"] == [{"name": "vault-token", "mountPath": "/var/run/secrets/tokens", "readOnly": True}]
    token = {"path": "vault", "audience": "vault", "expirationSeconds": 600}
    assert found["volumes"][0]["projected"]["sources"] == [{"serviceAccountToken": token}]
    assert found["ports"] == [8300]
    assert desk.objects("kustomization.yaml")[0]["components"] == ["components/vault"]
    assert "config_ca.crt" in desk.objects("configuration.yaml")[0]["data"]


def test_private_key_in_certificates_is_refused(desk: Desk) -> None:
    desk.write("config/ca.crt", "-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n")
    desk.environment(sources=["vault:voice/app"], providers={"vault": VAULT | {"ca_cert": "ca.crt"}})
    result = desk.run()
    assert (result.status, (desk.root / "deploy").exists()) == (1, False)
    assert "ca.crt: contains a private key" in result.lines[0]


def test_what_pod_would_miss_to_reach_store_is_reported(desk: Desk) -> None:
    desk.environment(sources=["vault:kv/app", "scaleway:/voice/app", "sops:s3://bucket/app.sops.yaml", "aws:app"],
                     providers={"sops": {"s3": "aws"}})  # fmt: skip
    result = desk.run()
    assert result.status == 0
    for told in (
        "providers.vault: has no address, and the pod has no VAULT_ADDR",
        "providers.vault.auth: has no login method with a token that exists in the pod",
        "providers.scaleway: has no region and no project_id, and the pod has no scw profile",
        "providers.sops: has no s3_region, and the pod has no profile",
        "providers.aws: has no region, and the pod has no profile",
        "vault:kv/app: fields unknown until it is read",
    ):
        assert told in result.err
    env = component(desk, "bucket")["env"]
    assert [one["name"] for one in env] == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert {one["valueFrom"]["secretKeyRef"]["name"] for one in env} == {f"{ID}.bucket"}
    found = component(desk, "aws")
    keys = [one["valueFrom"]["secretKeyRef"] for one in found["env"]]
    assert keys == [{"name": f"{ID}.aws", "key": one["name"], "optional": True} for one in env]
    assert found["ports"] == [443, 80]


def test_credentials_file_is_not_packed_but_told(desk: Desk) -> None:
    desk.write("config/vault-id", CANARY)
    method = {"method": "approle", "role_id_file": "vault-id", "secret_id_file": "vault-id"}
    desk.environment(sources=["vault:voice/app"], providers={"vault": VAULT | {"auth": [method]}})
    result = desk.run()
    assert "secret_id_file is a credential and is not in the ConfigMap" in result.err
    assert CANARY not in json.dumps(desk.files())


def test_name_too_long_for_cron_job_is_cut_and_memory_keeps_its_own(desk: Desk) -> None:
    desk.environment(id="x" * 63)
    assert desk.run().status == 0
    name = desk.objects("cronjob.yaml")[0]["metadata"]["name"]
    assert (len(name), name[:10]) == (52, "bridge-xxx")
    rules = desk.objects("rights.yaml")[1]["rules"]
    assert f"bridge-{'x' * 63}" in rules[1]["resourceNames"]


def test_literal_in_base64_is_looked_at_in_clear(desk: Desk) -> None:
    text = SECRETS.replace('stringData: {OPENAI_API_KEY: "${OPENAI_API_KEY}"}', "data: {USER: c2stQ0FOQVJZ}")
    desk.write("apps/base/secrets.yml", text)  # sk-CANARY
    result = desk.run()
    assert (result.status, "data.USER" in result.lines[0]) == (1, True)


def test_file_that_left_environment_is_reported_and_two_files_never_share_key(desk: Desk) -> None:
    desk.write("config/apps/base.yml", PUBLIC)
    desk.write("config/apps_base.yml", PUBLIC.replace("agent", "front"))
    desk.environment(templates=["../apps/base/secrets.yml", "apps/base.yml", "apps_base.yml"])
    desk.run()
    data = desk.objects("configuration.yaml")[0]["data"]
    assert (data["config_apps_base.yml"], "front-config" in data["config_apps_base.yml_2"]) == (PUBLIC, True)
    desk.environment(templates=["../apps/base/secrets.yml", "apps/base.yml"])
    result = desk.run()
    assert "is out of date, but was kept: config/staging.yaml, config_apps_base.yml_2" in result.lines[0]


def test_section_of_another_name_is_of_its_type_and_absolute_certificates_stay_where_they_are(desk: Desk) -> None:
    section = VAULT | {"provider": "vault", "ca_cert": "/etc/ssl/vault.crt"}
    desk.environment(sources=["second:voice/app"], providers={"second": section})
    result = desk.run()
    assert result.status == 0
    assert desk.objects("kustomization.yaml")[0]["components"] == ["components/vault"]
    assert not [name for name in desk.objects("configuration.yaml")[0]["data"] if "crt" in name]


def test_variables_of_process_are_pods_there(desk: Desk) -> None:
    desk.environment(env_file="environment")
    result = desk.run()
    assert result.status == 0
    assert "env_file: is the pod's environment, which only has the variables in cronjob.yaml" in result.err


def test_each_vault_token_has_volume_of_its_own(desk: Desk) -> None:
    second = VAULT | {"provider": "vault", "auth": [{**VAULT["auth"][0], "token_file": "/var/run/secrets/vault/jwt"}]}
    desk.environment(sources=["vault:voice/app", "second:voice/app"], providers={"vault": VAULT, "second": second})
    assert desk.run().status == 0
    found = component(desk, "vault")
    assert [(one["name"], one["mountPath"]) for one in found["volumeMounts"]] == [
        ("vault-token", "/var/run/secrets/tokens"),
        ("vault-token-2", "/var/run/secrets/vault"),
    ]
    tokens = {one["name"]: one["projected"]["sources"][0]["serviceAccountToken"]["path"] for one in found["volumes"]}
    assert tokens == {"vault-token": "vault", "vault-token-2": "jwt"}


def test_environment_without_secrets_gets_no_right_to_secrets(desk: Desk) -> None:
    desk.environment(templates=["staging.public.yaml"], sources=None)
    assert desk.run().status == 0
    rules = desk.objects("rights.yaml")[1]["rules"]
    assert [rule["resources"] for rule in rules] == [["configmaps"], ["leases"], ["events"]]
    prune = desk.objects("components/prune/kustomization.yaml")[0]["patches"][0]["patch"]
    assert [one["value"]["resources"] for one in yaml.safe_load(prune)] == [["configmaps"]]


def test_network_policy_lets_nothing_in_and_only_dns_and_api_server_out(desk: Desk) -> None:
    assert desk.run().status == 0
    (policy,) = [one["spec"] for one in desk.objects("network.yaml")]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "bridge"
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    out = {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]}
    assert out == {("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 6443)}
