"""An approved plan with the installed program, the real Vault, the real sops and a real API server."""

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.approval.approvals import sha256
from tests.desk import Desk, Result, Target, set_up_desk
from tests.providers.runs.test_sops_runs import Sops
from tests.servers.vault import DevVault
from tests.team import VALUES

TEMPLATE = """\
apiVersion: v1
kind: Secret
metadata: {name: agent-secrets}
stringData: {OPENAI_API_KEY: "${OPENAI_API_KEY}", DEEPGRAM_API_KEY: "${DEEPGRAM_API_KEY}"}
---
apiVersion: v1
kind: Secret
metadata: {name: shared-secrets}
stringData: {LIVEKIT_API_KEY: "${LIVEKIT_API_KEY}"}
"""
AGENT = "Secret/agent-secrets"
ENCRYPTED = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "CARTESIA_API_KEY")
STORED = ("OPENAI_API_KEY", "DEEPGRAM_API_KEY")


class Runner:
    """Two machines with a checkout each: one plans, the other one syncs what was approved."""

    def __init__(self, desk: Desk, vault: DevVault, sops: Sops, mount: str) -> None:
        self.desk = desk
        self.vault = vault
        self.sops = sops
        self.mount = mount
        self.here = desk.folder.parent
        self.there = self.here / "there"
        self.artifact = self.here / "plan.json"

    def put(self, **values: str) -> None:
        self.desk.canaries |= {one for one in values.values() if "CANARY" in one}
        self.vault.put("app", {name: VALUES[name] for name in STORED} | values, self.mount)

    def run(self, folder: Path, *arguments: str) -> Result:
        program = Path(sysconfig.get_path("scripts"), "bridge")
        given = {"PATH": os.defpath, "HOME": str(self.here / "home"), "VAULT_TOKEN": self.vault.root}
        given |= {"SOPS_AGE_KEY": str(self.sops.identity)}
        command = [program, *arguments, "--config", "config"]
        done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=120)
        for canary in {*self.desk.canaries, self.vault.root, str(self.sops.identity)}:
            assert canary not in done.stdout + done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def plan(self, *flags: str) -> dict[str, Any]:
        """Plan on the first machine, and check both out as they are now."""
        result = self.run(self.here, "plan", "staging", "--out", "plan.json", *flags)
        assert result.status == 0, result.err
        text = self.artifact.read_text()
        for canary in {*self.desk.canaries, self.vault.root, str(self.sops.identity), str(self.here)}:
            assert canary not in text
        shutil.rmtree(self.there, ignore_errors=True)
        shutil.copytree(self.desk.folder, self.there / "config")
        shutil.copy(self.artifact, self.there / "downloaded.json")
        found: dict[str, Any] = json.loads(text)
        return found

    def sync(self, *flags: str) -> Result:
        """Sync on the second machine, with the approved hash."""
        approved = ("--plan", "downloaded.json", "--plan-sha256", sha256(self.artifact))
        return self.run(self.there, "sync", "staging", *approved, *flags)


@pytest.fixture
def runner(  # noqa: PLR0917 - fixtures
    real_target: Target,
    vault: DevVault,
    sops_binary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Runner:
    desk = set_up_desk(real_target, tmp_path, monkeypatch, capfd)
    mount = tmp_path.name.replace("_", "-")
    vault.mount(mount, 2)
    sops = Sops(sops_binary, desk)
    sops.encrypt("staging.sops.yaml", "".join(f"{name}: {VALUES[name]}\n" for name in ENCRYPTED))
    desk.write("base/secrets.yml", TEMPLATE)
    desk.environment(
        templates=["base/secrets.yml"],
        env_file=None,
        sources=["vault:app", "sops:staging.sops.yaml"],
        providers={"vault": {"address": vault.address, "mount": mount}},
    )
    made = Runner(desk, vault, sops, mount)
    made.put()
    return made


def test_plan_of_one_machine_is_synced_on_another(runner: Runner) -> None:
    plan = runner.plan()
    found = plan["environments"]["staging"]["sources"]
    assert (found["vault:app"]["revision"], found["vault:app"]["order"] > 10**18) == ("1", True)
    expected = {"address": runner.vault.address, "mount": runner.mount, "path": "app"}
    assert found["vault:app"]["location"] == expected
    assert found["sops:staging.sops.yaml"]["sha256"] == sha256(runner.desk.folder / "staging.sops.yaml")
    assert runner.desk.target.versions() == {}
    result = runner.sync()
    assert (result.status, result.err) == (0, "")
    data = runner.desk.target.data("Secret", "agent-secrets") | runner.desk.target.data("Secret", "shared-secrets")
    assert data == {name: VALUES[name] for name in (*STORED, "LIVEKIT_API_KEY")}
    again = runner.sync()
    assert (again.status, "nothing to do" in again.out) == (0, True)


def rotated(runner: Runner) -> None:
    runner.put(OPENAI_API_KEY="CANARY-rotated-again")


def same_values_written_again(runner: Runner) -> None:
    runner.put(OPENAI_API_KEY="CANARY-rotated")


def recreated_document(runner: Runner) -> None:
    """The same values as version 2 of a document that was removed and written again."""
    runner.vault.do("DELETE", f"{runner.mount}/metadata/app")
    runner.put()
    runner.put(OPENAI_API_KEY="CANARY-rotated")


def encrypted_again(runner: Runner) -> None:
    """Other ciphertext of the same values, as an adversary with the recipient's public key can make it."""
    text = "".join(f"{name}: {VALUES[name]}\n" for name in ENCRYPTED)
    runner.sops.encrypt("new.sops.yaml", text)
    (runner.desk.folder / "new.sops.yaml").rename(runner.there / "config" / "staging.sops.yaml")


def other_template(runner: Runner) -> None:
    path = runner.there / "config" / "base" / "secrets.yml"
    path.write_text(path.read_text().replace("${OPENAI_API_KEY}", "${OPENAI_API_KEY:-}"))


def other_environment_file(runner: Runner) -> None:
    path = runner.there / "config" / "staging.yaml"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"accept_older": {"vault:app": "1"}}))


def hand_edit(runner: Runner) -> None:
    runner.desk.target.edit("Secret", "shared-secrets", LIVEKIT_API_KEY="theirs")


def deleted(runner: Runner) -> None:
    runner.desk.target.delete("Secret", "agent-secrets")


CHANGES: dict[Callable[[Runner], None], list[str]] = {
    rotated: ["vault:app: is now at revision 3, but at 2 in the plan"],
    same_values_written_again: ["vault:app: is now at revision 3, but at 2 in the plan"],
    recreated_document: ["vault:app: revision 2 is not the one in the plan; it was written again"],
    encrypted_again: ["sops:staging.sops.yaml: is now at revision "],
    other_template: ["base/secrets.yml: has changed since the plan was made"],
    other_environment_file: ["staging.yaml: has changed since the plan was made"],
    hand_edit: ["Secret/shared-secrets: would be updated, which is not in the plan"],
    deleted: [f"{AGENT}: its uid is now (none), but ", f"{AGENT}: would be created, but is to be updated in the plan"],
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_after_plan_is_refused(runner: Runner, change: Callable[[Runner], None]) -> None:
    assert runner.run(runner.here, "sync", "staging").status == 0
    runner.put(OPENAI_API_KEY="CANARY-rotated")
    runner.plan()
    change(runner)
    before = runner.desk.target.versions()
    result = runner.sync()
    assert result.status == 1
    for message in CHANGES[change]:
        assert any(line.startswith(f"bridge: error: {message}") for line in result.lines), result.err
    assert runner.desk.target.versions() == before


def test_flags_and_hash_must_be_those_that_were_approved(runner: Runner, real_target: Target) -> None:
    runner.plan()
    result = runner.sync("--prune")
    assert (result.status, result.lines[0]) == (1, "bridge: error: --prune: is not in the plan")
    forged = json.loads(runner.artifact.read_text())
    forged["flags"] = ["--prune"]
    (runner.there / "downloaded.json").write_text(json.dumps(forged))
    refused = runner.sync("--prune")
    assert (refused.status, "not the approved one" in refused.lines[0]) == (1, True)
    assert real_target.versions() == {}


def test_annotation_of_someone_else_is_no_difference(runner: Runner) -> None:
    assert runner.run(runner.here, "sync", "staging").status == 0
    runner.put(OPENAI_API_KEY="CANARY-rotated")
    runner.plan()
    runner.desk.target.patch("Secret", "agent-secrets", {"metadata": {"annotations": {"seen": "yes"}}})
    assert runner.sync().status == 0
    assert runner.desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-rotated"


def test_document_in_version_1_engine_is_refused(runner: Runner) -> None:
    old = f"{runner.mount}-1"
    runner.vault.mount(old, 1)
    runner.vault.do("POST", f"{old}/app", {name: VALUES[name] for name in STORED})
    environment = json.loads((runner.desk.folder / "staging.yaml").read_text())
    section = {"address": runner.vault.address, "mount": old}
    runner.desk.write("staging.yaml", environment | {"providers": {"vault": section}})
    result = runner.run(runner.here, "plan", "staging", "--out", "plan.json")
    assert (result.status, runner.artifact.exists()) == (1, False)
    assert result.lines[0] == "bridge: error: vault:app: its store keeps no revisions, so a plan cannot be approved"
