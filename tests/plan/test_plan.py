"""`bridge plan`: its forms, and what it may show."""

import pytest

from tests.desk import Desk
from tests.team import VALUES


def test_markdown_for_pipelines_summary(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="CANARY-new")
    assert desk.run("plan", "staging", "--output", "markdown").out == (
        "### bridge: `staging` in namespace `voice`\n\n"
        f"Cluster: context `embedded`, `{desk.cluster['server']}`\n\n"
        "**1 to update, 4 unchanged**\n\n"
        "| | object | key | what | from |\n|---|---|---|---|---|\n"
        "| `~` | `Secret/agent-secrets` | | to update | |\n"
        "| `~` | | `OPENAI_API_KEY` | changed | `plain:values.json @ 1` |\n\n"
        "Read: `plain:values.json @ 1`\n"
    )
    assert "| | updated | |" in desk.run("sync", "staging", "--output", "markdown").out
    assert "**5 unchanged: nothing to do**" in desk.run("plan", "staging", "--output", "markdown").out


def test_markdown_names_who_changed_key_and_what_sync_has_written(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand")
    desk.canaries.add("CANARY-by-hand")
    out = desk.run("sync", "staging", "--output", "markdown").out
    assert "\n**1 updated, 4 unchanged**\n" in out
    assert "| `~` | `Secret/agent-secrets` | | updated | |\n| `!` | | `OPENAI_API_KEY` | drift, changed by " in out
    assert "| drift, changed by kubectl-edit (Update, " in out


def test_markdown_shows_no_public_literal_even_where_it_is_asked_for(offline_desk: Desk) -> None:
    desk = offline_desk
    assert "production" in desk.run("plan", "staging", "--show-config").out
    assert "production" not in desk.run("plan", "staging", "--show-config", "--output", "markdown").out


def test_markdown_tells_refusals_and_warnings(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.target.create("Secret", "agent-secrets", {"type": "example.com/other"})
    out = desk.run("plan", "staging", "--output", "markdown").out
    assert "**Refused**\n\n- `Secret/agent-secrets`: has type example.com/other, " in out


def test_json_has_schema_and_every_key(offline_desk: Desk) -> None:
    data = offline_desk.run("plan", "staging", "--output", "json").data
    assert data["schema"] == "bridge/report/v1"
    assert data["result"] == "planned"
    assert data["summary"] == {
        "create": 5,
        "update": 0,
        "keep": 0,
        "delete": 0,
        "recreate": 0,
        "leave": 0,
        "altered": 0,
    }
    key = data["objects"][1]["keys"][1]
    assert key == {
        "name": "OPENAI_API_KEY",
        "what": "add",
        "altered": None,
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


def test_sync_dry_run_is_plan(offline_desk: Desk) -> None:
    assert offline_desk.run("sync", "staging", "--dry-run").out == offline_desk.run("plan", "staging").out
    assert offline_desk.target.versions() == {}


@pytest.mark.parametrize("missing", ["values.json", "base/secrets.yml"])
def test_without_files_or_source_there_is_no_markdown_and_log_says_why(offline_desk: Desk, missing: str) -> None:
    (offline_desk.folder / missing).unlink()
    result = offline_desk.run("plan", "staging", "--output", "markdown")
    assert result.status in {1, 2}
    assert result.out == ""
    assert missing in result.err
