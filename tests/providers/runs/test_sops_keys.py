"""A whole run with a file whose data key is split over a passphrase-protected identity and Vault's transit engine."""

import json
import os
import subprocess
from pathlib import Path

import pyrage
import pytest

from tests.desk import Desk
from tests.providers.sops.test_age_keys import locked
from tests.servers.process import free_port
from tests.servers.vault import DevVault
from tests.team import VALUES

PASSPHRASE = "CANARY-passphrase"


@pytest.fixture
def split(
    offline_desk: Desk, sops_binary: Path, dev_vault: DevVault, monkeypatch: pytest.MonkeyPatch
) -> tuple[Desk, DevVault]:
    """A file for two groups of keys, both wanted; the environment has a token and the identity's file."""
    desk = offline_desk
    if dev_vault.request("GET", "sys/mounts/run-transit/tune").status != 200:
        dev_vault.do("POST", "sys/mounts/run-transit", {"type": "transit"})
        dev_vault.do("POST", "run-transit/keys/sops", {})
    identity = pyrage.x25519.Identity.generate()
    groups = [
        {"age": [str(identity.to_public())]},
        {"hc_vault": [f"{dev_vault.address}/v1/run-transit/keys/sops"]},
    ]
    desk.write(".sops.yaml", json.dumps({"creation_rules": [{"key_groups": groups, "shamir_threshold": 2}]}))
    path = desk.write("values.sops.yaml", "".join(f"{key}: {value}\n" for key, value in VALUES.items()))
    environ = os.environ | {"VAULT_TOKEN": dev_vault.root, "VAULT_ADDR": dev_vault.address}
    command = [sops_binary, "encrypt", "--in-place", path.name]
    subprocess.run(command, cwd=path.parent, env=environ, check=True, capture_output=True)
    sealed = path.parent / "keys.age"
    sealed.write_text(locked(str(identity).encode(), PASSPHRASE))  # age itself would work for seconds
    desk.write("passphrase", PASSPHRASE)
    desk.canaries |= {PASSPHRASE, str(identity), dev_vault.root}
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.root)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(sealed))
    return desk, dev_vault


def section(address: str) -> dict[str, object]:
    return {
        "age_passphrase_file": "passphrase",
        "kms": {"allow": ["arn:aws:kms:eu-west-3:111122223333:key/x"]},
        "hc_vault": [{"address": "https://vault.internal:8200"}, {"address": address}],
    }


def test_both_groups_open_and_run_shows_nothing(split: tuple[Desk, DevVault]) -> None:
    desk, vault = split
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": section(vault.address)})
    assert desk.run("check", "staging").status == 0
    vault.forget()
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert vault.asked().count(("update", "run-transit/decrypt/sops")) == 1
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_server_that_is_not_configured_stops_run_with_its_address(split: tuple[Desk, DevVault]) -> None:
    desk, vault = split
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": section("https://other.internal")})
    vault.forget()
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert (
        f"1 of its 2 key groups opened, and 2 are needed; {vault.address}: transit key run-transit/sops: "
        "this address is not in hc_vault, so it is not asked"
    ) in result.err
    assert vault.asked() == []


def test_server_that_is_away_is_temporary(split: tuple[Desk, DevVault], monkeypatch: pytest.MonkeyPatch) -> None:
    desk, vault = split
    away = f"http://127.0.0.1:{free_port()}"
    path = desk.folder / "values.sops.yaml"
    path.write_text(path.read_text().replace(vault.address, away))
    desk.environment(sources=["sops:values.sops.yaml"], providers={"sops": section(away)})
    result = desk.run("sync", "staging", "--timeout", "5")
    assert result.status == 75
    assert "cannot be reached" in result.err
