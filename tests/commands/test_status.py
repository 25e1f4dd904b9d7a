"""`bridge status`: which variables are used, where each comes from, what the cluster has."""

import re
from typing import Any

from tests.desk import Desk
from tests.pages import page
from tests.team import SECRETS


def test_table_of_variables(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand", DEEPGRAM_API_KEY=None)
    desk.canaries.add("CANARY-by-hand")
    desk.values(CARTESIA_API_KEY="CANARY-new", LEFT_OVER="CANARY-left-over")
    desk.write("base/secrets.yml", SECRETS + "  ADDED: $${literal}\n")
    result = desk.run("status", "staging")
    assert result.status == 0
    text = re.sub(r"20[-0-9]+T[:0-9]+Z", "THEN", result.out)
    text = re.sub(r"at least \d+ min", "YOUNG", text)
    assert re.sub("(?<=[^ \n]) {2,}", "  ", text).splitlines() == [
        "staging: namespace voice, as bridge/voice-agent-staging",
        desk.cluster_line,
        "",
        "    KEY  STATE  LAST CHANGE  AGE",
        "Secret/shared-secrets",
        "  from plain:values.json",
        "    LIVEKIT_API_KEY  in sync  THEN  YOUNG",
        "    LIVEKIT_API_SECRET  in sync  THEN  YOUNG",
        "Secret/agent-secrets",
        "  from plain:values.json",
        "    CARTESIA_API_KEY  outdated  THEN  -",
        "    OPENAI_API_KEY  drifted  THEN  -",
        "    DEEPGRAM_API_KEY  removed by hand  THEN  -",
        "  from base/secrets.yml",
        "    ADDED  missing  -  -",
        "ConfigMap/shared-config",
        "  from .env.k8s.staging",
        "    LIVEKIT_URL  in sync  THEN  -",
        "    DOMAIN  in sync  THEN  -",
        "ConfigMap/agent-config",
        "  from .env.k8s.staging (K8_ENV)",
        "    ENV_MODE  in sync  THEN  -",
        "  from base/configmap.yml",
        "    LOG_LEVEL  in sync  THEN  -",
        "    METRICS_ENABLED  in sync  THEN  -",
        "ConfigMap/front-config",
        "  from base/configmap.yml",
        "    NODE_ENV  in sync  THEN  -",
        "    CACHE_ENABLED  in sync  THEN  -",
        "",
        "SOURCE  REVISION  WRITTEN LAST  ORDER  UNUSED FIELDS",
        "plain:values.json  1  same  none  LEFT_OVER",
    ]


def test_object_that_left_templates_is_named(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.run("sync", "staging")
    result = desk.run("status", "staging")
    assert result.out.splitlines()[-1] == "Secret/shared-secrets  not in any template, but still exists"
    assert desk.run("status", "staging", "--output", "json").data["left"] == ["Secret/shared-secrets"]


def test_json_has_every_field_that_readme_documents(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    assert desk.run("status", "staging", "--output", "json").data["in_sync"]
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand", DEEPGRAM_API_KEY=None)
    desk.canaries.add("CANARY-by-hand")
    desk.values(CARTESIA_API_KEY="CANARY-new", LEFT_OVER="CANARY-left-over")
    desk.write("base/configmap.yml", (desk.folder / "base/configmap.yml").read_text().rsplit("---\n", 1)[0])
    found = desk.run("status", "staging", "--output", "json").data
    assert sorted(page("monitoring").section("Status for scripts").names) == sorted(fields(found))
    assert {name: found[name] for name in ("schema", "environment", "namespace", "manager", "in_sync", "left")} == {
        "schema": "bridge/report/v1",
        "environment": "staging",
        "namespace": "voice",
        "manager": "bridge/voice-agent-staging",
        "in_sync": False,
        "left": ["ConfigMap/front-config"],
    }
    assert found["summary"] == {
        "in sync": 7,
        "missing": 0,
        "outdated": 1,
        "drifted": 1,
        "removed by hand": 1,
        "not ours alone": 0,
        "altered": 0,
    }
    row = next(row for row in found["keys"] if row["key"] == "OPENAI_API_KEY")
    changed = row.pop("changed")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", changed)
    place = "plain:values.json"
    origin = {"layer": "source", "place": place, "revision": "1", "variables": ["OPENAI_API_KEY"], "places": [place]}
    age = row.pop("age")
    assert (age["seconds"], age["limit"], age["expires"], age["overdue"]) == (None, None, None, False)
    assert row == {"object": "Secret/agent-secrets", "key": "OPENAI_API_KEY", "origin": origin, "state": "drifted"}
    assert found["sources"] == [
        {"reference": place, "revision": "1", "written": "1", "ordered": False, "unused": ["LEFT_OVER"]}
    ]


def test_json_of_status_whose_sync_would_be_refused_says_why(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.apply("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "dGhlaXJz"}}, "argocd")
    result = desk.run("status", "staging", "--output", "json")
    assert (result.status, result.data["in_sync"]) == (1, False)
    assert set(result.data["refusals"][0]) == {"where", "what", "hint"}


def fields(data: dict[str, Any]) -> set[str]:
    """Return the names of the fields, those of a list's items and of mappings of ours as paths."""
    found = set()
    for name, value in data.items():
        found.add(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found |= {f"{name}[].{inner}" for inner in fields(value[0])}
        elif name in {"origin", "cluster", "age"} and value:
            found |= {f"{name}.{inner}" for inner in value}
    return found
