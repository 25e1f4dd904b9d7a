"""A token that stays in Vault is told by every kind of run, on every way out; so is a Vault over plain http."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bridge.errors import Problem
from bridge.run import apply as sync
from bridge.sources import session
from tests.cluster_identity.test_first_write import KUBECONFIG
from tests.desk import Desk
from tests.providers.runs.test_vault_runs import VARIABLES
from tests.providers.vault.test_left_tokens import MISSING, POLICY, issuing
from tests.providers.vault.wire import Request, Wire, document, errors, wire
from tests.team import VALUES

LEFT = "the token of the login as userpass ann could not be revoked (permission denied) and lives for 30 min more"


@pytest.fixture
def desk(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAULT_PASSWORD", "CANARY-password")
    offline_desk.canaries |= {"CANARY-password", "hvs.own"}
    return offline_desk


@pytest.fixture
def vault(desk: Desk) -> Iterator[Wire]:
    """A server whose tokens may not revoke themselves."""
    with wire() as fake:

        def answer(request: Request) -> object:
            if request.path.endswith("data/absent"):
                return errors(404)
            return document(VALUES) if "data/" in request.path else issuing(1800, MISSING)(request)

        fake.answer = answer
        auth = {"method": "userpass", "username": "ann"}
        section = {"address": fake.address, "mount": "kv", "kv_version": 2, "auth": auth}
        desk.environment(sources=["vault:app"], providers={"vault": section})
        yield fake


@pytest.mark.parametrize("command", ["plan", "sync", "status", "check --live", "scan FOLDER"])
def test_every_run_tells_it_once(desk: Desk, vault: Wire, command: str) -> None:
    verb, _, rest = command.partition(" ")
    result = desk.run(verb, "staging", *rest.replace("FOLDER", str(desk.folder)).split())
    assert result.err.count(f"bridge: warning: {vault.address}: {LEFT}\nbridge: hint: {POLICY}\n") == 1
    assert result.err.count("could not be revoked") == 1


def test_exec_tells_it_before_it_becomes_command(desk: Desk, vault: Wire) -> None:
    config = ["--config", str(desk.folder)]
    command = [sys.executable, "-m", "bridge", "exec", "staging", *config, "--with", "OPENAI_API_KEY", "--", "true"]
    environ = os.environ | {"VAULT_PASSWORD": "CANARY-password"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"bridge: warning: {vault.address}: {LEFT}\nbridge: hint: {POLICY}\n"


def test_report_for_program_has_it_too(desk: Desk, vault: Wire) -> None:
    result = desk.run("plan", "staging", "--output", "json")
    assert [one["what"] for one in result.data["warnings"]] == [f"{vault.address}: {LEFT}"]


def test_run_that_fails_tells_it(desk: Desk, vault: Wire) -> None:
    vault.answer, usual = (
        lambda request: errors(404) if "data/" in request.path else usual(request),
        vault.answer,
    )
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0].startswith("bridge: error: vault:app: ")
    assert f"bridge: warning: {vault.address}: {LEFT}" in result.lines


def test_log_for_program_has_it_before_its_last_line(desk: Desk, vault: Wire) -> None:
    lines = desk.run("sync", "--all", "--log-format", "json").lines
    assert LEFT in lines[-2]
    assert '"message": "ended"' in lines[-1]


def test_run_over_all_environments_tells_it_once(desk: Desk, vault: Wire) -> None:
    assert desk.run("plan", "--all").err.count(LEFT) == 1


@pytest.mark.parametrize("command", ["sync staging", "sync --all", "status staging"])
def test_run_that_stops_after_its_sources_tells_it_once(desk: Desk, vault: Wire, command: str) -> None:
    """The first write of an environment that is bound to no cluster is refused; a namespace may be missing."""
    section = json.loads((desk.folder / "staging.yaml").read_text())["providers"]["vault"]
    namespace = "nowhere" if command.startswith("status") else desk.target.namespace
    desk.environment(sources=["vault:app"], providers={"vault": section}, cluster=KUBECONFIG, namespace=namespace)
    result = desk.run(*command.split())
    assert (result.status, result.err.count(LEFT)) == (1, 1)
    assert desk.target.versions() == {}


def test_run_that_reads_its_sources_again_tells_of_both_logins(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, logins = offline_desk, itertools.count()
    assert desk.run("sync", "staging").status == 0

    def left(_session: object) -> list[Problem]:
        return [Problem("", f"token {next(logins)} was left", warning=True)]

    monkeypatch.setattr(session, "_warnings", left)
    desk.values(OPENAI_API_KEY="CANARY-newer")
    turns, take_turn = itertools.count(), sync._take_turn
    monkeypatch.setattr(sync, "_take_turn", lambda *given: take_turn(*given) if next(turns) else None)
    result = desk.run("sync", "staging")
    told = [line for line in result.lines if "was left" in line]
    assert result.status == 0
    assert sorted(told) == [f"bridge: warning: token {number} was left" for number in range(next(logins))]
    assert len(told) > 1


# In clear


def test_vault_that_is_reached_in_clear_is_reported_by_check_and_by_every_run(
    desk: Desk, vault: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = "http://vault.test:8200 is plain http: the token and the values travel unencrypted"
    line = f"bridge: warning: vault:app: {what}"
    monkeypatch.setenv("VAULT_PROXY_ADDR", vault.address)
    monkeypatch.setenv("VAULT_ADDR", "http://vault.test:8200")
    section = {"mount": "kv", "kv_version": 2, "auth": {"method": "userpass", "username": "ann"}}
    desk.environment(sources=["vault:app"], providers={"vault": section})
    for command in ("check", "plan", "sync", "status"):
        assert line in desk.run(command, "staging").lines
    monkeypatch.delenv("VAULT_ADDR")
    desk.environment(sources=["vault:app"], providers={"vault": section | {"address": "http://vault.test:8200"}})
    assert line in desk.run("check", "staging").lines
    for address in ("http://localhost:8200", "http://127.0.0.1:8200", "http://[::1]:8200", "https://vault.test:8200"):
        desk.environment(sources=["vault:app"], providers={"vault": section | {"address": address}})
        assert "plain http" not in desk.run("check", "staging").err
