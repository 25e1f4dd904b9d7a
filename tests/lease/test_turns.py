"""Runs that meet, and sources that are older than what was written last."""

import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from bridge.run.apply import TURNS
from bridge.testing.apiserver import Fault
from tests.desk import Desk
from tests.failures.test_stopped_runs import start, write_of
from tests.lease.leases import LEASE, hold, holder, lease
from tests.team import SECRETS, VALUES

__all__ = ["start"]  # a fixture


def test_run_that_wrote_gives_its_lease_back(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    assert holder(desk) == ""


def test_run_with_nothing_to_write_takes_none(desk: Desk) -> None:
    desk.run("plan", "staging")
    assert holder(desk) is None
    desk.run("sync", "staging")
    before = lease(desk)
    for command in ("sync", "plan", "status"):
        assert desk.run(command, "staging").status == 0
    assert lease(desk) == before


def test_run_that_meets_another_writes_nothing_and_names_it(desk: Desk) -> None:
    hold(desk, "cronjob-pod-1")
    result = desk.run("sync", "staging", "--lock-wait", "0.3", "--output", "json")
    assert (result.status, result.data["result"]) == (75, "failed")
    assert result.lines == [
        (
            f"bridge: error: Lease/{LEASE} in namespace {desk.target.namespace}: "
            "another run is writing: cronjob-pod-1 holds it"
        ),
        "bridge: hint: try again, or wait longer with --lock-wait",
    ]
    assert desk.target.versions() == {}


def test_what_changed_while_run_waited_is_read_again(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    edited = threading.Event()

    def edit(method: str, path: str) -> None:
        if method == "PUT" and LEASE in path and not edited.is_set():
            edited.set()
            desk.target.edit("Secret", "agent-secrets", DEEPGRAM_API_KEY="edited-meanwhile")

    desk.target.embedded.intercept = edit
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert "drift, changed by kubectl-edit" in result.out
    assert desk.target.data("Secret", "agent-secrets")["DEEPGRAM_API_KEY"] == VALUES["DEEPGRAM_API_KEY"]


def test_change_that_exists_once_run_has_waited_is_reported_as_unchanged(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    made = threading.Event()

    def make(method: str, path: str) -> None:
        if method == "PUT" and LEASE in path and not made.is_set():
            made.set()
            values = desk.target.data("Secret", "agent-secrets") | {"OPENAI_API_KEY": "CANARY-new"}
            data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
            desk.target.apply("Secret", "agent-secrets", {"data": data}, "bridge/voice-agent-staging")

    desk.target.embedded.intercept = make
    result = desk.run("sync", "staging")
    assert (result.status, result.out.splitlines()[-1]) == (0, "5 unchanged: nothing to do")


def test_plan_that_would_be_refused_after_waiting_is_not_carried_out(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    taken = threading.Event()

    def take(method: str, path: str) -> None:
        if method == "PUT" and LEASE in path and not taken.is_set():
            taken.set()
            desk.target.apply("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "dGhlaXJz"}}, "argocd")

    desk.target.embedded.intercept = take
    result = desk.run("sync", "staging")
    assert result.status == 75
    assert result.lines[0] == "bridge: error: the cluster: was changed while this run waited for it"
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "theirs"


def test_holder_that_lost_its_lease_stops_before_its_next_write(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = offline_desk
    monkeypatch.setattr("bridge.cluster.lease.RENEWAL", 0.0)
    names: list[str] = []

    def steal(method: str, path: str) -> Fault | None:
        if write_of("shared-config")(method, path):
            hold(desk, "another")
        if method == "PATCH" and "dryRun" not in path:
            names.append(path.rpartition("/")[2].partition("?")[0])
        return None

    desk.target.embedded.intercept = steal
    result = desk.run("sync", "staging")
    assert (result.status, names[-1]) == (5, "shared-config")
    assert "this run lost it; another run may be writing" in result.lines[0]
    assert holder(desk) == "another"


def stolen_between_two_tries(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str = "agent-secrets") -> list[str]:
    """Let another run take the Lease while the API server has no time for a write; returns the tries of that write."""
    monkeypatch.setattr("bridge.cluster.lease.RENEWAL", 0.0)
    seen: list[str] = []

    def steal(method: str, path: str) -> Fault | None:
        if not write_of(name)(method, path):
            return None
        seen.append(path)
        hold(desk, "another")
        return ("status", 429, {"Content-Type": "application/json", "Retry-After": "0"}, b"{}")

    desk.target.embedded.intercept = steal
    return seen


@pytest.mark.parametrize("name", ["agent-secrets", LEASE])
def test_write_is_not_tried_again_once_another_run_has_lease(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    seen = stolen_between_two_tries(desk, monkeypatch, name)
    result = desk.run("sync", "staging")
    assert (result.status, len(seen), holder(desk)) == (75, 1, "another")
    assert "this run lost it; another run may be writing" in result.lines[0]


def test_nor_is_object_taken_over_then(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = offline_desk
    desk.target.create("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "dGhlaXJz"}}, "helm")
    seen = stolen_between_two_tries(desk, monkeypatch)
    result = desk.run("adopt", "staging", "--yes")
    assert (result.status, len(seen), holder(desk)) == (75, 1, "another")
    assert desk.target.owners("Secret", "agent-secrets", "OPENAI_API_KEY") == {("helm", "Update")}


@pytest.mark.slow
def test_operator_pipeline_and_cronjob_at_once_all_end_well(desk: Desk, start: Any, tmp_path: Path) -> None:
    for turn in range(3):
        desk.values(OPENAI_API_KEY=f"CANARY-turn-{turn}")
        runs = [start("sync", "staging") for _ in range(3)]
        ends = [run.communicate(timeout=120) for run in runs]
        assert [run.returncode for run in runs] == [0, 0, 0], [err for _, err in ends]
        assert sum("1 updated" in out for out, _ in ends) >= 1 or turn == 0
        assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == f"CANARY-turn-{turn}"


def edited_at_dry_runs(desk: Desk, times: int) -> list[str]:
    """Let somebody write to an object between its being read and its dry-run; returns the dry-runs as they come."""
    seen: list[str] = []

    def intercept(method: str, path: str) -> None:
        if method == "PATCH" and "/agent-secrets?" in path and "dryRun" in path:
            seen.append(path)
            if len(seen) <= times:
                desk.target.edit("Secret", "agent-secrets", THEIRS=str(len(seen)))

    desk.target.embedded.intercept = intercept
    return seen


def test_object_that_another_run_writes_before_dry_run_is_read_again(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    seen = edited_at_dry_runs(desk, times=1)
    result = desk.run("sync", "staging")
    assert (result.status, result.err, len(seen)) == (0, "", 2)
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-new"
    assert desk.target.data("Secret", "agent-secrets")["THEIRS"] == "1"


def test_object_that_never_stays_as_it_was_read_is_given_up_and_nothing_is_written(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    seen = edited_at_dry_runs(desk, times=100)
    result = desk.run("sync", "staging")
    assert (result.status, len(seen)) == (75, 4)
    assert result.lines[0] == "bridge: error: Secret/agent-secrets in namespace voice: changed since it was read"
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def ordered(desk: Desk, revision: str, order: int | None, series: str = "", **changes: Any) -> None:
    section = {"plain": {"revision": revision, "order": order, "series": series}}
    desk.environment(providers=section, **changes)
    desk.values(OPENAI_API_KEY=f"CANARY-{revision}")


def test_source_that_is_older_than_what_was_written_last_is_refused(desk: Desk) -> None:
    ordered(desk, "v5", 5)
    assert desk.run("sync", "staging").status == 0
    ordered(desk, "v4", 4)
    before = desk.target.versions()
    result = desk.run("sync", "staging")
    assert (result.status, desk.target.versions()) == (1, before)
    assert (
        result.lines[0] == "bridge: error: plain:values.json: is older than the last revision written: now v4, then v5"
    )
    assert "`accept_older`" in result.lines[1]
    for flags in ([], ["--exit-code"]):
        assert desk.run("plan", "staging", *flags).status == 1


def test_older_source_is_admitted_by_operator_once(desk: Desk) -> None:
    ordered(desk, "v5", 5)
    desk.run("sync", "staging")
    ordered(desk, "v4", 4)
    assert desk.run("sync", "staging", "--allow-older").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-v4"
    assert desk.run("sync", "staging").status == 0


def test_older_source_is_admitted_by_environments_file_for_every_kind_of_run(desk: Desk) -> None:
    ordered(desk, "v5", 5)
    desk.run("sync", "staging")
    ordered(desk, "v4", 4, accept_older={"plain:values.json": "v3"})
    assert desk.run("sync", "staging").status == 1
    ordered(desk, "v4", 4, accept_older={"plain:values.json": "v4"})
    assert desk.run("sync", "staging").status == 0


@pytest.mark.parametrize(
    ("then", "now"),
    [(("a", None, ""), ("b", 1, "")), (("a", 5, ""), ("b", None, "")), (("a", 5, "x"), ("b", 1, "y"))],
)
def test_without_order_there_is_no_guard(desk: Desk, then: tuple[Any, ...], now: tuple[Any, ...]) -> None:
    ordered(desk, *then)
    assert desk.run("sync", "staging").status == 0
    ordered(desk, *now)
    assert desk.run("sync", "staging").status == 0


def test_run_that_read_before_another_wrote_newer_source_does_not_step_back(offline_desk: Desk) -> None:
    desk = offline_desk
    ordered(desk, "v4", 4)
    desk.run("sync", "staging")
    ordered(desk, "v5", 5)
    newer = threading.Event()

    def overtake(method: str, path: str) -> None:
        if method == "PUT" and LEASE in path and not newer.is_set():
            newer.set()
            memory = json.loads(desk.target.data("ConfigMap", LEASE)["memory.json"])
            memory["sources"]["plain:values.json"] = {"revision": "v6", "order": 6}
            desk.target.patch("ConfigMap", LEASE, {"data": {"memory.json": json.dumps(memory), "run": "another"}})

    desk.target.embedded.intercept = overtake
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert "is older than the last revision written: now v5, then v6" in result.err
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-v4"


FREE: Any = {"spec": {"holderIdentity": ""}}


def overtaken(desk: Desk, *, times: int = 1, **values: str | None) -> list[str]:
    """Let another run write, and the source change, while a run waits for the Lease; returns when that happened."""
    seen: list[str] = []

    def overtake(method: str, path: str) -> None:
        if method == "PUT" and f"/leases/{LEASE}" in path and (lease(desk) or FREE)["spec"]["holderIdentity"] == "":
            if len(seen) == times:
                return
            seen.append(path)
            desk.values(**values)
            desk.target.patch("ConfigMap", LEASE, {"data": {"run": f"another-{len(seen)}"}})

    desk.target.embedded.intercept = overtake
    return seen


def documents_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each document that is read from a store."""
    from bridge_plain import PlainSession  # noqa: PLC0415

    read, paths = PlainSession.read, []
    monkeypatch.setattr(PlainSession, "read", lambda self, path, *rest: paths.append(path) or read(self, path, *rest))
    return paths


def test_run_that_waited_while_another_one_wrote_reads_its_sources_again(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-old")
    paths, seen = documents_read(monkeypatch), overtaken(desk, OPENAI_API_KEY="CANARY-newest")
    result = desk.run("sync", "staging")
    assert (result.status, result.err, len(seen), len(paths)) == (0, "", 1, 2)
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-newest"
    assert holder(desk) == ""


def test_what_is_read_again_is_held_to_same_limits(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-old")
    overtaken(desk, OPENAI_API_KEY="")
    before = desk.target.data("Secret", "agent-secrets")
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert "--allow-shrink" in result.err
    assert desk.target.data("Secret", "agent-secrets") == before


def test_source_that_cannot_be_read_again_stops_run_before_its_first_write(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-old")
    overtaken(desk, OPENAI_API_KEY=None)
    before = desk.target.versions().keys()
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, result.data["result"]) == (1, "failed")
    assert "OPENAI_API_KEY" in result.err
    assert {one["written"] for one in result.data["objects"]} == {"no"}
    assert desk.target.versions().keys() == before


def test_run_that_is_overtaken_each_time_gives_up(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-old")
    seen = overtaken(desk, times=100, OPENAI_API_KEY="CANARY-newest")
    result = desk.run("sync", "staging")
    assert (result.status, len(seen)) == (75, TURNS)
    assert result.lines == [
        f"bridge: error: the cluster: other runs wrote {TURNS} times while this one read the sources",
        "bridge: hint: run again",
    ]
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert holder(desk) == ""


def test_namespace_that_changes_while_run_waits_is_not_written(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.environment(namespace=None)
    desk.env_file(K8S_NAMESPACE="voice")
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-old")
    seen = overtaken(desk, OPENAI_API_KEY="CANARY-newest")
    overtake = desk.target.embedded.intercept

    def move(method: str, path: str) -> None:
        overtake(method, path)
        if seen:
            desk.env_file(K8S_NAMESPACE="other")

    desk.target.embedded.intercept = move
    result = desk.run("sync", "staging")
    assert (result.status, result.lines) == (
        75,
        ["bridge: error: the namespace: has changed since this run started", "bridge: hint: run again"],
    )
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_refusal_that_compared_with_what_another_run_replaced_meanwhile_is_judged_again(offline_desk: Desk) -> None:
    """The memory is read before the sources: what it says may be over when the objects are read."""
    desk = offline_desk
    ordered(desk, "v5", 5)
    assert desk.run("sync", "staging").status == 0
    ordered(desk, "v4", 4)
    moved = threading.Event()

    def another(method: str, path: str) -> None:
        if method == "GET" and "/secrets/" in path and not moved.is_set():
            moved.set()
            desk.values(OPENAI_API_KEY="CANARY-v4")
            memory = json.loads(desk.target.data("ConfigMap", LEASE)["memory.json"])
            memory["sources"]["plain:values.json"] = {"revision": "v3", "order": 3}
            desk.target.patch("ConfigMap", LEASE, {"data": {"memory.json": json.dumps(memory), "run": "another"}})

    desk.target.embedded.intercept = another
    assert desk.run("sync", "staging").status == 0
    assert moved.is_set()
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-v4"


def test_even_run_that_changes_no_key_tells_others_before_it_writes(offline_desk: Desk) -> None:
    desk = offline_desk
    assert desk.run("sync", "staging").status == 0
    before = desk.target.data("ConfigMap", LEASE)
    desk.write("base/secrets.yml", SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets, labels: {team: a}}"))
    seen: list[bool] = []

    def note(method: str, path: str) -> None:
        if write_of("agent-secrets")(method, path):
            seen.append(desk.target.data("ConfigMap", LEASE)["run"] != before["run"])

    desk.target.embedded.intercept = note
    assert desk.run("sync", "staging").status == 0
    assert seen == [True]


def test_nobody_pays_for_it_in_ordinary_run(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, paths = offline_desk, documents_read(monkeypatch)
    requests = desk.target.embedded.requests

    def sync(*arguments: str) -> tuple[int, int]:
        paths.clear()
        requests.clear()
        desk.run("sync", "staging", *arguments)
        return len(paths), len([path for _, path in requests if "/events/" not in path])

    objects, memory, lease_ = 5, 1, 1
    reading, writing = memory + objects, 2 + objects  # the memory is written before the objects and after them
    taking = 2 * lease_ + reading + lease_  # looked at, taken, everything read again under it, and given back
    # Without a memory, the Lease tells whether another run was there: it is looked at before, not again.
    assert sync() == (1, reading + objects + taking + writing)
    assert sync() == (1, reading)
    desk.values(OPENAI_API_KEY="CANARY-new")
    assert sync() == (1, reading + 1 + taking + 3)
    desk.values(OPENAI_API_KEY="")
    assert sync() == (1, reading + memory)  # refused


def test_while_there_is_no_memory_lease_tells_whether_another_run_was_there(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run makes everything, and somebody deletes its memory; nothing but the Lease is left of it then."""
    desk, paths, came = offline_desk, documents_read(monkeypatch), threading.Event()
    desk.values(OPENAI_API_KEY="CANARY-old")

    def another(method: str, path: str) -> None:
        if method == "PATCH" and "dryRun" in path and not came.is_set():
            came.set()
            hold(desk, "")
            desk.values(OPENAI_API_KEY="CANARY-newest")

    desk.target.embedded.intercept = another
    assert desk.run("sync", "staging").status == 0
    assert len(paths) == 2
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-newest"


def test_accept_older_names_documents_and_revisions(offline_desk: Desk) -> None:
    offline_desk.environment(accept_older={"nonsense": "v4", "plain:values.json": ["v4"]})
    result = offline_desk.run("check", "staging")
    assert result.status == 2
    assert any("accept_older.nonsense" in line or "accept_older" in line for line in result.lines)
    offline_desk.environment(accept_older={"plain:values.json#x": 4})
    offline_desk.write("base/secrets.yml", SECRETS)
    assert offline_desk.run("check", "staging").status == 0
