"""Which cluster a command opens: every one of them takes the flags, and `--in-cluster` needs a pod."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.desk import Desk
from tests.servers.client import Client

READING = [
    ("plan", "staging"),
    ("sync", "staging", "--dry-run"),
    ("plan", "--all"),
    ("status", "staging"),
    ("check", "staging", "--live"),
    ("adopt", "staging", "--dry-run"),
    ("restart", "staging", "--dry-run"),
    ("import", "staging", "--from-cluster", "--to", "plain:values.json", "--dry-run"),
]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    """Another cluster that has the namespace, with its kubeconfig in `elsewhere`."""
    with EmbeddedCluster() as cluster:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "voice"}}
        assert Client(cluster.url, cluster.token).request("POST", "/api/v1/namespaces", body).status == 201
        cluster.write_kubeconfig(tmp_path / "elsewhere")
        cluster.requests.clear()
        yield cluster


@pytest.mark.parametrize("command", READING, ids=lambda command: " ".join(command[:1]))
def test_every_command_that_opens_cluster_opens_one_of_flag(
    offline_desk: Desk, elsewhere: EmbeddedCluster, tmp_path: Path, command: tuple[str, ...]
) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
    offline_desk.run(*command, "--kubeconfig", str(tmp_path / "elsewhere"), "--context", "embedded")
    assert elsewhere.requests
    assert offline_desk.target.embedded
    assert not offline_desk.target.embedded.requests


@pytest.mark.parametrize("command", READING, ids=lambda command: " ".join(command[:1]))
def test_context_that_is_named_and_missing_ends_each_command(offline_desk: Desk, command: tuple[str, ...]) -> None:
    result = offline_desk.run(*command, "--context", "kapsule")
    assert result.status == 2
    assert 'kubeconfig: has no context "kapsule"' in result.err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--in-cluster", "--context", "one"), "--in-cluster cannot be combined with --kubeconfig or --context"),
        (("--in-cluster", "--kubeconfig", "one"), "--in-cluster cannot be combined with --kubeconfig or --context"),
        (("--context", ""), "argument --context: must not be empty"),
        (("--kubeconfig", " "), "argument --kubeconfig: must not be empty"),
    ],
)
def test_flags_that_name_no_single_cluster_are_wrong_arguments(
    offline_desk: Desk, flags: tuple[str, ...], told: str
) -> None:
    result = offline_desk.run("plan", "staging", *flags)
    assert (result.status, told in result.err) == (2, True)
    assert offline_desk.target.embedded
    assert not offline_desk.target.embedded.requests


def test_in_cluster_ignores_section_and_is_error_outside_pod(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    result = offline_desk.run("sync", "staging", "--in-cluster")
    assert (result.status, result.lines[0]) == (
        2,
        "bridge: error: --in-cluster: this is not a pod: KUBERNETES_SERVICE_HOST is not set",
    )


def test_kubeconfig_variable_that_leads_elsewhere_is_refused_unless_flag_decides(
    offline_desk: Desk, elsewhere: EmbeddedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "elsewhere"))
    result = offline_desk.run("sync", "staging")
    assert result.status == 1
    assert f"leads to {offline_desk.target.client.url}, but KUBECONFIG leads to {elsewhere.url}" in result.lines[0]
    assert "bridge: hint: choose with --kubeconfig FILE, or unset KUBECONFIG" in result.lines
    kubeconfig = str(offline_desk.folder / "kubeconfig")
    assert offline_desk.run("plan", "staging", "--kubeconfig", kubeconfig).status == 0
    assert not elsewhere.requests


def test_context_of_file_that_is_missing_is_reported_with_its_place(offline_desk: Desk) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig", "context": "kapsule"})
    hint = "bridge: hint: choose one of embedded"
    lines = offline_desk.run("plan", "staging").lines
    place = "change `cluster.context` in the environment's file, or pass --context NAME"
    assert lines[-1] == f"{hint}; {place}"
    assert offline_desk.run("plan", "staging", "--context", "other").lines[-1] == hint
