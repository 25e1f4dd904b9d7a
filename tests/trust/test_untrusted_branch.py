"""A pull request's environment file in a pipeline: nothing of it runs here, and its author's servers get nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.desk import Desk
from tests.providers.vault.wire import Answer, Wire, document, wire
from tests.team import VALUES

LOGIN = Answer(200, {"auth": {"client_token": "hvs.issued", "lease_duration": 60}})


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def evil() -> Iterator[Wire]:
    """A server of the branch's author, which takes every credential and gives every value."""
    with wire() as server:
        server.answer = lambda request: LOGIN if "/auth/" in request.path else document(dict(VALUES))
        yield server


@pytest.fixture
def branch(desk: Desk, evil: Wire, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A pipeline with credentials, and a branch whose file names a server of its author's."""
    for name in ("VAULT_TOKEN", "VAULT_ID_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"CANARY-{name}")
        desk.canaries.add(f"CANARY-{name}")
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    monkeypatch.delenv("BAO_ADDR", raising=False)
    section(desk, evil, {"method": "token"})
    return desk


def section(desk: Desk, evil: Wire, auth: dict[str, str]) -> None:
    provider = {"address": evil.address, "mount": "kv", "kv_version": 2, "auth": auth}
    desk.environment(sources=["vault:app"], providers={"vault": provider})


def test_server_of_branch_would_get_token_without_variable(branch: Desk, evil: Wire) -> None:
    """So the other tests prove something."""
    planned = branch.run("plan", "staging")
    assert planned.status == 0
    assert evil.address in planned.out  # which tells whoever reads the report
    assert evil.requests[0].headers["x-vault-token"] == "CANARY-VAULT_TOKEN"


@pytest.mark.parametrize("command", ["plan", "sync", "status", "check"])
@pytest.mark.parametrize("auth", [{"method": "token"}, {"method": "jwt", "role": "r"}])
def test_server_of_branch_gets_nothing_if_variable_names_another(
    branch: Desk, evil: Wire, monkeypatch: pytest.MonkeyPatch, command: str, auth: dict[str, str]
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example:8200")
    section(branch, evil, auth)
    result = branch.run(command, "staging")
    assert result.status == 1
    assert f"address {evil.address} is not the server that VAULT_ADDR names" in result.err
    assert not evil.requests


@pytest.mark.parametrize("command", ["plan", "check"])
@pytest.mark.parametrize(
    ("field", "told"),
    [
        ({"token_file": "/etc/passwd"}, "/etc/passwd is no place for a Vault credential"),
        ({"token_variable": "AWS_SECRET_ACCESS_KEY"}, "token_variable: must be a variable that begins with VAULT_"),
    ],
)
def test_server_of_branch_gets_no_other_file_and_no_other_variable(
    branch: Desk, evil: Wire, command: str, field: dict[str, str], told: str
) -> None:
    section(branch, evil, {"method": "jwt", "role": "r", **field})
    result = branch.run(command, "staging")
    assert result.status in {1, 2}
    assert told in result.err
    assert not evil.requests


def test_kubeconfig_of_branch_starts_nothing(desk: Desk, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable} -I\nopen({str(tmp_path / 'mark')!r}, 'w')\n")
    program.chmod(0o700)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    content = yaml.safe_load((desk.folder / "kubeconfig").read_text())
    content["users"][0]["user"] = {"exec": plugin}
    desk.write("branch.kubeconfig", json.dumps(content))
    desk.environment(cluster={"kubeconfig": "branch.kubeconfig"})
    result = desk.run("plan", "staging")
    assert result.status == 1
    assert "exec is not allowed if the environment's file names the kubeconfig" in result.err
    assert not (tmp_path / "mark").exists()


PROCESS = "/proc/self/environ"
TOLD = "is outside the checkout, so a branch could read any file's variables"


@pytest.mark.parametrize("way", ["absolute", "dots", "link", "process"])
@pytest.mark.parametrize("in_git", [True, False])
def test_env_file_of_branch_is_in_checkout(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, in_git: bool
) -> None:
    monkeypatch.setenv("AAA_FIRST", "CANARY-process")
    desk.canaries |= {"CANARY-neighbour", "CANARY-process"}
    neighbour = tmp_path / "neighbour.env"
    neighbour.write_text("DOMAIN=CANARY-neighbour\nLIVEKIT_URL=x\nK8_ENV=staging\n")
    if in_git:
        subprocess.run(["git", "init", "--quiet", str(desk.folder)], check=True)
    (desk.folder / "link").symlink_to(PROCESS if way == "link" and not in_git else neighbour)
    file = {"absolute": str(neighbour), "dots": "../neighbour.env", "link": "link", "process": PROCESS}[way]
    desk.environment(env_file=file)
    is_refused = in_git or way in {"link", "process"}
    for command in ("check", "plan", "sync"):
        result = desk.run(command, "staging")
        assert (result.status == 2) is is_refused
        assert (f"bridge: error: env_file {file}: {TOLD}" in result.lines) is is_refused
    assert bool(desk.target.data("ConfigMap", "shared-config")) is not is_refused


def test_env_file_elsewhere_in_checkout_is_read(desk: Desk, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (desk.folder / ".env.k8s.staging").rename(tmp_path / "staging.env")
    desk.environment(env_file="../staging.env")
    assert desk.run("sync", "staging").status == 0


NEIGHBOUR = """\
apiVersion: v1
kind: Secret
metadata: {name: neighbour}
stringData: {PASSWORD: CANARY-neighbour}
"""


@pytest.mark.parametrize("way", ["absolute", "dots", "link", "folder"])
@pytest.mark.parametrize("in_git", [True, False])
def test_template_of_branch_is_in_checkout(desk: Desk, tmp_path: Path, way: str, in_git: bool) -> None:
    """A manifest of another checkout on the machine would else go, with its plaintext values, to the branch's cluster.

    Outside of git, the environment's file comes from no branch.
    """
    desk.canaries.add("CANARY-neighbour")
    neighbour = tmp_path / "neighbour" / "secrets.yaml"
    neighbour.parent.mkdir()
    neighbour.write_text(NEIGHBOUR)
    if in_git:
        subprocess.run(["git", "init", "--quiet", str(desk.folder)], check=True)
    (desk.folder / "link").symlink_to(neighbour)
    (desk.folder / "folder").symlink_to(neighbour.parent)
    file = {
        "absolute": str(neighbour),
        "dots": "../neighbour/secrets.yaml",
        "link": "link",
        "folder": "folder/secrets.yaml",
    }[way]
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", file])
    what = "is outside the checkout, so a branch could read any manifest on this machine"
    told = f"bridge: error: template {file}: {what}"
    for command in ("check", "plan", "status", "sync"):
        result = desk.run(command, "staging")
        assert (result.status == 2) is in_git
        assert (told in result.lines) is in_git
    assert bool(desk.target.data("Secret", "neighbour")) is not in_git


def test_template_elsewhere_in_checkout_is_read(desk: Desk, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (desk.folder / "base").rename(tmp_path / "base")
    (desk.folder / "link.yml").symlink_to(tmp_path / "base" / "configmap.yml")
    desk.environment(templates=["../base/secrets.yml", "link.yml"])
    assert desk.run("sync", "staging").status == 0
