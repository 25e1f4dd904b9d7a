"""`bridge restart` before any workload is looked at; what it does with them is in tests/runs/test_restart.py."""

import json

import pytest

from bridge.testing.apiserver import Fault
from tests.runs.conftest import Desk


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def test_without_a_memory_nothing_is_known_to_be_written(desk: Desk) -> None:
    result = desk.run("restart", "staging")
    where = "ConfigMap/bridge-voice-agent-staging in namespace voice"
    assert (result.status, result.out) == (1, "")
    assert result.lines == [
        f"bridge: error: {where}: does not exist, so nothing is known to be written here",
        "bridge: hint: run `bridge sync staging` first",
    ]


def test_a_damaged_memory_is_for_sync_to_rebuild(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit("ConfigMap", "bridge-voice-agent-staging", **{"memory.json": "{"})
    result = desk.run("restart", "staging")
    assert result.status == 1
    assert result.lines[0].endswith("ConfigMap/bridge-voice-agent-staging in namespace voice is damaged")


def test_no_pod_is_rolled_while_an_object_may_be_half_of_a_change(desk: Desk) -> None:
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
            "where": "the memory of bridge",
            "what": "a sync stopped, or is at work, between its writes: Secret/agent-secrets",
            "hint": "run `bridge sync staging` first, so that pods start with all keys",
        }
    ]
    assert desk.run("sync", "staging").status == 0
    memory = json.loads(desk.target.data("ConfigMap", "bridge-voice-agent-staging")["memory.json"])
    assert not any("begun" in one for one in memory["objects"].values())


def test_no_source_is_read(desk: Desk) -> None:
    desk.environment(sources=["plain:absent.json"])
    assert "does not exist, so nothing is known" in desk.run("restart", "staging").err


def test_another_namespace_of_the_env_file_is_refused(desk: Desk) -> None:
    desk.env_file(K8S_NAMESPACE="elsewhere")
    result = desk.run("restart", "staging")
    assert (result.status, "K8S_NAMESPACE names another namespace" in result.err) == (2, True)


@pytest.mark.parametrize("text", ["", "0s", "-1", "10 m", "m", "1d", "25h", "1.5m", "٣m"])
def test_a_wait_that_is_no_duration(desk: Desk, text: str) -> None:
    result = desk.run("restart", "staging", f"--wait={text}")
    assert (result.status, "--wait: must be a duration such as 600s, 10m or 1h30m" in result.err) == (2, True)


def test_waiting_without_restarting_is_a_mistake(desk: Desk) -> None:
    result = desk.run("sync", "staging", "--wait", "10m")
    assert result.status == 2
    assert result.lines == ["bridge: error: --wait follows rollouts, so it needs --restart"]
    assert desk.target.get("Secret", "agent-secrets") is None


def test_sync_asks_for_no_workload_unless_it_shall_restart(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.run("plan", "staging")
    assert not [one for one in desk.target.embedded.requests if "/apis/apps/" in str(one)]
