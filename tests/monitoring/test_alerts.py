"""Alerts and dashboard: they ask only for metrics and labels that exist, and Prometheus's own tool takes them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config.age_limits import AgeLimit
from bridge.objects import Desired, ObjectId
from bridge.plan.ages import StoredValue
from bridge.plan.measure_ages import ages
from bridge.plan.model import Action, Change, ClusterName, Plan
from bridge.plan.state import Memory
from bridge.report.metrics import HELP, render, samples
from bridge.report.record import Record
from tests.pages import ROOT, page

FOLDER = ROOT / "config" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())


def whole() -> str:
    """Return the text of a run that knows everything."""
    id_ = ObjectId("Secret", "agent-secrets")
    change = Change(id_, Action.CREATE, Desired(id_, {}), None)
    cluster = ClusterName("https://10.0.0.1:6443", "kapsule", "the kubeconfig")
    limited = [StoredValue("OPENAI_API_KEY", id_, "OPENAI_API_KEY", AgeLimit(86_400), "2026-01-01T00:00:00Z")]
    known = ages(limited, None, "2026-01-03T00:00:00Z")
    plan = Plan("staging", "voice", "bridge/x", (change,), (), (), Memory(), {}, cluster, ages=known)
    reads = [("vault", "ok", 0.5)]
    record = Record("staging")
    record.reads, record.cluster, record.plan, record.written = reads, cluster, plan, [id_]
    return render(samples(record, 0, 1_800_000_000.5))


def pairs(labels: str) -> list[tuple[str, str]]:
    """Return the labels of a sample whose values are words."""
    return re.findall(r'(\w+)="(\w+)"', labels)


SAMPLES = [re.match(r"(\w+)\{(.*)\} ", line) for line in whole().splitlines() if not line.startswith("#")]
LABELS = {one[1]: set(re.findall(r'(\w+)="', one[2])) for one in SAMPLES if one}
VALUES = {pair for one in SAMPLES if one for pair in pairs(one[2])}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            yield variable["name"], f"max by ({label}) ({name})"


def test_run_that_knows_everything_has_every_metric() -> None:
    assert set(LABELS) == set(HELP)


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_each_expression_asks_for_metrics_labels_and_values_that_exist(name: str, expression: str) -> None:
    asked = re.findall(r"\b(bridge_\w+)(?:\{([^}]*)\})?", expression)
    assert asked
    for metric, matchers in asked:
        assert metric in HELP
        for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
            assert label in LABELS[metric]
            assert value == "$environment" or (label, value) in VALUES, operator
    grouped = {word for words in re.findall(r"by \(([^)]*)\)", expression) for word in words.split(", ")}
    assert grouped <= set.union(*(LABELS[metric] for metric, _ in asked))


@pytest.mark.parametrize("metric", HELP)
def test_every_metric_is_shown_on_dashboard(metric: str) -> None:
    assert metric in json.dumps(DASHBOARD)


def test_page_has_each_metric_with_its_labels_and_their_values() -> None:
    rows = {row[0].strip("`"): row[1] for row in page("monitoring").section("Metrics").rows}
    assert set(rows) == set(HELP)
    for metric, cell in rows.items():
        named, _, values = cell.partition(": ")
        *_, last = re.findall(r"`(\w+)`", named) or [""]
        assert {*re.findall(r"`(\w+)`", named), "environment"} == LABELS[metric]
        written = {pair[1] for one in SAMPLES if one and one[1] == metric for pair in pairs(one[2]) if pair[0] == last}
        assert not values or set(values.split(", ")) == written


def test_each_alert_says_what_is_wrong_where_and_how_bad_it_is() -> None:
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert "$labels.environment" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_dashboards_panels_have_each_place_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        assert panel["datasource"]["uid"] == "${datasource}"
        taken |= cells


def promtool(binary: Path, *arguments: str | Path, text: str | None = None) -> str:
    """Run promtool, and return all that it says."""
    done = subprocess.run([binary, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_rules_and_each_fires_when_it_should(promtool_binary: Path, tmp_path: Path) -> None:
    assert f"{len(RULES)} rules found" in promtool(promtool_binary, "check", "rules", FOLDER / "rules.yaml")
    cases = (Path(__file__).parent / "rules.test.yaml").read_text()
    (tmp_path / "cases.yaml").write_text(cases.replace("RULES", str(FOLDER / "rules.yaml")))
    assert "SUCCESS" in promtool(promtool_binary, "test", "rules", tmp_path / "cases.yaml")


def test_each_alert_is_tried() -> None:
    cases = yaml.safe_load((Path(__file__).parent / "rules.test.yaml").read_text())["tests"]
    fired = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}


def test_promtool_finds_nothing_wrong_with_what_run_writes(promtool_binary: Path) -> None:
    assert promtool(promtool_binary, "check", "metrics", text=whole()) == ""


def test_promtool_takes_each_expression_of_dashboard(promtool_binary: Path) -> None:
    rules = [{"record": f"r{index}", "expr": expression} for index, (_, expression) in enumerate(expressions())]
    content = yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})
    assert "rules found" in promtool(promtool_binary, "check", "rules", text=content)
