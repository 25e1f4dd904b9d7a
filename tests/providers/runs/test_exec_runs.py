"""The main job with programs as stores: scripts, the real `pass`, and the real `vals`."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from bridge_providers.exec import Exec
from tests.desk import Desk
from tests.pages import page
from tests.providers.exec.conftest import trusting
from tests.providers.sops.gnupg import Gpg
from tests.servers import debian
from tests.servers.vault import DevVault
from tests.team import VALUES


@pytest.fixture
def desk(offline_desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("CANARY_TOKEN", "CANARY-token")
    return offline_desk


def trust(desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch, *commands: list[str]) -> None:
    """Trust these programs, and what a run needs besides."""
    environ = trusting(folder, *commands)
    file = Path(environ["BRIDGE_TRUST"])
    servers = [cluster["cluster"]["server"] for cluster in kubeconfig(desk)["clusters"]]
    kubeconfigs = [str(desk.folder / "kubeconfig")]
    file.write_text(json.dumps({"programs": commands, "servers": servers, "kubeconfigs": kubeconfigs}))
    monkeypatch.setenv("BRIDGE_TRUST", str(file))


def kubeconfig(desk: Desk) -> dict[str, list[dict[str, dict[str, str]]]]:
    loaded: dict[str, list[dict[str, dict[str, str]]]] = yaml.safe_load((desk.folder / "kubeconfig").read_text())
    return loaded


def test_run_writes_what_program_prints(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "app.json").write_text(json.dumps(VALUES))
    program = folder / "store"
    program.write_text(f'#!/bin/sh\n[ "$CANARY_TOKEN" = CANARY-token ] && exec /bin/cat {folder}/"$2".json\n')
    program.chmod(0o700)
    section = {"provider": "exec", "command": [str(program), "get"], "environment": ["CANARY_TOKEN"]}
    desk.environment(sources=["store:app"], providers={"store": section | {"statuses": {1: "not found"}}})
    refused = desk.run("plan", "staging")
    assert refused.status == 1
    assert "only if a trust file lists it" in refused.err
    assert "only if a trust file lists it" in desk.run("check", "staging").err
    trust(desk, folder, monkeypatch, [str(program), "get"])
    assert desk.run("check", "staging").status == 0
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.target.secrets() == VALUES
    assert desk.run("sync", "staging").status == 0
    (folder / "app.json").unlink()
    before = desk.target.versions()
    gone = desk.run("sync", "staging")
    assert gone.status == 1
    assert "store:app: the program ended with status 1: there is no such document" in gone.err
    assert desk.target.versions() == before
    assert "store:app" in desk.run("doctor", "staging").out


def test_section_that_is_wrong_is_told_with_its_place(desk: Desk) -> None:
    desk.environment(sources=["store:app"], providers={"store": {"provider": "exec", "command": ["op", "get"]}})
    result = desk.run("check", "staging")
    assert result.status == 2
    assert "providers.store.command" in result.err
    assert "must begin with an absolute path" in result.err


def test_sections_of_page_are_sections() -> None:
    """Each row's section can be built, and its line in the trust file has a first argument."""
    sections = yaml.safe_load(page("programs").block("exec-environment"))["providers"]
    listed = yaml.safe_load(page("programs").block("exec-trust"))["programs"]
    for section, line in zip(sections.values(), listed, strict=True):
        assert section.pop("provider") == "exec"
        assert list(Exec(**section).fixed[: len(line)]) == line
    rows = [row for row in page("programs").text.splitlines() if "`command: [" in row and row.startswith("|")]
    assert len(rows) == 5
    for row in rows:
        fields = [part for part in row.split("|")[2].split("`") if ":" in part]
        section = {name: value for part in fields for name, value in yaml.safe_load(part).items()}
        assert len(Exec(**section).fixed) >= 2


@pytest.mark.real
def test_real_pass(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, gpg: Gpg
) -> None:
    program = str(debian.program(["pass"], ["pass"]))
    folder = tmp_path_factory.mktemp("pass")
    environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "GNUPGHOME": str(gpg.home)}
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    subprocess.run([program, "init", gpg.keys[0]], env=environ, check=True, capture_output=True)
    for name, text in VALUES.items():
        command = [program, "insert", "--multiline", f"voice/{name}"]
        subprocess.run(command, env=environ, input=f"{text}\n".encode(), check=True, capture_output=True)
    section = yaml.safe_load(page("programs").block("exec-environment"))["providers"]["pass"]
    section |= {"command": [program, "show"], "environment": [*environ]}
    desk.environment(sources=[], variables={name: f"pass:voice/{name}" for name in VALUES}, providers={"pass": section})
    trust(desk, folder, monkeypatch, [program, "show"])
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.target.secrets() == VALUES


@pytest.fixture
def vaults(dev_vault: DevVault, mount: str) -> tuple[DevVault, str]:
    """A real server and a mount of its own."""
    return dev_vault, mount


@pytest.mark.real
def test_real_vals(
    desk: Desk,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    vaults: tuple[DevVault, str],
    vals_binary: Path,
) -> None:
    dev_vault, mount = vaults
    dev_vault.do("POST", f"{mount}/data/voice", {"data": VALUES})
    monkeypatch.setenv("VAULT_ADDR", dev_vault.address)
    monkeypatch.setenv("VAULT_TOKEN", dev_vault.root)
    folder = tmp_path_factory.mktemp("vals")
    section = {
        "provider": "exec",
        "command": [str(vals_binary), "get", "ref+{path}"],
        "document": "text",
        "environment": ["VAULT_ADDR", "VAULT_TOKEN"],
    }
    variables = {name: {"from": {"provider": "vals", "path": f"vault://{mount}/voice#/{name}"}} for name in VALUES}
    desk.environment(sources=[], variables=variables, providers={"vals": section})
    trust(desk, folder, monkeypatch, [str(vals_binary), "get"])
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.target.secrets() == VALUES
