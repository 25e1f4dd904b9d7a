"""The main job with the real Vault: whole runs, their requests, and what they leave behind."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.base.test_startup import RUN, SLOW, packages
from tests.desk import Desk
from tests.pages import page
from tests.providers.vault import jwts
from tests.providers.vault.wire import Answer, Request, Wire, errors, wire
from tests.servers.apiserver import RealCluster
from tests.servers.pki import key_pair
from tests.servers.vault import DevVault
from tests.team import VALUES

VARIABLES = [
    f"{prefix}_{name}"
    for prefix in ("VAULT", "BAO")
    for name in ("ADDR", "TOKEN", "NAMESPACE", "CACERT", "SKIP_VERIFY", "CLIENT_TIMEOUT", "MAX_RETRIES", "ID_TOKEN")
]


class Store:
    """A fresh engine of the real server behind a relay, and an AppRole that may read one document of it."""

    def __init__(self, server: DevVault, relay: Wire, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.relay = relay
        self.mount = desk.folder.parent.name.replace("_", "-")
        self.login = f"approle-{self.mount}"
        server.mount(self.mount, 2)
        server.policy(self.mount, f'path "{self.mount}/data/app" {{ capabilities = ["read"] }}')
        server.do("POST", f"sys/auth/{self.login}", {"type": "approle"})
        role = f"auth/{self.login}/role/r"
        server.do("POST", role, {"token_policies": [self.mount]})
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("VAULT_ROLE_ID", server.do("GET", f"{role}/role-id")["data"]["role_id"])
        monkeypatch.setenv("VAULT_SECRET_ID", server.do("POST", f"{role}/secret-id", {})["data"]["secret_id"])
        self.section = {
            "address": relay.address,
            "mount": self.mount,
            "kv_version": 2,
            "auth": {"method": "approle", "mount": self.login},
        }
        desk.environment(sources=["vault:app"], providers={"vault": self.section})

    def put(self, **values: object) -> None:
        self.server.put("app", VALUES | values, self.mount)

    @property
    def whole_run(self) -> list[str]:
        """The requests of a run: one login, one read, one revocation."""
        return [f"POST auth/{self.login}/login", f"GET {self.mount}/data/app", "POST auth/token/revoke-self"]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def store(dev_vault: DevVault, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with wire(dev_vault.address) as relay:
        before = dev_vault.tokens()
        made = Store(dev_vault, relay, desk, monkeypatch)
        yield made
        assert dev_vault.tokens() == before


def test_run_logs_in_once_reads_once_and_revokes(desk: Desk, store: Store) -> None:
    store.put()
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.secrets() == VALUES
    assert store.relay.asked() == store.whole_run
    store.relay.requests.clear()
    versions = desk.target.versions()
    assert desk.run("sync", "staging").status == 0
    assert desk.target.versions() == versions
    assert store.relay.asked() == store.whole_run


def test_new_version_changes_its_keys_only(desk: Desk, store: Store) -> None:
    store.put()
    desk.run("sync", "staging")
    desk.canaries.add("CANARY-new")
    store.put(OPENAI_API_KEY="CANARY-new")
    plan = desk.run("plan", "staging", "--output", "json").data
    changed = [key["name"] for one in plan["objects"] for key in one["keys"] if key["what"] != "keep"]
    assert changed == ["OPENAI_API_KEY"]
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets()["OPENAI_API_KEY"] == "CANARY-new"


def test_reports_name_servers_address(desk: Desk, store: Store) -> None:
    store.put()
    address = store.relay.address
    for command in ("plan", "status"):
        assert f"  vault: {address}" in desk.run(command, "staging").out.splitlines()
        assert desk.run(command, "staging", "--output", "json").data["stores"] == {"vault": [address]}
    assert f"`vault`: `{address}`" in desk.run("plan", "staging", "--output", "markdown").out


def test_variable_takes_nested_field_and_its_bytes(desk: Desk, store: Store) -> None:
    store.put(nested={"key": "Q0FOQVJZAP8="})
    variable = {"from": "vault:app#nested.key", "decode": "base64"}
    providers = {"vault": store.section}
    desk.environment(sources=["vault:app"], providers=providers, variables={"OPENAI_API_KEY": variable})
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get("Secret", "agent-secrets")
    assert live["data"]["OPENAI_API_KEY"] == "Q0FOQVJZAP8="
    assert store.relay.asked() == store.whole_run


def test_pinned_version(desk: Desk, store: Store) -> None:
    store.put()
    store.put(OPENAI_API_KEY="CANARY-later")
    desk.environment(sources=["vault:app@1"], providers={"vault": store.section})
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES


@pytest.mark.parametrize("gone", ["delete", "destroy", "metadata"])
def test_document_that_is_gone_leaves_live_secret_alone(desk: Desk, store: Store, gone: str) -> None:
    store.put()
    desk.run("sync", "staging")
    versions = desk.target.versions()
    if gone == "metadata":
        store.server.do("DELETE", f"{store.mount}/metadata/app")
    else:
        store.server.do("POST", f"{store.mount}/{gone}/app", {"versions": [1]})
    store.relay.requests.clear()
    result = desk.run("sync", "staging", "--allow-shrink", "--allow-fallback", "--prune")
    assert result.status == 1
    whats = {
        "delete": "version 1 was deleted at ",
        "destroy": "version 1 is destroyed",
        "metadata": "the document does not exist",
    }
    assert result.lines[0].startswith(f"bridge: error: vault:app: {whats[gone]}")
    assert desk.target.versions() == versions
    assert store.relay.asked() == store.whole_run


def test_run_that_fails_revokes_too(desk: Desk, store: Store) -> None:
    store.put()
    desk.environment(sources=["vault:app", "vault:other"], providers={"vault": store.section})
    result = desk.run("sync", "staging")
    assert result.status == 1
    what = f"reading {store.mount}/data/other as approle failed: permission denied"
    assert result.lines == [
        f"bridge: error: vault:other: {store.relay.address}: {what}",
        f'bridge: hint: add to the policy: path "{store.mount}/data/other" {{ capabilities = ["read"] }}',
    ]
    asked = store.relay.asked()
    logins, revocations = (sum(one.endswith(end) for one in asked) for end in ("/login", "/revoke-self"))
    assert (logins, revocations) == (2, 2)
    assert desk.target.versions() == {}


def test_server_that_recovers_within_run_is_no_failure(desk: Desk, store: Store) -> None:
    store.put()
    bad = [errors(429, Retry_After="0"), errors(503, "Vault is sealed")]
    store.relay.answer = lambda request: bad.pop() if bad and "data/" in request.path else None
    assert desk.run("sync", "staging").status == 0
    assert store.relay.asked() == [store.whole_run[0], *[store.whole_run[1]] * 3, store.whole_run[2]]


@pytest.mark.parametrize(("retries", "count"), [("0", 1), ("1", 2), (None, 3)])
def test_sealed_server_is_temporary_after_as_many_tries_as_vaults_variable_says(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch, retries: str | None, count: int
) -> None:
    if retries:
        monkeypatch.setenv("VAULT_MAX_RETRIES", retries)
    store.put()
    store.relay.answer = lambda request: errors(503, "Vault is sealed") if "data/" in request.path else None
    result = desk.run("sync", "staging")
    assert result.status == 75
    what = f"reading {store.mount}/data/app as approle failed: the server is sealed (503)"
    assert result.lines[0] == f"bridge: error: vault:app: {store.relay.address}: {what}"
    assert sum("data/" in one for one in store.relay.asked()) == count
    assert desk.target.versions() == {}
    store.relay.answer = lambda _: None
    assert desk.run("sync", "staging").status == 0


def test_page_of_proxy_is_no_document(desk: Desk, store: Store) -> None:
    store.put()
    page = Answer(200, b"<html>CANARY-page</html>", {"Content-Type": "text/html"})
    desk.canaries.add("CANARY-page")
    store.relay.answer = lambda request: page if "data/" in request.path else None
    result = desk.run("sync", "staging")
    assert result.status == 1
    what = f"reading {store.mount}/data/app as approle failed: the server at this address is not Vault"
    assert result.lines[0].startswith(f"bridge: error: vault:app: {store.relay.address}: {what}")


def test_unverified_server_is_reported_with_every_run(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_SKIP_VERIFY", "1")
    store.put()
    result = desk.run("plan", "staging")
    assert result.status == 0
    assert result.lines[0].startswith("bridge: warning: vault:app: VAULT_SKIP_VERIFY is set: ")


def test_check_asks_nobody(desk: Desk, store: Store) -> None:
    desk.environment(sources=["vault:a/../b"], providers={"vault": store.section})
    result = desk.run("check", "staging")
    assert "vault:a/../b: the path must not contain . or .. as a part" in result.err + result.out
    desk.environment(sources=["vault:app"], providers={"vault": store.section | {"auth": {"method": "ldap"}}})
    result = desk.run("check", "staging")
    assert result.status == 2
    assert "staging.yaml: providers.vault.auth[0].method: must be one of token, " in result.err + result.out
    assert store.relay.requests == []


def test_check_loads_neither_hvac_nor_what_it_needs(desk: Desk, store: Store, tmp_path: Path) -> None:
    desk.environment(sources=["vault:app"], providers={"vault": store.section})
    told = tmp_path / "told"
    told.touch()
    command = [sys.executable, "-c", RUN, str(told), "check", "staging", "--config", str(desk.folder)]
    subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, check=True)
    modules = set(told.read_text().splitlines())
    assert "bridge_providers.vault.methods" in modules
    assert not packages(modules) & {*SLOW, "ssl", "http", "email"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_terminated_run_revokes_its_token(desk: Desk, store: Store, tmp_path: Path, number: signal.Signals) -> None:
    store.put()
    reached, go_on = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if "data/" in request.path:
            reached.set()
            go_on.wait(60)

    store.relay.answer = hold
    environ = {name: os.environ[name] for name in ("PATH", "VAULT_ROLE_ID", "VAULT_SECRET_ID")}
    command = [sys.executable, "-m", "bridge", "sync", "staging", "--config", str(desk.folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ | {"HOME": str(tmp_path)}, stdout=pipe, stderr=pipe, text=True) as run:
        assert reached.wait(60)
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    go_on.set()
    assert run.returncode == 128 + number
    assert "CANARY" not in out + err
    assert store.relay.asked() == store.whole_run


# The help page, tried as it is written


@pytest.fixture
def shell(dev_vault: DevVault, tmp_path: Path) -> Any:
    """Run a block of the help page as an administrator of Vault, and return what it leaves in VAULT_TOKEN."""
    folder = tmp_path / "administrator"
    folder.mkdir()
    (folder / "bin").mkdir()
    (folder / "bin" / "vault").symlink_to(dev_vault.binary)  # OpenBao's program takes the same commands and variables
    environ = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        "VAULT_ADDR": dev_vault.address,
        "VAULT_TOKEN": dev_vault.root,
    }

    def run(name: str, **more: str) -> str:
        script = f'set -e\n{page("vault").block(name)}\nprintf %s "$VAULT_TOKEN" > token'
        command = ["bash", "-c", script]
        done = subprocess.run(
            command, env=environ | more, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return (folder / "token").read_text()

    run.folder = folder
    return run


@pytest.fixture
def documented(dev_vault: DevVault, desk: Desk, shell: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """The help page's engine, policy and environment; only the server's place and the token's file are ours."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    dev_vault.mount("kv", 2)
    dev_vault.put("voice-agent/staging", VALUES, "kv")
    dev_vault.put("voice-agent/production", VALUES, "kv")
    shell("vault-policy")
    content = yaml.safe_load(page("vault").block("vault-environment"))
    section = content["providers"]["vault"]
    with wire(dev_vault.address) as relay:
        section["address"] = relay.address
        assert section["auth"][1]["token_file"] == "/var/run/secrets/vault/token"
        section["auth"][1]["token_file"] = str(desk.folder / "pod" / "vault-token")
        desk.environment(sources=content["sources"], providers=content["providers"])
        yield relay
    dev_vault.do("DELETE", "sys/mounts/kv")
    for path in ("jwt", "kubernetes"):
        dev_vault.request("DELETE", f"sys/auth/{path}")


def test_documented_policy_is_enough_and_smallest_that_works(
    desk: Desk, documented: Wire, dev_vault: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = dev_vault.do("GET", "sys/policies/acl/bridge-staging")["data"]["policy"]
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.token("bridge-staging"))
    assert desk.run("plan", "staging").status == 0
    smaller = [policy.replace(f'"{word}"', "") for word in ("read",)]
    smaller += [policy.replace("voice-agent/staging", "voice-agent")]
    for text in smaller:
        assert text != policy
        dev_vault.policy("bridge-staging", text)
        assert "permission denied" in desk.run("plan", "staging").lines[0]
    dev_vault.policy("bridge-staging", policy)
    for method, path in [("LIST", "metadata/voice-agent"), ("GET", "data/voice-agent/production")]:
        assert dev_vault.request(method, f"kv/{path}", token=os.environ["VAULT_TOKEN"]).status == 403
    body = b'{"data":{}}'
    reply = dev_vault.request("POST", "kv/data/voice-agent/staging", body, os.environ["VAULT_TOKEN"])
    assert reply.status == 403


def test_readmes_operator(
    desk: Desk, documented: Wire, dev_vault: DevVault, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = shell("vault-operator")
    monkeypatch.setenv("VAULT_TOKEN", token)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES
    assert dev_vault.is_alive(token)


def test_readmes_pipeline(
    desk: Desk, documented: Wire, dev_vault: DevVault, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = key_pair(desk.folder, "gitlab")
    shutil.copy(pair.certificate, shell.folder / "gitlab.pem")
    shell("vault-pipeline")
    claims = {"aud": "vault", "sub": "project_path:voice/agent:ref_type:branch:ref:main"}
    before = dev_vault.tokens()
    monkeypatch.setenv("VAULT_ID_TOKEN", jwts.signed(pair.key, claims))
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES
    assert dev_vault.tokens() == before
    branch = claims | {"sub": "project_path:voice/agent:ref_type:branch:ref:other"}
    monkeypatch.setenv("VAULT_ID_TOKEN", jwts.signed(pair.key, branch))
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.root)
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == (
        f"bridge: error: vault:voice-agent/staging: {documented.address}: "
        "the login as jwt bridge-staging at auth/jwt failed: "
        "the role expects another subject (sub) in the token; no other method was tried"
    )


def test_readmes_cronjob(
    desk: Desk, documented: Wire, dev_vault: DevVault, shell: Any, real_cluster: RealCluster
) -> None:
    def create(kind: str, name: str, path: str) -> None:
        real_cluster.request("POST", path, {"metadata": {"name": name}, "kind": kind, "apiVersion": "v1"})

    def token(account: str, audience: str) -> str:
        path = f"/api/v1/namespaces/voice-agent-staging/serviceaccounts/{account}/token"
        return str(real_cluster.request("POST", path, {"spec": {"audiences": [audience]}}).body["status"]["token"])

    account = "bridge-voice-agent-staging"
    create("Namespace", "voice-agent-staging", "/api/v1/namespaces")
    for name in (account, "vault"):
        create("ServiceAccount", name, "/api/v1/namespaces/voice-agent-staging/serviceaccounts")
    binding = "--serviceaccount=voice-agent-staging:vault"
    real_cluster.kubectl(
        "create", "clusterrolebinding", dev_vault.binary.name, "--clusterrole=system:auth-delegator", binding
    )
    (shell.folder / "reviewer.jwt").write_text(token("vault", "https://kubernetes.default.svc"))
    shutil.copy(real_cluster.ca_file, shell.folder / "ca.crt")
    shell("vault-cronjob", CLUSTER=real_cluster.url)
    before = dev_vault.tokens()
    desk.write("pod/vault-token", token(account, "vault"))
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES
    assert [one for one in documented.asked() if "login" in one] == ["POST auth/kubernetes/login"]
    assert dev_vault.tokens() == before
