"""`bridge plan`: its forms, and what it may show."""

from tests.runs.conftest import VALUES, Desk


def test_markdown_for_a_pipelines_summary(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="CANARY-new")
    assert desk.run("plan", "staging", "--output", "markdown").out == (
        "### bridge: `staging` in namespace `voice`\n\n"
        "| object | | key | | from |\n|---|---|---|---|---|\n"
        "| `Secret/agent-secrets` | update | `OPENAI_API_KEY` | change | plain:values.json @ 1 |\n"
    )
    desk.run("sync", "staging")
    assert "Nothing to do." in desk.run("plan", "staging", "--output", "markdown").out


def test_markdown_tells_refusals_and_warnings(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.target.create("Secret", "agent-secrets", {"type": "example.com/other"})
    out = desk.run("plan", "staging", "--output", "markdown").out
    assert "**Refused**\n\n- `Secret/agent-secrets`: has the type example.com/other, " in out


def test_json_has_a_schema_and_every_key(offline_desk: Desk) -> None:
    data = offline_desk.run("plan", "staging", "--output", "json").data
    assert data["schema"] == "bridge/report/v1"
    assert data["result"] == "planned"
    assert data["summary"] == {"create": 5, "update": 0, "keep": 0, "delete": 0, "recreate": 0, "leave": 0}
    key = data["objects"][1]["keys"][1]
    assert key == {
        "name": "OPENAI_API_KEY",
        "what": "add",
        "origin": {
            "layer": "source",
            "place": "plain:values.json",
            "revision": "1",
            "variables": ["OPENAI_API_KEY"],
            "places": ["plain:values.json"],
        },
        "by": [],
    }


def test_config_values_out_of_plain_files_are_shown_on_request_only(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.values(LOG_LEVEL="CANARY-from-a-store")
    assert "wss://" not in desk.run("plan", "staging").out
    out = desk.run("plan", "staging", "--show-config").out
    assert "    + LIVEKIT_URL  new  from .env.k8s.staging  = 'wss://livekit.example.com'" in out.splitlines()
    assert not any(value in out for value in VALUES.values())


def test_sync_dry_run_is_the_plan(offline_desk: Desk) -> None:
    assert offline_desk.run("sync", "staging", "--dry-run").out == offline_desk.run("plan", "staging").out
    assert offline_desk.target.versions() == {}
