"""`sync --all` and `plan --all`: many environments in one run, each with its own promises."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.parser import parse
from bridge.run.fleet import Fleet
from tests.cluster.test_events import events
from tests.desk import Desk, Result
from tests.servers.client import Client
from tests.servers.pushgateway import Pushgateway
from tests.waiting import with_enough_time

TEMPLATE = """\
apiVersion: v1
kind: Secret
metadata: {name: %s-keys}
stringData: {TOKEN: "${TOKEN}", PASSWORD: "${PASSWORD}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %s-config}
data: {LEVEL: "${LEVEL:-info}"}
"""

Start = Callable[..., subprocess.Popen[str]]


def fleet(desk: Desk, count: int = 4, **changes: Any) -> list[str]:
    """Put environments in place of the desk's, each with objects and values of its own, in one namespace."""
    (desk.folder / "staging.yaml").unlink(missing_ok=True)
    names = [f"env-{number:02}" for number in range(count)]
    for name in names:
        desk.write(f"base/{name}.yml", TEMPLATE % (name, name))
        member(desk, name, **changes)
        give(desk, name)
    return names


def member(desk: Desk, name: str, **changes: Any) -> None:
    usual = {"id": name, "templates": [f"base/{name}.yml"], "env_file": None, "sources": [f"plain:{name}.json"]}
    desk.environment(name, **(usual | changes))


def give(desk: Desk, name: str, generation: str = "1") -> None:
    """Give an environment new values, which must never be shown."""
    values = {key: f"CANARY-{name}-{key}-{generation}" for key in ("TOKEN", "PASSWORD")}
    desk.canaries |= set(values.values())
    desk.write(f"{name}.json", values)


def token(desk: Desk, name: str) -> str | None:
    return desk.target.data("Secret", f"{name}-keys").get("TOKEN")


def results(result: Result) -> dict[str, str]:
    return {one["environment"]: one["result"] for one in result.data["environments"]}


def holders(desk: Desk) -> list[str]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{desk.target.namespace}/leases"
    return [one["spec"].get("holderIdentity") or "" for one in desk.target.client.request("GET", path).body["items"]]


def hold(desk: Desk, name: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{desk.target.namespace}/leases/bridge-{name}"
    body = desk.target.client.request("GET", path).body
    body["spec"] = {"holderIdentity": "somebody-else", "leaseDurationSeconds": 60}
    assert desk.target.client.request("PUT", path, body).status in (200, 201)


def test_every_environment_is_written_and_second_run_has_nothing_to_do(desk: Desk) -> None:
    names = fleet(desk)
    result = desk.run("sync", "--all")
    assert (result.status, result.err) == (0, "")
    assert [token(desk, name) for name in names] == [f"CANARY-{name}-TOKEN-1" for name in names]
    assert "4 environments, 4 written" in result.out
    versions = desk.target.versions()
    again = desk.run("sync", "--all", "--output", "json")
    assert (again.status, set(results(again).values())) == (0, {"unchanged"})
    assert all(one["objects"] == [] for one in again.data["environments"])
    assert desk.target.versions() == versions
    assert set(holders(desk)) == {""}


def test_restart_after_sync_looks_for_workloads_of_each_environment(offline_desk: Desk) -> None:
    desk = offline_desk
    names = fleet(desk, 2)
    asked: list[str] = []

    def no_workloads(_: str, path: str) -> tuple[str, int, dict[str, str], bytes] | None:
        if not path.startswith("/apis/apps/v1/"):
            return None
        asked.append(path.partition("?")[0].rpartition("/")[2])
        kind = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}[asked[-1]]
        body = {"kind": f"{kind}List", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "1"}, "items": []}
        return "status", 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    desk.target.embedded.intercept = no_workloads
    result = desk.run("sync", "--all", "--restart", "--output", "json")
    assert (result.status, result.err) == (0, "")
    assert [(one["environment"], one["workloads"]) for one in result.data["environments"]] == [
        (name, []) for name in names
    ]
    assert sorted(asked) == sorted(["deployments", "statefulsets", "daemonsets"] * 2)


def test_plaintext_patch_beside_environments_is_none_of_them(offline_desk: Desk) -> None:
    desk = offline_desk
    names = fleet(desk, 2)
    desk.canaries.add("CANARY-patch")
    patch = (TEMPLATE % ("env-00", "env-00")).replace("${TOKEN}", "CANARY-patch")
    desk.write("env-00-secret-config-patch.yml", patch)
    desk.write("manifest.yml", patch)
    result = desk.run("sync", "--all", "--first", "--output", "json")
    assert result.status == 0
    assert list(results(result)) == names
    told = desk.run("check")
    assert told.status == 2
    assert "pass one of env-00, env-01, or set K8_ENV\n" in told.err
    assert "found env-00, env-01\n" in desk.run("check", "env-00-secret-config-patch").err


def test_plan_of_all_tells_what_each_would_do_and_writes_nothing(desk: Desk) -> None:
    fleet(desk, 2)
    desk.run("sync", "--all")
    give(desk, "env-01", "2")
    versions = desk.target.versions()
    result = desk.run("plan", "--all", "--exit-code")
    assert result.status == 4
    assert "    ~ TOKEN     changed  from plain:env-01.json" in result.out.splitlines()
    assert result.out.splitlines()[-5:] == [
        "environment  result",
        "env-00       unchanged  2 unchanged",
        "env-01       planned    1 to update, 1 unchanged",
        "",
        "2 environments, 1 planned, 1 unchanged",
    ]
    assert desk.run("plan", "--all").status == 0
    dry = desk.run("sync", "--all", "--dry-run", "--output", "json")
    assert results(dry) == {"env-00": "unchanged", "env-01": "planned"}
    assert desk.target.versions() == versions


def test_what_is_wrong_with_one_stops_no_other_and_changes_nothing_of_its_own(desk: Desk) -> None:
    names = fleet(desk, 6)
    desk.run("sync", "--all")
    for name in names:
        give(desk, name, "2")
    member(desk, "env-01", sources=["plain:nowhere.json"])
    member(desk, "env-02", providers={"plain": {"fail": "unavailable"}})
    desk.write("env-03.yaml", "id: [")
    hold(desk, "env-04")
    desk.write("env-05.json", {"TOKEN": "CANARY-only"})
    result = desk.run("sync", "--all", "--lock-wait", "0.2", "--output", "json")
    assert results(result) == {"env-00": "written"} | dict.fromkeys(names[1:], "failed")
    assert {one["environment"]: one["status"] for one in result.data["environments"]} == {
        "env-00": 0, "env-01": 1, "env-02": 75, "env-03": 2, "env-04": 75, "env-05": 1,
    }  # fmt: skip
    assert result.status == result.data["status"] == 2
    assert [token(desk, name) for name in names] == [
        f"CANARY-{name}-TOKEN-{2 if name == 'env-00' else 1}" for name in names
    ]
    assert any(
        line.startswith("bridge: error: env-02: plain:env-02.json: the store is asleep") for line in result.lines
    )
    assert any("env-04: Lease/bridge-env-04" in line and "somebody-else" in line for line in result.lines)


def test_same_problem_of_many_is_reported_once(desk: Desk) -> None:
    fleet(desk, 5, sources=["plain:nowhere.json"])
    result = desk.run("sync", "--all")
    assert result.status == 1
    assert result.lines == ["bridge: error: env-00, env-01, env-02 and 2 more: plain:nowhere.json: no such document"]


def test_bug_in_one_is_reported_without_value_and_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.run import apply as module  # noqa: PLC0415

    names = fleet(desk, 3)
    try_changes = module.try_changes

    def broken(wanted: Any, *rest: Any) -> Any:
        if wanted.environment.name == "env-01":
            raise RuntimeError(wanted.resolution.desired[0].keys["TOKEN"].value.reveal().decode())
        return try_changes(wanted, *rest)

    monkeypatch.setattr(module, "try_changes", broken)
    result = desk.run("sync", "--all", "--output", "json")
    assert result.status == 3
    assert results(result) == {"env-00": "written", "env-01": "failed", "env-02": "written"}
    assert result.lines[0] == "bridge: error: env-01: a bug in bridge (RuntimeError)"
    assert [token(desk, name) for name in names][1] is None


def test_write_that_fails_between_two_is_status_to_act_on_first(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.run import apply as module  # noqa: PLC0415

    def broken(wanted: Any, *rest: Any) -> Any:
        assert wanted.environment.name != "env-03"
        return try_changes(wanted, *rest)

    try_changes = module.try_changes
    monkeypatch.setattr(module, "try_changes", broken)
    desk = offline_desk
    fleet(desk, 4)
    member(desk, "env-02", sources=["plain:nowhere.json"])
    desk.target.embedded.intercept = lambda method, path: (
        403 if method == "PATCH" and "env-01-config?" in path and "dryRun" not in path else None
    )
    result = desk.run("sync", "--all", "--output", "json")
    assert results(result) == {"env-00": "written", "env-01": "stopped", "env-02": "failed", "env-03": "failed"}
    assert [one["status"] for one in result.data["environments"]] == [0, 5, 1, 3]
    assert result.status == 5
    stopped = result.data["environments"][1]
    assert {one["name"]: one["written"] for one in stopped["objects"]} == {"env-01-keys": "yes", "env-01-config": "no"}


def test_two_environments_that_meet_are_both_refused(desk: Desk) -> None:
    fleet(desk, 3)
    member(desk, "env-01", templates=["base/env-00.yml"])
    result = desk.run("sync", "--all", "--output", "json")
    assert results(result) == {"env-00": "failed", "env-01": "failed", "env-02": "written"}
    assert result.status == 2


def test_markdown_has_row_for_each_and_table_for_what_changes(desk: Desk) -> None:
    fleet(desk, 2)
    member(desk, "env-01", sources=["plain:nowhere.json"])
    out = desk.run("plan", "--all", "--output", "markdown").out.splitlines()
    assert out[0] == "## bridge: 2 environments, 1 failed, 1 planned"
    assert out[2] == f"Cluster: context `{desk.cluster['context']}`, `{desk.cluster['server']}`"
    assert out[6:8] == [
        "| `env-00` | planned | 2 to create, 0 unchanged |",
        "| `env-01` | failed | plain:nowhere.json: no such document |",
    ]
    assert "| `+` | | `TOKEN` | new | `plain:env-00.json @ 1` |" in out  # as in the plan of one environment


@pytest.mark.slow
def test_fifty_canaries_of_all_environments_are_nowhere(desk: Desk) -> None:
    names = fleet(desk, 25)
    assert len({one for one in desk.canaries if "env-" in one}) == 50
    member(desk, "env-07", providers={"plain": {"fail": "bug"}})
    for form in ("text", "json", "markdown"):
        for command in ("plan", "sync"):
            assert desk.run(command, "--all", "--output", form).status == 1  # `run` looks for the canaries
        for name in names:
            give(desk, name, form)


def test_what_does_not_go_together_is_said(offline_desk: Desk) -> None:
    fleet(offline_desk, 1)
    for arguments, what in {
        ("sync", "env-00", "--all"): "--all cannot be combined with an environment name",
        ("plan", "--shard", "0/2"): "--shard can only be used with --all",
        ("sync", "--all", "--shard", "2/2"): "--shard: 2 is not less than COUNT (2)",
        ("sync", "--all", "--shard", "auto/2"): "--shard: JOB_COMPLETION_INDEX is not set",
        ("sync", "--all", "--restart", "--wait", "1m"): "--wait cannot be combined with --all",
        ("sync", "--all", "--restart", "--dry-run"): "--dry-run with --restart cannot be combined with --all",
    }.items():
        result = offline_desk.run(*arguments)
        assert (result.status, result.lines[0]) == (2, f"bridge: error: {what}")
    (offline_desk.folder / "env-00.yaml").unlink()
    assert "no environments found" in offline_desk.run("sync", "--all").lines[0]


def hang(desk: Desk) -> threading.Event:
    """Let the second write of env-03 hang; the event tells when it does."""
    reached = threading.Event()

    def intercept(method: str, path: str) -> Any:
        if method == "PATCH" and "env-03-config?" in path and "dryRun" not in path:
            reached.set()
            return "hang"
        return None

    desk.target.embedded.intercept = intercept
    return reached


def series(text: str, name: str) -> dict[str, float]:
    """Return the metrics of one environment by name and labels, without the environment's."""
    label = f'environment="{name}"'
    mine = [line.rsplit(" ", 1) for line in text.splitlines() if label in line]
    return {metric.replace(f"{label},", "").replace(f"{{{label}}}", ""): float(value) for metric, value in mine}


def test_metrics_of_all_are_those_of_their_own_runs_in_one_file(offline_desk: Desk, tmp_path: Path) -> None:
    names, file = fleet(offline_desk, 3), tmp_path / "bridge.prom"
    assert offline_desk.run("sync", "--all", "--metrics", str(file)).status == 0
    before = {name: series(file.read_text(), name) for name in names}
    for name in names:
        assert before[name]['bridge_objects{kind="Secret",result="written"}'] == 1
        assert before[name]['bridge_source_reads{provider="plain",result="ok"}'] == 1
        assert offline_desk.run("sync", name, "--metrics", str(tmp_path / name)).status == 0
        assert series((tmp_path / name).read_text(), name).keys() <= before[name].keys()
    member(offline_desk, "env-01", providers={"plain": {"fail": "denied"}})
    assert offline_desk.run("sync", "--all", "--metrics", str(file)).status == 1
    text = file.read_text()
    assert not any(canary in text for canary in offline_desk.canaries)
    assert text.count("# TYPE bridge_exit_status gauge") == 1
    statuses = [series(text, name)["bridge_exit_status"] for name in names]
    assert statuses == [0, 1, 0]
    success = "bridge_last_success_timestamp_seconds"
    assert series(text, "env-01")[success] == before["env-01"][success]
    assert series(text, "env-02")[success] > before["env-02"][success]


@pytest.mark.parametrize("target", ["embedded_target"], indirect=True)
def test_metrics_of_all_end_with_run_and_leave_out_what_was_not_begun(desk: Desk, start: Start, tmp_path: Path) -> None:
    names, file, reached = fleet(desk, 20), tmp_path / "bridge.prom", hang(desk)
    process = start("sync", "--all", "--output", "json", "--metrics", str(file))
    assert reached.wait(60)
    process.terminate()
    out, _ = process.communicate(timeout=60)
    told = {one["environment"]: one for one in json.loads(out)["environments"]}
    text = file.read_text()
    for name in names:
        begun = told[name]["result"] != "not reached"
        assert series(text, name).get("bridge_exit_status") == (told[name]["status"] if begun else None)
    assert series(text, "env-03")["bridge_exit_status"] == 5


def test_metrics_of_all_go_to_group_of_pushgateway_for_each(offline_desk: Desk, pushgateway_binary: Path) -> None:
    names = fleet(offline_desk, 3)
    with Pushgateway(pushgateway_binary) as gateway:
        result = offline_desk.run("sync", "--all", "--metrics", gateway.url)
        assert (result.status, result.err) == (0, "")
        text = Client(gateway.url).request("GET", "/metrics").body
    assert not any(canary in text for canary in offline_desk.canaries)
    for name in names:
        assert f'bridge_exit_status{{environment="{name}",instance="",job="bridge"}} 0' in text
    result = offline_desk.run("sync", "--all", "--metrics", gateway.url)
    assert (result.status, len(result.lines)) == (0, 1)
    assert result.lines[0].startswith(f"bridge: warning: the metrics: the Pushgateway at {gateway.url} ")


def test_log_of_all_names_no_environment_as_its_own(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 1)
    member(offline_desk, "env-00", providers={"plain": {"fail": "denied"}})
    monkeypatch.setenv("K8_ENV", "env-00")
    lines = [json.loads(line) for line in offline_desk.run("sync", "--all", "--log-format", "json").lines]
    assert {one["environment"] for one in lines} == {""}
    assert [one["where"].split(":")[0] for one in lines if "where" in one] == ["env-00"]


def test_each_environment_leaves_events_on_what_it_writes_and_on_what_is_refused(desk: Desk) -> None:
    names = fleet(desk, 3)
    assert desk.run("sync", "--all").err == ""
    assert {f"bridge-{name}.secret.{name}-keys.synced" for name in names} <= events(desk).keys()
    desk.target.apply("Secret", "env-01-keys", {"data": {"TOKEN": "dGhlaXJz"}}, "argocd")
    give(desk, "env-02", "2")
    before = events(desk)
    assert desk.run("sync", "--all").status == 1
    found = events(desk)
    assert found.keys() - before.keys() == {"bridge-env-01.secret.env-01-keys.refused"}
    assert found["bridge-env-02.secret.env-02-keys.synced"]["count"] == 2
    assert found["bridge-env-00.secret.env-00-keys.synced"]["count"] == 1


def test_events_that_cannot_be_written_are_warning_of_their_environment(offline_desk: Desk) -> None:
    fleet(offline_desk, 2)

    def refuse(_: str, path: str) -> Any:
        forbidden = ("status", 403, {}, b'{"kind":"Status","reason":"Forbidden","message":"no"}')
        return forbidden if "/events/bridge-env-01" in path else None

    offline_desk.target.embedded.intercept = refuse
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert (result.status, set(results(result).values())) == (0, {"written"})
    assert result.lines[0].startswith("bridge: warning: env-01: the Events of this run: could not all be written: ")
    assert [len(one["warnings"]) for one in result.data["environments"]] == [0, 1]


def test_no_events_are_left_after_end(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 1)
    enter, fleets = Fleet.__enter__, []
    monkeypatch.setattr(Fleet, "__enter__", lambda self: fleets.append(self) or enter(self))

    def end(method: str, path: str) -> None:
        if method == "PATCH" and "env-00-keys?" in path and "dryRun" not in path:
            fleets[0]._lines.end()

    embedded = offline_desk.target.embedded
    embedded.intercept = end
    assert offline_desk.run("sync", "--all").status == 5
    assert not [path for _, path in embedded.requests if "/events/" in path]


def test_connections_and_documents_are_shared(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 12)
    offline_desk.write("shared.json", {"TOKEN": "CANARY-shared", "PASSWORD": "CANARY-shared"})
    offline_desk.canaries.add("CANARY-shared")
    for number in range(6):
        member(offline_desk, f"env-{number:02}", sources=["plain:shared.json"])
    from bridge_plain import PlainSession  # noqa: PLC0415

    from bridge.run import line as opening  # noqa: PLC0415

    read, connect, paths, endpoints = PlainSession.read, opening.connect, [], []
    monkeypatch.setattr(PlainSession, "read", lambda self, path, *rest: paths.append(path) or read(self, path, *rest))
    monkeypatch.setattr(opening, "connect", lambda *args, **more: endpoints.append(args) or connect(*args, **more))
    assert offline_desk.run("sync", "--all").status == 0
    assert sorted(paths) == [*(f"env-{number:02}.json" for number in range(6, 12)), "shared.json"]
    assert len(endpoints) == 1


def sharing(desk: Desk, monkeypatch: pytest.MonkeyPatch, provider: str) -> list[str]:
    """Let five environments share a document, one after the other; returns what is read from stores, as it comes."""
    fleet(desk, 5)
    for number in range(5):
        member(desk, f"env-{number:02}", sources=[f"{provider}:shared.json"])
    monkeypatch.setattr("bridge.run.fleet.THREADS", 1)
    from bridge_plain import PlainSession  # noqa: PLC0415

    read, paths = PlainSession.read, []
    monkeypatch.setattr(PlainSession, "read", lambda self, path, *rest: paths.append(path) or read(self, path, *rest))
    return paths


def share(desk: Desk, generation: str, order: int | None = None) -> None:
    desk.canaries.add(f"CANARY-{generation}")
    desk.write("shared.json", {"TOKEN": f"CANARY-{generation}", "PASSWORD": f"CANARY-{generation}"})
    for number in range(5):
        section = {"plain": {"revision": generation, "order": order}}
        member(desk, f"env-{number:02}", sources=["plain:shared.json"], providers=section)


def test_shared_document_that_was_read_before_another_run_wrote_from_it_is_read_again(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = offline_desk
    paths = sharing(desk, monkeypatch, "plain")
    share(desk, "first")
    assert desk.run("sync", "--all").status == 0
    share(desk, "old")
    came = threading.Event()

    def another(method: str, path: str) -> None:
        """Come while the first environment is written, which has read the document for both."""
        if method == "PATCH" and "/secrets/env-00-keys?" in path and "dryRun" not in path and not came.is_set():
            came.set()
            desk.canaries.add("CANARY-newest")
            desk.write("shared.json", {"TOKEN": "CANARY-newest", "PASSWORD": "CANARY-newest"})
            memory = json.loads(desk.target.data("ConfigMap", "bridge-env-01")["memory.json"])
            memory["sources"]["plain:shared.json"] = {"revision": "newest", "order": None}
            data = {"memory.json": json.dumps(memory), "run": "another"}
            desk.target.patch("ConfigMap", "bridge-env-01", {"data": data})

    desk.target.embedded.intercept = another
    paths.clear()
    assert desk.run("sync", "--all").status == 0
    assert came.is_set()
    assert token(desk, "env-01") == "CANARY-newest"


@pytest.mark.parametrize(("order", "reads"), [((1, 2), 1), ((None, None), 6), ((2, None), 6)])
def test_order_tells_that_shared_document_is_new_enough_and_saves_read(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, order: tuple[int, int | None], reads: int
) -> None:
    desk = offline_desk
    paths = sharing(desk, monkeypatch, "plain")
    share(desk, "first", order[0])
    assert desk.run("sync", "--all").status == 0
    assert len(paths) == 1  # nothing had been written from it
    paths.clear()
    share(desk, "second", order[1])
    assert desk.run("sync", "--all").status == 0
    assert [token(desk, f"env-{number:02}") for number in range(5)] == ["CANARY-second"] * 5
    assert len(paths) == reads
    paths.clear()
    assert desk.run("sync", "--all").status == 0
    assert len(paths) == 1  # nothing to write


# Shards


def test_two_processes_with_two_shards_write_everything_once(desk: Desk, start: Start) -> None:
    names = fleet(desk, 12)
    runs = [start("sync", "--all", "--shard", f"{index}/2", "--output", "json") for index in range(2)]
    told = []
    for index, run in enumerate(runs):
        out, err = run.communicate(timeout=120)
        assert (run.returncode, err) == (0, "")
        assert json.loads(out)["shard"] == f"{index}/2"
        told += [one["environment"] for one in json.loads(out)["environments"]]
    assert sorted(told) == names
    assert all(token(desk, name) for name in names)


def test_index_comes_from_kubernetes(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(offline_desk, 8)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    automatic = results(offline_desk.run("plan", "--all", "--shard", "auto/3", "--output", "json"))
    assert automatic == results(offline_desk.run("plan", "--all", "--shard", "1/3", "--output", "json"))
    assert 0 < len(automatic) < 8


# Stopped on the way


@pytest.fixture
def start(desk: Desk, tmp_path: Path, third_party: Path) -> Iterator[Start]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    environ["PYTHONPATH"] = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bridge", *arguments, "--config", str(desk.folder)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["embedded_target"], indirect=True)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_terminated_run_gives_all_leases_back_and_says_how_far_it_came(
    desk: Desk, start: Start, number: signal.Signals, status: int
) -> None:
    names, reached = fleet(desk, 20), hang(desk)
    process = start("sync", "--all", "--output", "json")
    assert reached.wait(60)
    assert any(holders(desk))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "CANARY" not in out + err
    told = {one["environment"]: one for one in json.loads(out)["environments"]}
    assert list(told) == names
    assert told["env-03"]["result"] == "interrupted"
    assert {one["name"]: one["written"] for one in told["env-03"]["objects"]}["env-03-keys"] == "yes"
    for name in names:
        if told[name]["result"] == "written":
            assert token(desk, name)
        elif told[name]["result"] == "not reached":
            assert token(desk, name) is None
    assert set(holders(desk)) == {""}
    desk.target.embedded.intercept = None
    assert desk.run("sync", "--all").status == 0
    assert all(token(desk, name) for name in names)


def test_whole_run_is_bounded_and_says_what_it_did_not_reach(offline_desk: Desk) -> None:
    fleet(offline_desk, 20, providers={"plain": {"fail": "hang"}})
    member(offline_desk, "env-00")
    result = with_enough_time(
        lambda limit: offline_desk.run("sync", "--all", "--timeout", str(limit), "--output", "json"),
        lambda: token(offline_desk, "env-00"),
        first=2,
    )
    assert result.status == 75
    found = results(result)
    assert found["env-00"] == "written"
    assert set(found.values()) == {"written", "failed", "not reached"}
    assert any(line.endswith(": not reached in this run") for line in result.lines)


def test_lease_that_was_given_back_stops_its_holder_before_next_write(offline_desk: Desk) -> None:
    fleet(offline_desk, 1)
    from bridge.cluster.lease import Lease  # noqa: PLC0415

    check = Lease.check

    def given_back(lease: Lease) -> float:
        lease.release()
        return check(lease)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lease, "check", given_back)
        assert offline_desk.run("sync", "--all").status == 75
    assert token(offline_desk, "env-00") is None


def test_all_is_no_abbreviation_of_permission() -> None:
    args = parse(["sync", "--all"])
    assert (args.all, args.allow_shrink, args.allow_fallback, args.allow_older) == (True, False, False, False)


@pytest.mark.slow
def test_values_of_finished_environments_are_let_go(
    offline_desk: Desk, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc  # noqa: PLC0415
    import weakref  # noqa: PLC0415

    from bridge.run import fleet as module  # noqa: PLC0415

    fleet(offline_desk, 40)
    made: list[weakref.ref[Any]] = []
    most, lock = [0], threading.Lock()
    # Only what the test collects itself: while another thread collects, `gc.collect` does nothing.
    gc.disable()
    request.addfinalizer(gc.enable)
    gc.freeze()  # what is older than the run would be looked through again each time
    request.addfinalizer(gc.unfreeze)
    monkeypatch.setattr(gc, "enable", lambda: None)

    class Watched(module.Member):
        def __init__(self, name: str) -> None:
            with lock:
                gc.collect()
                most[0] = max(most[0], sum(one() is not None for one in made))
                super().__init__(name)
                made.append(weakref.ref(self))

    monkeypatch.setattr(module, "Member", Watched)
    assert offline_desk.run("sync", "--all").status == 0
    assert len(made) == 40
    assert most[0] <= 2 * module.THREADS
