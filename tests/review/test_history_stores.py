"""`bridge history --stores`: the versions of a real Vault and of Secret Manager, and the cluster's last write."""

from collections.abc import Iterator

import pytest

from tests.desk import Desk
from tests.servers.scaleway import SecretManager
from tests.servers.vault import DevVault
from tests.team import VALUES

VARIABLES = ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "SCW_SECRET_KEY", "SCW_PROFILE", "SCW_CONFIG_PATH")
POLICY = (
    'path "{mount}/data/app" {{ capabilities = ["read"] }}\npath "{mount}/metadata/app" {{ capabilities = ["read"] }}'
)


@pytest.fixture
def mount(dev_vault: DevVault, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh engine of the real server, with a token that may read one document and its metadata."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    name = desk.folder.parent.name.replace("_", "-")
    dev_vault.mount(name, 2)
    dev_vault.policy(name, POLICY.format(mount=name))
    monkeypatch.setenv("VAULT_ADDR", dev_vault.address)
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.token(name))
    desk.environment(sources=["vault:app"], providers={"vault": {"mount": name}})
    return name


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
    with SecretManager() as server:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        yield server


def test_versions_of_vault_with_their_times(desk: Desk, mount: str, dev_vault: DevVault) -> None:
    for value in ("CANARY-1", "CANARY-2", "CANARY-3"):
        desk.canaries.add(value)
        dev_vault.put("app", VALUES | {"OPENAI_API_KEY": value}, mount)
    assert desk.run("sync", "staging").status == 0
    dev_vault.do("POST", f"{mount}/destroy/app", {"versions": [1]})
    dev_vault.do("POST", f"{mount}/delete/app", {"versions": [2]})
    result = desk.run("history", "staging", "--stores", "--output", "json")
    assert (result.status, result.err) == (0, "")
    (stored,) = result.data["stores"]
    assert stored["document"] == "vault:app"
    assert [(one["id"], one["state"]) for one in stored["versions"]] == [
        ("3", ""),
        ("2", "deleted"),
        ("1", "destroyed"),
    ]
    times = [one["time"] for one in stored["versions"]]
    assert times == sorted(times, reverse=True)
    text = desk.run("history", "staging", "--stores").out
    assert "vault:app" in text
    assert "destroyed" in text


def test_token_that_may_not_list_versions_gets_its_policy(
    desk: Desk, mount: str, dev_vault: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev_vault.policy(mount, f'path "{mount}/data/app" {{ capabilities = ["read"] }}')
    dev_vault.put("app", VALUES, mount)
    assert desk.run("sync", "staging").status == 0
    result = desk.run("history", "staging", "--stores")
    assert result.status == 1
    assert f"listing the versions of {mount}/metadata/app" in result.err
    assert "IN THE CLUSTER" in result.out  # the rest is shown


def test_engine_without_versions_has_none(desk: Desk, dev_vault: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{desk.folder.parent.name.replace('_', '-')}-v1"
    dev_vault.mount(name, 1)
    dev_vault.do("POST", f"{name}/app", VALUES)
    monkeypatch.setenv("VAULT_ADDR", dev_vault.address)
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.root)
    desk.environment(sources=["vault:app"], providers={"vault": {"mount": name, "kv_version": 1}})
    assert desk.run("sync", "staging").status == 0
    assert desk.run("history", "staging", "--stores", "-o", "json").data["stores"] == [
        {"document": "vault:app", "versions": []}
    ]


def test_revisions_of_secret_manager(offline_desk: Desk, manager: SecretManager) -> None:
    desk = offline_desk
    desk.canaries.add(manager.key)
    manager.put("/voice/app", VALUES, VALUES)
    desk.environment(sources=["scaleway:/voice/app"])
    assert desk.run("sync", "staging").status == 0
    result = desk.run("history", "staging", "--stores", "--output", "json")
    assert (result.status, result.err) == (0, "")
    (stored,) = result.data["stores"]
    assert [(one["id"], one["state"]) for one in stored["versions"]] == [("2", ""), ("1", "")]
    assert all(one["time"] for one in stored["versions"])


def test_last_write_of_each_key_in_the_cluster(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    data = desk.run("history", "staging", "--stores", "--output", "json").data["cluster"]
    assert set(data["keys"]) >= {"Secret/agent-secrets key OPENAI_API_KEY", "ConfigMap/agent-config key LOG_LEVEL"}
    assert data["last_write"] == max(data["keys"].values())
    data = desk.run("history", "staging", "OPENAI_API_KEY", "--stores", "--output", "json").data
    assert list(data["cluster"]["keys"]) == ["Secret/agent-secrets key OPENAI_API_KEY"]


def test_cluster_to_which_nothing_was_written(desk: Desk) -> None:
    result = desk.run("history", "staging", "--stores")
    assert result.status == 1
    assert "bridge has no state there" in result.err
    assert "bridge sync staging" in result.err
