"""Attacks that worked on other tools of this kind, tried on bridge; the threat model names them by their CVE."""

import base64
import hashlib
import json

import pytest

from bridge.testing.apiserver import Fault, Intercept
from tests.desk import Desk
from tests.team import SECRETS, VALUES

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
READING = (["check"], ["check", "--live"], ["plan"], ["status"], ["sync", "--dry-run"])
WRITING = (["sync"], ["sync", "--prune"], ["restart"], ["adopt", "--yes"])


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


# What template engines, shells and other tools' references would replace.
FUNCTIONS = (
    '{{ env "VAULT_TOKEN" }}',
    '{{ getSecretKey "other" "token" }}',
    '{{ getHostByName "CANARY.evil.example" }}',
    '{{ (lookup "v1" "Secret" "kube-system" "token").data }}',
    "{% include '/etc/passwd' %}",
    "$(cat /etc/passwd)",
    "`id`",
    "$VAULT_TOKEN",
    "%(VAULT_TOKEN)s {VAULT_TOKEN} <vault:kv/data/app#token>",
)


def test_template_has_no_functions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that means something to another tool's engine reaches the cluster as it is."""
    monkeypatch.setenv("VAULT_TOKEN", "CANARY-token")
    desk.canaries.add("CANARY-token")
    data = {f"K{number}": text for number, text in enumerate(FUNCTIONS)}
    manifests = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "data": data},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "odd"}, "stringData": data},
    ]
    desk.write("odd.yaml", "---\n".join(f"{json.dumps(one)}\n" for one in manifests))
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "odd.yaml"])
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("ConfigMap", "odd") == desk.target.data("Secret", "odd") == data


@pytest.mark.parametrize("text", ["${env:VAULT_TOKEN}", "${file:/etc/passwd}", "${$(id)}", "${ `id` }", "${A.B}"])
def test_placeholder_is_name_and_nothing_else(desk: Desk, text: str) -> None:
    desk.write("base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", f"'{text}'"))
    result = desk.run("sync", "staging")
    assert result.status == 2
    assert desk.target.get("Secret", "agent-secrets") is None


def test_no_run_asks_for_anything_outside_of_its_namespace(desk: Desk) -> None:
    namespace = desk.target.namespace
    embedded = desk.target.embedded
    assert embedded
    embedded.requests.clear()
    for command in (*READING, *WRITING):
        assert desk.run(command[0], "staging", *command[1:]).status in {0, 1}, command
    paths = {path.partition("?")[0] for _, path in embedded.requests}
    own = (f"/api/v1/namespaces/{namespace}/", "/apis/")
    other = [one for one in paths if not one.startswith(own) and one != f"/api/v1/namespaces/{namespace}"]
    assert other == []
    assert [one for one in paths if one.startswith("/apis/") and f"/namespaces/{namespace}/" not in one] == []


def test_object_of_another_namespace_is_refused(desk: Desk) -> None:
    desk.write("base/secrets.yml", SECRETS.replace("{name: agent-secrets}", "{name: a, namespace: kube-system}"))
    result = desk.run("sync", "staging")
    assert result.status == 2
    assert "metadata.namespace is not" in result.err
    assert desk.target.get("Secret", "shared-secrets") is None


def failing(status: int, text: str, *, writes: bool = False) -> Intercept:
    """Answer each request, or only each write, with an error of the API server that has this text."""
    body = {"kind": "Status", "status": "Failure", "reason": "Invalid", "code": status, "message": text}

    def answer(method: str, _path: str) -> Fault | None:
        return (
            None
            if writes and method == "GET"
            else ("status", status, {"Content-Type": "application/json"}, json.dumps(body).encode())
        )

    return answer


LOGS = (["--output", "json"], ["--output", "markdown"], ["--log-format", "json"])


@pytest.mark.parametrize("flags", LOGS)
@pytest.mark.parametrize("status", [400, 409, 422])
def test_answer_that_repeats_object_shows_no_value(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, status: int, flags: list[str]
) -> None:
    """The desk looks for each value, also in base64, in both streams."""
    assert desk.target.embedded
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in VALUES.items()}
    text = f"Secret in version v1 cannot be handled: {json.dumps(encoded)} {json.dumps(VALUES)}"
    monkeypatch.setattr(desk.target.embedded, "intercept", failing(status, text, writes=True))
    for command in ("plan", "sync"):
        assert desk.run(command, "staging", *flags).status in {1, 75}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_token_is_in_no_report_and_no_log(desk: Desk, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    assert desk.target.embedded
    content = json.loads(desk.kubeconfig.read_text())
    desk.canaries.add(content["users"][0]["user"]["token"])

    monkeypatch.setattr(desk.target.embedded, "intercept", failing(status, json.dumps(content)))
    for arguments in (["plan", "staging", "--log-format", "json"], ["sync", "staging"], ["doctor", "staging"]):
        assert desk.run(*arguments).status in {1, 75}


def test_nothing_that_is_written_has_copy_of_value(desk: Desk) -> None:
    """Neither annotations nor labels, nor the state ConfigMap, the Lease and the Events."""
    assert desk.run("sync", "staging").status == 0
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand")
    assert desk.run("sync", "staging").status == 0
    namespace = desk.target.namespace
    request = desk.target.client.request
    for path in ("configmaps", "events"):
        text = json.dumps(request("GET", f"/api/v1/namespaces/{namespace}/{path}").body)
        assert_none(text)
    assert_none(json.dumps(request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases").body))
    for name in ("agent-secrets", "shared-secrets"):
        found = desk.target.get("Secret", name)
        assert found
        assert LAST_APPLIED not in found["metadata"].get("annotations", {})
        assert_none(json.dumps(found["metadata"]))


def assert_none(text: str) -> None:
    """Look for each value, its base64 and the beginnings of its usual digests."""
    for value in (*VALUES.values(), "CANARY-by-hand"):
        data = value.encode()
        assert value not in text
        assert base64.b64encode(data).decode() not in text
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            digest = hashlib.new(name, data).digest()
            assert digest.hex()[:10] not in text
            assert base64.b64encode(digest).decode()[:10] not in text
