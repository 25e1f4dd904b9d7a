"""The trust file in whole runs: what it does not list gets nothing, starts nothing, and nothing is written."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk, Target, set_up_desk
from tests.fleet.test_fleet import fleet
from tests.providers.vault.wire import wire
from tests.servers.vault import DevVault
from tests.team import VALUES
from tests.trusting import store, trusting

PLAIN = {"packages": ["bridge_plain"]}


def trust(desk: Desk, monkeypatch: pytest.MonkeyPatch, **listed: Any) -> str:
    """Write the file with these lists, and those of the desk's own cluster; return its path."""
    own = {"servers": [desk.target.client.url], "kubeconfigs": [str(desk.kubeconfig)]}
    variables = trusting(desk.folder, **(own | listed))
    monkeypatch.setenv("BRIDGE_TRUST", variables["BRIDGE_TRUST"])
    return variables["BRIDGE_TRUST"]


def test_run_whose_places_are_listed_is_as_usual(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = trust(desk, monkeypatch, **PLAIN)
    checked = desk.run("check", "staging")
    assert (checked.status, checked.err) == (0, desk.run("check", "staging").err)
    assert f"trust file: {file}\n" in checked.out
    assert desk.run("check", "staging", "--output", "json").data["trust_file"] == file
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_check_without_trust_file_names_none(offline_desk: Desk) -> None:
    assert "trust" not in offline_desk.run("check", "staging").out
    assert "trust_file" not in offline_desk.run("check", "staging", "--output", "json").data


def test_third_partys_provider_is_not_opened_unless_its_package_is_listed(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = trust(offline_desk, monkeypatch)
    for command in ("check", "plan", "sync"):
        result = offline_desk.run(command, "staging")
        assert result.status == 1
        assert (
            f"bridge: error: plain:values.json: the package bridge_plain is not in `packages` of {file}"
        ) in result.lines
    assert offline_desk.target.get("Secret", "agent-secrets") is None


def test_runs_of_many_environments_ask_for_same_packages(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 2)
    file = trust(offline_desk, monkeypatch)
    result = offline_desk.run("sync", "--all")
    assert result.status == 1
    for name in ("env-00", "env-01"):
        what = f"{name}: plain:{name}.json: the package bridge_plain is not in `packages` of {file}"
        assert f"bridge: error: {what}" in result.lines
    trust(offline_desk, monkeypatch, **PLAIN)
    assert offline_desk.run("sync", "--all").status == 0


@pytest.mark.parametrize("lists", ["servers", "kubeconfigs"])
def test_cluster_that_is_not_listed_is_not_asked(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, lists: str
) -> None:
    file = trust(offline_desk, monkeypatch, **{**PLAIN, lists: []})
    assert offline_desk.target.embedded
    offline_desk.target.embedded.requests.clear()
    for command in ("check", "plan", "sync", "status"):
        result = offline_desk.run(command, "staging")
        assert result.status == 1
        assert f"is not in `{lists}` of {file}" in result.err
    assert offline_desk.target.embedded.requests == []


def test_check_without_kubeconfig_does_not_miss_it(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(offline_desk, monkeypatch, **PLAIN)
    offline_desk.kubeconfig.unlink()
    assert offline_desk.run("check", "staging").status == 0


@pytest.mark.usefixtures("third_party")
def test_real_vault_that_is_not_listed_gets_no_token(
    dev_vault: DevVault, offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, token = offline_desk, dev_vault.token("root")
    desk.canaries.add(token)
    dev_vault.mount("trusted", 2)
    dev_vault.put("app", VALUES, "trusted")
    for name in ("VAULT_ADDR", "BAO_ADDR", "BAO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAULT_TOKEN", token)
    with wire(dev_vault.address) as relay:
        section = {"address": relay.address, "mount": "trusted", "kv_version": 2}
        desk.environment(sources=["vault:app"], providers={"vault": section})
        trust(desk, monkeypatch, stores=[store("https://vault.internal:8200", "token")])
        for command in ("check", "plan", "sync"):
            result = desk.run(command, "staging")
            assert result.status == 1
            assert f"names {relay.address}, which may not get the credential token" in result.err
        assert relay.requests == []
        assert desk.target.get("Secret", "agent-secrets") is None
        trust(desk, monkeypatch, stores=[store(relay.address, "token")])
        assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


@pytest.fixture
def plugged(
    real_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
) -> Desk:
    """A desk in front of the real API server, whose kubeconfig logs in with a plugin that leaves a mark."""
    desk = set_up_desk(real_target, tmp_path, monkeypatch, capfd)
    content = json.loads(desk.kubeconfig.read_text())
    user = content["users"][0]["user"]
    answer = {"token": user["token"]}
    kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": answer}
    plugin = tmp_path / "plugin"
    code = f"open({str(tmp_path / 'mark')!r}, 'a').write('x')\nprint({json.dumps(kind)!r})\n"
    plugin.write_text(f"#!{sys.executable} -I\n{code}")
    plugin.chmod(0o700)
    section = {"apiVersion": kind["apiVersion"], "command": str(plugin), "args": ["get-token"]}
    content["users"][0]["user"] = {"exec": section | {"interactiveMode": "Never"}}
    desk.canaries.add(user["token"])
    (tmp_path / "own-kubeconfig").write_text(json.dumps(content))
    desk.environment(cluster={"server": real_target.client.url})
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "own-kubeconfig"))
    return desk


def test_plugin_for_real_cluster_starts_only_if_it_is_listed(
    plugged: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = PLAIN | {"kubeconfigs": [str(tmp_path / "own-kubeconfig")]}
    trust(plugged, monkeypatch, **listed, programs=[[str(tmp_path / "plugin"), "other"]])
    for command in ("check", "sync"):
        result = plugged.run(command, "staging")
        assert result.status == 1
        assert f"exec starts {tmp_path / 'plugin'}, which is not in `programs` of" in result.err
    assert not (tmp_path / "mark").exists()
    assert plugged.target.get("Secret", "agent-secrets") is None
    trust(plugged, monkeypatch, **listed, programs=[[str(tmp_path / "plugin"), "get-token"]])
    assert plugged.run("sync", "staging").status == 0
    assert (tmp_path / "mark").exists()
    assert plugged.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
