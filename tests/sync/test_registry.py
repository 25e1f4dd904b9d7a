"""The registry's pull secret: values within JSON text, whatever they hold."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.servers.apiserver import RealCluster

DOCKER = "kubernetes.io/dockerconfigjson"
TEMPLATE = """\
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: |
    {"auths": {"${REGISTRY_BASE|json}": {"username": "nologin", "password": "${SCW_SECRET_KEY|json}"}}}
"""
TEMPLATES = ["base/secrets.yml", "base/configmap.yml", "base/registry.yml"]
NASTY = [
    "CANARY-plain",
    'CANARY","auths":{},"x":"',
    "CANARY\\",
    "CANARY\\u0041 \\n",
    "CANARY\ttab\nline\x01\x7f",
    "CANARY-é\u2028\U0001f511",
    "CANARY$${X} ${Y} $5",
    "CANARY</script>'`",
]


def registry(desk: Desk, password: str, template: str = TEMPLATE) -> None:
    desk.write("base/registry.yml", template)
    desk.environment(templates=TEMPLATES, infrastructure={"REGISTRY_BASE": "required", "SCW_SECRET_KEY": "secret"})
    desk.values(SCW_SECRET_KEY=password)


def written(desk: Desk) -> object:
    return json.loads(desk.target.data("Secret", "registry")[".dockerconfigjson"])


@pytest.mark.parametrize("password", NASTY)
def test_pull_secret_is_right_whatever_password_holds(desk: Desk, password: str) -> None:
    registry(desk, password)
    assert desk.run("sync", "staging").status == 0
    entry = {"username": "nologin", "password": password}
    assert written(desk) == {"auths": {"registry.example.com/demo": entry}}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_kubectl_makes_same_of_same_password(desk: Desk, real_cluster: RealCluster, kubectl_binary: Path) -> None:
    registry(desk, NASTY[1])
    assert desk.run("sync", "staging").status == 0
    flags = ["--docker-server=registry.example.com/demo", "--docker-username=nologin", f"--docker-password={NASTY[1]}"]
    command = [kubectl_binary, "create", "secret", "docker-registry", "registry", *flags, "--dry-run=client", "-o"]
    path = "jsonpath={.data['\\.dockerconfigjson']}"
    done = subprocess.run([*command, path], capture_output=True, check=True, timeout=60)
    theirs = json.loads(base64.b64decode(done.stdout))["auths"]["registry.example.com/demo"]
    ours = written(desk)["auths"]["registry.example.com/demo"]
    assert {key: theirs[key] for key in ("username", "password")} == ours


def test_registrys_address_may_come_from_env_file_and_its_password_not(offline_desk: Desk) -> None:
    registry(offline_desk, "CANARY-x")
    offline_desk.values(SCW_SECRET_KEY=None)
    offline_desk.env_file(SCW_SECRET_KEY="CANARY-in-a-file")
    offline_desk.canaries.add("CANARY-in-a-file")
    result = offline_desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines == [
        (
            "bridge: error: base/registry.yml Secret/registry key .dockerconfigjson: "
            "would fill a Secret's key from .env.k8s.staging, a plaintext file"
        ),
        "bridge: hint: move the value to a source, or set `secrets_from: any`",
    ]


def test_address_that_nobody_declared_public_may_not_come_from_env_file(offline_desk: Desk) -> None:
    registry(offline_desk, "CANARY-x")
    offline_desk.environment(templates=TEMPLATES)
    assert offline_desk.run("sync", "staging").status == 1


def test_value_that_is_no_text_is_refused(offline_desk: Desk) -> None:
    registry(offline_desk, "gA==")
    variable = {"from": "plain:values.json#SCW_SECRET_KEY", "decode": "base64"}
    offline_desk.environment(
        templates=TEMPLATES, infrastructure={"REGISTRY_BASE": "required"}, variables={"SCW_SECRET_KEY": variable}
    )
    result = offline_desk.run("sync", "staging")
    assert (result.status, result.lines) == (
        1,
        [
            (
                "bridge: error: base/registry.yml Secret/registry key .dockerconfigjson: "
                "the value of ${SCW_SECRET_KEY|json} is not text, which JSON requires"
            ),
            "bridge: hint: store it as base64",
        ],
    )


def test_placeholder_that_could_break_out_of_json_is_refused(offline_desk: Desk) -> None:
    registry(offline_desk, "CANARY-x", TEMPLATE.replace("KEY|json", "KEY"))
    for command in ("check", "sync"):
        result = offline_desk.run(command, "staging")
        assert (result.status, result.lines[-2:]) == (
            2,
            [
                (
                    "bridge: error: base/registry.yml Secret/registry key .dockerconfigjson: "
                    "the value of ${SCW_SECRET_KEY} may break the JSON around it"
                ),
                "bridge: hint: write ${SCW_SECRET_KEY|json}",
            ],
        )


def test_check_finds_json_that_is_none(offline_desk: Desk) -> None:
    registry(offline_desk, "CANARY-x", TEMPLATE.replace('"}}}', '"}}'))
    result = offline_desk.run("check", "staging")
    assert result.status == 1
    wanted = f"Secret/registry key .dockerconfigjson: must be a JSON object, as type {DOCKER} requires"
    assert f"bridge: error: {wanted}" in result.lines


def test_whole_document_from_one_variable_is_not_judged_by_check(offline_desk: Desk) -> None:
    whole = TEMPLATE.partition("  .dockerconfigjson")[0] + "  .dockerconfigjson: ${DOCKER_CONFIG}\n"
    registry(offline_desk, "CANARY-x", whole)
    offline_desk.values(DOCKER_CONFIG='{"auths": {}}')
    assert offline_desk.run("check", "staging").status == 0
    assert offline_desk.run("sync", "staging").status == 0
    offline_desk.values(DOCKER_CONFIG="CANARY-no-json")
    assert offline_desk.run("sync", "staging").status == 1


def test_json_text_in_config_map_takes_public_values(desk: Desk) -> None:
    desk.write(
        "base/registry.yml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: front}\n"
        'data:\n  app.json: \'{"url": "${LIVEKIT_URL|json}", "theme": "${THEME|json:-say "hi"}"}\'\n',
    )
    desk.environment(templates=TEMPLATES)
    desk.env_file(LIVEKIT_URL="'wss://a\"b'")
    assert desk.run("sync", "staging").status == 0
    found = json.loads(desk.target.data("ConfigMap", "front")["app.json"])
    assert found == {"url": 'wss://a"b', "theme": 'say "hi"'}
