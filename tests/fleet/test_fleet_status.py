"""`status --all`: what the cluster has of every environment, in one report."""

import pytest

from tests.desk import Desk
from tests.fleet.test_fleet import fleet, give, member, results
from tests.report.test_status_page import names


def disturbed(desk: Desk) -> None:
    """Write four environments; then change one by hand, give one new values, and break one."""
    fleet(desk, 4)
    assert desk.run("sync", "--all").status == 0
    desk.canaries.add("CANARY-by-hand")
    desk.target.edit("Secret", "env-01-keys", TOKEN="CANARY-by-hand", PASSWORD=None)
    give(desk, "env-02", "2")
    member(desk, "env-03", sources=["plain:nowhere.json"])


def test_text_has_line_for_each_and_keys_that_differ(desk: Desk) -> None:
    disturbed(desk)
    versions = desk.target.versions()
    result = desk.run("status", "--all")
    assert result.status == 1
    assert result.lines == ["bridge: error: env-03: plain:nowhere.json: no such document"]
    lines = result.out.splitlines()
    assert lines[-9:] == [
        desk.cluster_line.strip(),
        "",
        "environment  result",
        "env-00       in sync      3 in sync",
        "env-01       out of sync  1 drifted, 1 removed by hand, 1 in sync",
        "env-02       out of sync  2 outdated, 1 in sync",
        "env-03       failed       plain:nowhere.json: no such document",
        "",
        "4 environments, 1 failed, 1 in sync, 2 out of sync",
    ]
    assert lines[0] == f"env-01: namespace {desk.target.namespace}, as bridge/env-01"
    assert [line.split()[:2] for line in lines if line.startswith("    ")] == [
        ["KEY", "STATE"],
        ["TOKEN", "drifted"],
        ["PASSWORD", "removed"],
        ["KEY", "STATE"],
        ["TOKEN", "outdated"],
        ["PASSWORD", "outdated"],
    ]
    assert desk.target.versions() == versions


def test_json_has_report_of_each_and_error_of_what_cannot_be_read(desk: Desk) -> None:
    disturbed(desk)
    result = desk.run("status", "--all", "--output", "json")
    assert (result.status, result.data["status"], result.data["schema"]) == (1, 1, "bridge/fleet/v1")
    assert results(result) == {
        "env-00": "in sync",
        "env-01": "out of sync",
        "env-02": "out of sync",
        "env-03": "failed",
    }
    told = {one["environment"]: one for one in result.data["environments"]}
    assert [told[name]["status"] for name in told] == [0, 0, 0, 1]
    single = desk.run("status", "env-01", "--output", "json").data
    del single["run"]
    for row in (*single["keys"], *told["env-01"]["keys"]):
        assert set(row.pop("age") or {}) <= {"seconds", "at_least", "limit", "expires", "expires_in", "overdue", "soon"}
    assert told["env-01"] == single | {"result": "out of sync", "status": 0}
    assert [one["what"] for one in told["env-03"]["errors"]] == ["no such document"]


@pytest.mark.parametrize(("section", "status"), [({"fail": "unavailable"}, 75), ({"fail": "denied"}, 1)])
def test_status_is_that_of_plan_for_what_cannot_be_read(
    offline_desk: Desk, section: dict[str, str], status: int
) -> None:
    fleet(offline_desk, 2)
    member(offline_desk, "env-01", providers={"plain": section})
    assert offline_desk.run("status", "--all").status == status == offline_desk.run("plan", "--all").status


def test_environment_that_sync_would_refuse_is_refused_and_others_are_compared(offline_desk: Desk) -> None:
    fleet(offline_desk, 2)
    offline_desk.run("sync", "--all")
    offline_desk.target.apply("Secret", "env-00-keys", {"data": {"TOKEN": "dGhlaXJz"}}, "argocd")
    result = offline_desk.run("status", "--all", "--output", "json")
    assert (result.status, results(result)) == (1, {"env-00": "refused", "env-01": "in sync"})


def test_difference_in_labels_only_is_named(offline_desk: Desk) -> None:
    fleet(offline_desk, 1)
    offline_desk.run("sync", "--all")
    text = (offline_desk.folder / "base/env-00.yml").read_text()
    offline_desk.write("base/env-00.yml", text.replace("{name: env-00-keys}", "{name: env-00-keys, labels: {a: b}}"))
    result = offline_desk.run("status", "--all")
    assert "    every key is in sync, but the objects differ in something else" in result.out.splitlines()
    assert "1 environment, 1 out of sync" in result.out


def test_overdue_values_are_counted_and_shown_even_if_all_is_in_sync(offline_desk: Desk) -> None:
    fleet(offline_desk, 2, max_age="90d", providers={"plain": {"time": "2020-01-01T00:00:00Z"}})
    member(offline_desk, "env-01")
    assert offline_desk.run("sync", "--all").status == 0
    result = offline_desk.run("status", "--all")
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[0].startswith("env-00: ")
    assert [line.split()[:3] for line in lines if line.startswith("    ")][1:] == [
        ["TOKEN", "in", "sync"],
        ["PASSWORD", "in", "sync"],
    ]
    assert "env-00       in sync  2 overdue, 3 in sync" in lines
    assert "env-01       in sync  3 in sync" in lines
    told = {one["environment"]: one for one in offline_desk.run("status", "--all", "-o", "json").data["environments"]}
    overdue = {name: [row["key"] for row in told[name]["keys"] if (row["age"] or {}).get("overdue")] for name in told}
    assert overdue == {"env-00": ["TOKEN", "PASSWORD"], "env-01": []}


def test_page_has_every_environment_without_values_and_status_of_text(desk: Desk) -> None:
    disturbed(desk)
    result = desk.run("status", "--all", "--output", "html")
    assert (result.status, result.lines) == (1, ["bridge: error: env-03: plain:nowhere.json: no such document"])
    assert result.out.startswith("<!doctype html>")
    assert names(result.out) == ["env-03", "env-01", "env-02", "env-00"]
    assert "Secret/env-01-keys TOKEN drifted, Secret/env-01-keys PASSWORD removed by hand" in result.out
    assert "plain:nowhere.json: no such document" in result.out
    assert desk.cluster["server"] in result.out
    assert desk.run("status", "--all", "--output", "html", "--quiet").out.startswith("<!doctype html>")


def test_page_of_one_environment_also_shows_why_it_cannot_be_read(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(offline_desk, 2)
    offline_desk.run("sync", "--all")
    result = offline_desk.run("status", "env-00", "--output", "html")
    assert (result.status, result.err, names(result.out)) == (0, "", ["env-00"])
    assert "<td>TOKEN<td>in sync<td>source<td>plain:env-00.json<td>1<td>" in result.out
    member(offline_desk, "env-00", sources=["plain:nowhere.json"])
    monkeypatch.setenv("K8_ENV", "env-00")
    result = offline_desk.run("status", "--output", "html")
    assert (result.status, result.lines) == (1, ["bridge: error: plain:nowhere.json: no such document"])
    assert "plain:nowhere.json: no such document" in result.out
    offline_desk.write("env-01.yaml", "id: [")
    result = offline_desk.run("status", "env-01", "--output", "html")
    assert (result.status, names(result.out)) == (2, ["env-01"])
    result = offline_desk.run("status", "env-02", "--output", "html")
    assert (result.status, result.out) == (2, "")


def test_page_escapes_name_that_file_has(offline_desk: Desk) -> None:
    fleet(offline_desk, 1, sources=["plain:<img src=x>.json"])
    result = offline_desk.run("status", "--all", "--output", "html")
    assert "plain:&lt;img src=x&gt;.json: no such document" in result.out
    assert "<img" not in result.out


def test_shard_takes_same_environments_as_plan(offline_desk: Desk) -> None:
    fleet(offline_desk, 8)
    arguments = ("--all", "--shard", "1/3", "--output", "json")
    found = results(offline_desk.run("status", *arguments))
    assert found.keys() == results(offline_desk.run("plan", *arguments)).keys()
    assert 0 < len(found) < 8
    assert offline_desk.run("status", "--shard", "1/3").status == 2


def test_all_environments_share_one_connection_and_read_shared_document_once(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge_plain import PlainSession  # noqa: PLC0415

    from bridge.run import line  # noqa: PLC0415

    fleet(offline_desk, 3, sources=["plain:shared.json"])
    offline_desk.canaries.add("CANARY-shared")
    offline_desk.write("shared.json", {"TOKEN": "CANARY-shared", "PASSWORD": "CANARY-shared"})
    read, connect, paths, endpoints = PlainSession.read, line.connect, [], []
    monkeypatch.setattr(PlainSession, "read", lambda self, path, *rest: paths.append(path) or read(self, path, *rest))
    monkeypatch.setattr(line, "connect", lambda *args, **more: endpoints.append(args) or connect(*args, **more))
    assert offline_desk.run("status", "--all").status == 0
    assert (paths, len(endpoints)) == (["shared.json"], 1)
