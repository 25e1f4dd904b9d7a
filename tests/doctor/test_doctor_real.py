"""`bridge doctor` on a real kube-apiserver and a real Vault: rights that suffice, and rights that do not."""

import pytest

from tests.cluster.test_rights import allow
from tests.desk import Desk, Target
from tests.doctor.test_doctor import doctor, levels, lines
from tests.servers.apiserver import RealCluster
from tests.servers.vault import DevVault
from tests.team import VALUES

pytestmark = pytest.mark.real


@pytest.fixture
def target(real_target: Target) -> Target:
    return real_target


def test_administrator_has_every_right(desk: Desk) -> None:
    before = desk.target.versions()
    result = doctor(desk)
    assert (result.status, lines(result, "error")) == (0, [])
    texts = {line["name"]: line["what"] for line in lines(result)}
    assert levels(result, "version") == {"ok"}
    assert texts["user"] != "unknown"
    assert texts["clock"] == "agrees with the server's"
    assert texts["secrets/agent-secrets"] == "get, patch, create"
    assert texts["deployments"] == "list, patch"
    assert desk.target.versions() == before


def test_rights_of_run_suffice_and_restart_is_only_warned_of(limited: Desk) -> None:
    allow(limited, "get", "patch", "create")
    result = doctor(limited)
    assert (result.status, lines(result, "error")) == (0, [])
    assert levels(result, "deployments") == {"warning"}


def test_missing_verb_is_error_with_commands_that_grant_it(limited: Desk, real_cluster: RealCluster) -> None:
    allow(limited, "get", "patch")
    result = doctor(limited)
    assert result.status == 1
    hints = [line["hint"] for line in lines(result, "error") if line["name"].startswith(("secrets/", "configmaps/"))]
    assert len(hints) == 6
    for hint in hints:
        for command in hint.split("`")[1::2]:
            program, *words = command.split()
            assert program == "kubectl"
            real_cluster.kubectl(*[word for word in words if not word.startswith("--context")])
    assert doctor(limited).status == 0


def test_refused_token_is_error_and_sources_are_read_all_the_same(desk: Desk, real_cluster: RealCluster) -> None:
    real_cluster.kubeconfig(desk.folder / "kubeconfig", token="CANARY-expired")
    desk.canaries.add("CANARY-expired")
    result = doctor(desk)
    assert result.status == 1
    assert lines(result, "error")
    assert levels(result, "plain:values.json") == {"ok"}


def test_store_is_denied_and_token_expires(desk: Desk, vault: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = desk.folder.parent.name.replace("_", "-")
    vault.mount(mount, 2)
    vault.put("app", VALUES, mount)
    vault.policy(f"{mount}-app", f'path "{mount}/data/app" {{ capabilities = ["read"] }}')
    section = {"address": vault.address, "mount": mount, "kv_version": 2}
    desk.environment(sources=["vault:app"], providers={"vault": section})
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    token = vault.token(f"{mount}-app")
    desk.canaries.add(token)
    monkeypatch.setenv("VAULT_TOKEN", token)
    assert levels(doctor(desk), "vault:app") == {"ok"}
    vault.policy(f"{mount}-app", f'path "{mount}/data/other" {{ capabilities = ["read"] }}')
    denied = doctor(desk)
    assert denied.status == 1
    assert levels(denied, "vault:app") == {"error"}
    vault.do("POST", "auth/token/revoke", {"token": token})
    assert levels(doctor(desk), "vault:app") == {"error"}
    assert "ok" in levels(doctor(desk), "version")
