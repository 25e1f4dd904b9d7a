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
    assert re.sub("(?<=.) {2,}", "  ", text).splitlines() == [
        "staging: namespace voice, as bridge/voice-agent-staging",
        desk.cluster_line,
        "",
        "VARIABLE  OBJECT  KEY  FROM  STATE  LAST CHANGE",
        "LIVEKIT_API_KEY  Secret/shared-secrets  LIVEKIT_API_KEY  plain:values.json @ 1  in sync  THEN",
        "LIVEKIT_API_SECRET  Secret/shared-secrets  LIVEKIT_API_SECRET  plain:values.json @ 1  in sync  THEN",
        "CARTESIA_API_KEY  Secret/agent-secrets  CARTESIA_API_KEY  plain:values.json @ 1  outdated  THEN",
        "OPENAI_API_KEY  Secret/agent-secrets  OPENAI_API_KEY  plain:values.json @ 1  drifted  THEN",
        "DEEPGRAM_API_KEY  Secret/agent-secrets  DEEPGRAM_API_KEY  plain:values.json @ 1  removed by hand  THEN",
        "-  Secret/agent-secrets  ADDED  base/secrets.yml  missing  -",
        "LIVEKIT_URL  ConfigMap/shared-config  LIVEKIT_URL  .env.k8s.staging  in sync  THEN",
        "DOMAIN  ConfigMap/shared-config  DOMAIN  .env.k8s.staging  in sync  THEN",
        "K8_ENV  ConfigMap/agent-config  ENV_MODE  .env.k8s.staging  in sync  THEN",
        "LOG_LEVEL  ConfigMap/agent-config  LOG_LEVEL  base/configmap.yml  in sync  THEN",
        "-  ConfigMap/agent-config  METRICS_ENABLED  base/configmap.yml  in sync  THEN",
        "-  ConfigMap/front-config  NODE_ENV  base/configmap.yml  in sync  THEN",
        "CACHE_ENABLED  ConfigMap/front-config  CACHE_ENABLED  base/configmap.yml  in sync  THEN",
        "",
        "SOURCE  REVISION  WRITTEN LAST  ORDER  UNUSED FIELDS",
        "plain:values.json  1  1  none  LEFT_OVER",
    ]


def test_object_that_left_templates_is_named(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.run("sync", "staging")
    result = desk.run("status", "staging")
    assert result.out.splitlines()[-1] == "Secret/shared-secrets is no longer in the templates but still in the cluster"
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
        elif name in {"origin", "cluster"}:
            found |= {f"{name}.{inner}" for inner in value}
    return found
