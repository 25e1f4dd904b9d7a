"""A cluster that cannot be reached, or is not the one that is meant: told in one line, and nothing is tried."""

from pathlib import Path

import pytest
import yaml

from tests.desk import Desk, Target
from tests.servers.pki import Authority
from tests.servers.process import free_port


def rewrite(desk: Desk, **changes: str) -> None:
    """Change the cluster's entry in the kubeconfig."""
    path = desk.folder / "kubeconfig"
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"] |= changes
    path.write_text(yaml.safe_dump(content))


def test_server_that_refuses_connections_is_temporary(offline_desk: Desk) -> None:
    port = free_port()
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
    rewrite(offline_desk, server=f"http://127.0.0.1:{port}")
    result = offline_desk.run("plan", "staging")
    assert result.status == 75
    assert result.lines[0] == f"bridge: error: the API server at http://127.0.0.1:{port}: refused the connection"


def test_files_are_judged_although_no_cluster_can_be_reached(offline_desk: Desk) -> None:
    rewrite(offline_desk, server=f"http://127.0.0.1:{free_port()}")
    offline_desk.values(OPENAI_API_KEY=None)
    result = offline_desk.run("plan", "staging")
    assert result.status == 1
    assert "${OPENAI_API_KEY} has no value" in result.lines[0]


def test_unknown_context_lists_those_that_exist(offline_desk: Desk) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig", "context": "kapsul"})
    result = offline_desk.run("sync", "staging")
    assert result.status == 2
    assert "kapsul" in result.lines[0]
    assert "bridge-embedded" in result.err or "embedded" in result.err


def test_kubeconfig_that_does_not_exist(offline_desk: Desk) -> None:
    (offline_desk.folder / "kubeconfig").unlink()
    result = offline_desk.run("sync", "staging")
    assert result.status == 2
    assert "kubeconfig" in result.lines[0]


@pytest.fixture
def target(real_target: Target) -> Target:
    return real_target


def test_another_certificate_authority_is_no_temporary_failure(desk: Desk, tmp_path: Path) -> None:
    rewrite(desk, **{"certificate-authority": str(Authority(tmp_path).file)})
    path = desk.folder / "kubeconfig"
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"].pop("certificate-authority-data", None)
    path.write_text(yaml.safe_dump(content))
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0].startswith("bridge: error: the API server at https://")
    assert result.lines[0].endswith(": has a certificate that is not signed by a trusted CA")
    assert desk.target.versions() == {}


def test_token_that_server_does_not_know(desk: Desk) -> None:
    path = desk.folder / "kubeconfig"
    content = yaml.safe_load(path.read_text())
    content["users"][0]["user"] = {"token": "CANARY-token"}
    desk.canaries.add("CANARY-token")
    path.write_text(yaml.safe_dump(content))
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0].startswith("bridge: error: the credentials of context ")
    assert ": the API server at https://" in result.lines[0]
    assert result.lines[1].startswith("bridge: hint: renew the credentials of context ")
    assert desk.target.versions() == {}
