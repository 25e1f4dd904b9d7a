"""The main job, step by step, against the embedded cluster and a real one."""

from tests.runs.conftest import VALUES, Desk

SECRET, CONFIG = "Secret", "ConfigMap"


def test_the_first_sync_writes_all_objects(desk: Desk) -> None:
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data(SECRET, "shared-secrets") == {
        key: VALUES[key] for key in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    }
    assert desk.target.data(CONFIG, "agent-config") == {
        "ENV_MODE": "staging",
        "LOG_LEVEL": "info",
        "METRICS_ENABLED": "true",
    }
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {("bridge/voice-agent-staging", "Apply")}


def test_a_second_sync_writes_nothing(desk: Desk) -> None:
    desk.run("sync", "staging")
    before = desk.target.versions()
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert result.out.splitlines()[-1] == "5 unchanged: nothing to do"
    assert desk.target.versions() == before
