"""`bridge restart` before any workload is looked at; what it does with them is in test_restart.py."""

import json
from typing import Any

import pytest

from bridge.testing.apiserver import Fault
from tests.cluster_identity.test_first_write import KUBECONFIG, offered, question, requests, unknown
from tests.desk import Desk
from tests.terminal import answer


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def test_without_memory_nothing_is_known_to_be_written(desk: Desk) -> None:
    result = desk.run("restart", "staging")
    where = "ConfigMap/bridge-voice-agent-staging in namespace voice"
    assert (result.status, result.out) == (1, "")
    assert result.lines == [
        f"bridge: error: {where}: does not exist, so bridge has no record of writing to this namespace",
        "bridge: hint: run `bridge sync staging` first",
    ]


def test_damaged_memory_is_for_sync_to_rebuild(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit("ConfigMap", "bridge-voice-agent-staging", **{"memory.json": "{"})
    result = desk.run("restart", "staging")
    assert result.status == 1
    assert result.lines[0].endswith("ConfigMap/bridge-voice-agent-staging in namespace voice is damaged")


def test_no_pod_is_rolled_while_object_may_be_half_of_change(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="CANARY-new")

    def fail(method: str, path: str) -> Fault | None:
        return "drop" if method == "PATCH" and "dryRun" not in path and "/agent-secrets?" in path else None

    desk.target.embedded.intercept = fail
    assert desk.run("sync", "staging").status != 0
    desk.target.embedded.intercept = None
    result = desk.run("restart", "staging", "--output", "json")
    assert (result.status, result.data["result"]) == (1, "failed")
    assert result.data["errors"] == [
        {
            "where": "the state ConfigMap of bridge",
            "what": "a sync has stopped or is running between its writes: Secret/agent-secrets",
            "hint": "run `bridge sync staging` first, so that pods start with all keys",
        }
    ]
    assert desk.run("sync", "staging").status == 0
    memory = json.loads(desk.target.data("ConfigMap", "bridge-voice-agent-staging")["memory.json"])
    assert not any("begun" in one for one in memory["objects"].values())


def test_no_source_is_read(desk: Desk) -> None:
    desk.environment(sources=["plain:absent.json"])
    assert "has no record of writing to this namespace" in desk.run("restart", "staging").err


def test_another_namespace_of_env_file_is_refused(desk: Desk) -> None:
    desk.env_file(K8S_NAMESPACE="elsewhere")
    result = desk.run("restart", "staging")
    assert (result.status, "K8S_NAMESPACE names a different namespace" in result.err) == (2, True)


@pytest.mark.parametrize("text", ["", "0s", "-1", "10 m", "m", "1d", "25h", "1.5m", "٣m"])
def test_wait_that_is_no_duration(desk: Desk, text: str) -> None:
    result = desk.run("restart", "staging", f"--wait={text}")
    assert (result.status, "--wait: must be a duration such as 600s, 10m or 1h30m" in result.err) == (2, True)


def test_waiting_without_restarting_is_mistake(desk: Desk) -> None:
    result = desk.run("sync", "staging", "--wait", "10m")
    assert result.status == 2
    assert result.lines[-1] == "bridge sync: error: --wait follows rollouts, so it needs --restart"
    assert desk.target.get("Secret", "agent-secrets") is None


def test_sync_asks_for_no_workload_unless_it_shall_restart(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.run("plan", "staging")
    assert not [one for one in desk.target.embedded.requests if "/apis/apps/" in str(one)]


# A cluster that knows nothing of the environment, although its state is there


WORKLOAD = {
    "metadata": {"name": "agent", "namespace": "voice", "uid": "7", "resourceVersion": "3", "generation": 1},
    "spec": {
        "replicas": 0,
        "template": {"spec": {"containers": [{"name": "m", "envFrom": [{"secretRef": {"name": "agent-secrets"}}]}]}},
    },
    "status": {"observedGeneration": 1},
}


def with_a_workload(desk: Desk) -> None:
    """Let the embedded cluster, which has no Deployments of its own, show one that uses a Secret."""
    kinds = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
    kinds |= {"replicasets": "ReplicaSet", "controllerrevisions": "ControllerRevision"}

    def intercept(method: str, path: str) -> Fault | None:
        plural = path.partition("?")[0].rpartition("/")[2]
        if method == "GET" and plural in kinds:
            items = [WORKLOAD] if plural == "deployments" else []
            return answered({"kind": f"{kinds[plural]}List", "metadata": {}, "items": items})
        if method == "PATCH" and "/deployments/agent" in path:
            return answered({"kind": "Deployment"} | WORKLOAD)
        return None

    assert desk.target.embedded
    desk.target.embedded.intercept = intercept


def answered(body: dict[str, Any], status: int = 200) -> Fault:
    return "status", status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def marks(desk: Desk) -> list[str]:
    return [
        path
        for method, path in requests(desk)
        if method == "PATCH" and "/deployments/" in path and "dryRun" not in path
    ]


@pytest.fixture
def copied(desk: Desk) -> Desk:
    """A cluster into which the state was copied, as backups do, and whose Secrets are another team's."""
    assert desk.run("sync", "staging").status == 0
    for kind, name in [one.split("/") for one in desk.target.versions()]:
        if name != "bridge-voice-agent-staging":
            desk.target.delete(kind, name)
    desk.target.create("Secret", "agent-secrets", {"stringData": {"OPENAI_API_KEY": "CANARY-openai"}})
    desk.environment(cluster=KUBECONFIG)
    with_a_workload(desk)
    requests(desk).clear()
    return desk


RESTART = ("restart", "staging", "--all")


def test_restart_of_what_cluster_does_not_know_is_refused(copied: Desk) -> None:
    result = copied.run(*RESTART)
    assert (result.status, f"bridge: error: {unknown(copied)}" in result.lines) == (1, True)
    assert "or pass --first" in result.lines[-1]
    assert copied.run(*RESTART, "--dry-run").status == 0
    assert marks(copied) == []
    assert (copied.run(*RESTART, "--first").status, len(marks(copied))) == (0, 1)


def test_restart_shows_workloads_and_asks_at_terminal(copied: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = copied.run(*RESTART, "--dry-run").out
    answer(monkeypatch, "n")
    result = copied.run(*RESTART)
    assert "~ Deployment/agent  to restart\n" in shown
    assert (result.status, result.out) == (1, "")
    assert result.err == f"{shown}{question(copied)}bridge: error: not confirmed; nothing was done\n"
    assert marks(copied) == []
    answer(monkeypatch, "y", "n")
    result = copied.run(*RESTART)
    assert (result.status, result.err.startswith(shown + question(copied) + offered(copied))) == (0, True)
    assert len(marks(copied)) == 1


@pytest.mark.parametrize("change", ["bound", "ours", "forbidden"])
def test_restart_asks_nothing_if_something_shows_earlier_write(copied: Desk, change: str) -> None:
    if change == "bound":
        copied.environment()
    elif change == "ours":
        body = {"stringData": {"OPENAI_API_KEY": "CANARY-openai"}}
        copied.target.apply("Secret", "shared-secrets", body, "bridge/voice-agent-staging")
    else:
        assert copied.target.embedded
        usual = copied.target.embedded.intercept
        forbidden = answered({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}, 403)
        copied.target.embedded.intercept = lambda *asked: (
            forbidden if asked[1].startswith("/api/v1/namespaces/voice/secrets/") else usual and usual(*asked)
        )
    assert (copied.run(*RESTART).status, len(marks(copied))) == (0, 1)


def test_restart_of_bound_environment_asks_for_no_object(copied: Desk) -> None:
    copied.environment()
    copied.run(*RESTART)
    assert not [path for _, path in requests(copied) if path.startswith("/api/v1/namespaces/voice/secrets/")]
