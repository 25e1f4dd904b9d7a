"""The words of `--output json`: each has one spelling, which scripts compare, and there are no others."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from bridge.commands.restart import result_of
from bridge.commands.results import PENDING, plan_result, status_result, sync_result
from bridge.errors import Problem, Refusal, Stopped, Unavailable
from bridge.objects import Desired, Entry, Field, Layer, Live, Manager, ObjectId, Origin
from bridge.plan.admission import after_write
from bridge.plan.baseline import Now
from bridge.plan.build import Allowed, PlanTarget, build
from bridge.plan.model import Action, Binding, Change, ClusterName, Plan
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.plan.workloads import How, Rollout, Use, Workload, judge
from bridge.report import adoption, metrics, restart, text
from bridge.report.data import outcome_data, plan_data
from bridge.report.doctor import DoctorReport, doctor_data
from bridge.report.restart import workload_data
from bridge.report.status import status_data
from bridge.run.apply import Outcome
from bridge.run.restart import Restart
from bridge.secret import SecretValue

OURS = "bridge/x"
CLUSTER = ClusterName("https://10.0.0.1:6443", "kapsule", "the kubeconfig")
TARGET = PlanTarget("staging", "voice", OURS, CLUSTER)
THEN, NOW = "2026-11-25T10:00:00Z", "2026-11-25T10:00:09Z"
SOURCE = Origin(Layer.SOURCE, "vault:x")

ACTIONS = {"create", "update", "keep", "recreate", "delete", "leave"}
WHATS = {"add", "change", "drift", "restore", "reclaim", "remove", "release", "keep", "altered"}
STATES = {"in sync", "missing", "outdated", "drifted", "removed by hand", "not ours alone", "altered"}
YES_NO = {"yes", "perhaps", "no"}


def id_of(name: str) -> ObjectId:
    return ObjectId("ConfigMap", name)


def desired(name: str, origin: Origin = SOURCE, **data: str) -> Desired:
    return Desired(id_of(name), {key: Entry(SecretValue.of(value), origin) for key, value in data.items()})


def live(name: str, owners: dict[str, str], *, immutable: bool = False, **data: str) -> Live:
    """Return an object; `owners` are those of its keys, with `E` for us and `U` for someone's edit."""

    def manager(letter: str, name: str, operation: Any) -> Manager:
        return Manager(name, operation, THEN, frozenset(Field("data", key) for key in owners if letter in owners[key]))

    values = {key: SecretValue.of(value) for key, value in data.items()}
    managers = (manager("E", OURS, "Apply"), manager("U", "kubectl-edit", "Update"))
    return Live(id_of(name), f"uid-{name}", "1", values, managers, immutable=immutable)


MEMORY = Memory(
    {
        id_of(name): ObjectMemory(f"uid-{name}", {key: KeyMemory(SOURCE, THEN) for key in keys})
        for name, keys in {"updated": "BCDEFGH", "kept": "A", "fixed": "A", "gone": "A", "left": "A"}.items()
    }
)


def plan() -> Plan:
    """Return a plan in which each thing happens that can happen."""
    wanted = [
        desired("created", Origin(Layer.ENV_FILE, ".env"), A="1"),
        desired("updated", A="1", B="2", C="2", D="2", E="2", H="2"),
        desired("kept", Origin(Layer.TEMPLATE, "base.yaml"), A="1"),
        desired("fixed", A="2"),
        desired("admitted", DROPPED="1", REWRITTEN="1"),
    ]
    owners = {"B": "E", "C": "U", "E": "EU", "F": "E", "G": "EU", "H": "E"}
    present: dict[ObjectId, Live | None] = {
        one.id: one
        for one in (
            live("updated", owners, B="1", C="1", E="2", F="1", G="1", H="2"),
            live("kept", {"A": "E"}, A="1"),
            live("fixed", {"A": "E"}, A="1", immutable=True),
            live("gone", {"A": "E"}, A="1"),
        )
    }
    present |= {id_of("created"): None, id_of("admitted"): None}  # `left` could not be read
    allowed = Allowed(shrink=True, prune=True, recreate=frozenset({id_of("fixed")}))
    made = build(TARGET, Now(wanted, {}, present), {}, MEMORY, allowed)
    return made._replace(changes=tuple(_admitted(change) for change in made.changes))


def _admitted(change: Change) -> Change:
    if change.id != id_of("admitted"):
        return change
    return after_write(change, live("admitted", {"REWRITTEN": "E"}, REWRITTEN="other"))


def keys_of(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((one["name"], key) for one in data["objects"] for key in one["keys"])


def test_plan_names_each_action_once() -> None:
    data = plan_data(plan())
    assert {one["name"]: one["action"] for one in data["objects"]} == {
        "created": "create",
        "updated": "update",
        "kept": "keep",
        "fixed": "recreate",
        "admitted": "create",
        "gone": "delete",
        "left": "leave",
    }
    assert {one["action"] for one in data["objects"]} == ACTIONS == {action.value for action in Action}
    assert data["summary"] == {
        "create": 2,
        "update": 1,
        "keep": 1,
        "recreate": 1,
        "delete": 1,
        "leave": 1,
        "altered": 1,
    }


def test_plan_names_what_happens_to_each_key() -> None:
    data = plan_data(plan())
    assert {key["name"]: key["what"] for name, key in keys_of(data) if name == "updated"} == {
        "A": "add",
        "B": "change",
        "C": "drift",
        "D": "restore",
        "E": "reclaim",
        "F": "remove",
        "G": "release",
        "H": "keep",
    }
    found = {key["name"]: (key["what"], key["altered"]) for name, key in keys_of(data) if name == "admitted"}
    assert found == {"DROPPED": ("altered", "dropped"), "REWRITTEN": ("altered", "rewritten")}
    assert {key["what"] for _, key in keys_of(data)} == WHATS
    assert {key["altered"] for _, key in keys_of(data)} == {None, "dropped", "rewritten"}
    origins = {name: key["origin"]["layer"] for name, key in keys_of(data) if key["origin"]}
    assert {name: origins[name] for name in ("created", "updated", "kept")} == {
        "created": "env file",
        "updated": "source",
        "kept": "template",
    }


def test_status_names_state_of_each_key() -> None:
    data = status_data(plan(), {})
    assert {row["key"]: row["state"] for row in data["keys"] if row["object"] == "ConfigMap/updated"} == {
        "A": "missing",
        "B": "outdated",
        "C": "drifted",
        "D": "removed by hand",
        "E": "not ours alone",
        "H": "in sync",
    }
    assert {row["state"] for row in data["keys"]} == STATES == set(data["summary"])


def test_outcome_names_which_objects_were_written() -> None:
    data = outcome_data(plan_data(plan()), "stopped", [id_of("created")], [id_of("updated")])
    found = {one["name"]: one["written"] for one in data["objects"]}
    assert (found["created"], found["updated"], found["kept"]) == ("yes", "perhaps", "no")
    assert set(found.values()) == YES_NO


def test_text_reports_know_each_word_and_no_other() -> None:
    assert text.MARKS.keys() == text.ACTIONS.keys() == ACTIONS
    assert text.DONE.keys() == ACTIONS - {"keep", "leave"}
    assert text.KEY_MARKS.keys() == WHATS - {"keep"}
    assert text.RESULTS.keys() == PLAN_RESULTS | SYNC_RESULTS | {"interrupted"}
    assert text.RESULTS.keys() - text.WRONG == {"planned", "unchanged", "written", "restarted"}
    assert restart.RESULTS.keys() == RESTART_RESULTS | {"planned", "interrupted"}
    assert adoption.RESULTS.keys() == (PLAN_RESULTS | SYNC_RESULTS | {"interrupted"}) - {
        "altered",
        "restarted",
        "unfinished",
    }
    assert set(metrics.KEYS.values()) | {metrics.ALTERED} == {
        "unchanged",
        "missing",
        "changed",
        "drifted",
        "removed",
        "altered",
    }


PLAN_RESULTS = {"refused", "altered", "planned", "unchanged"}
SYNC_RESULTS = {"refused", "stopped", "failed", "unfinished", "altered", "written", "restarted", "unchanged"}
RESTART_RESULTS = {"unfinished", "restarted", "unchanged"}
EVERYTHING = plan()._replace(refusals=())
PROBLEM = Problem("Secret/s", "is wrong")
IN_ORDER = EVERYTHING._replace(changes=tuple(one for one in EVERYTHING.changes if not one.altered))
NOTHING_TO_DO = EVERYTHING._replace(changes=tuple(one for one in EVERYTHING.changes if one.action is Action.KEEP))
REFUSED = EVERYTHING._replace(refusals=(PROBLEM,))


def test_result_of_plan() -> None:
    found = [plan_result(one, exit_code=True) for one in (REFUSED, EVERYTHING, IN_ORDER, NOTHING_TO_DO)]
    assert found == [(1, "refused"), (1, "altered"), (PENDING, "planned"), (0, "unchanged")]
    assert {result for _, result in found} == PLAN_RESULTS
    assert plan_result(IN_ORDER, exit_code=False) == (0, "planned")


def test_result_of_status() -> None:
    plans = (REFUSED, EVERYTHING, IN_ORDER, NOTHING_TO_DO)
    assert [status_result(status_data(one, {})) for one in plans] == [
        (1, "refused"),
        (1, "altered"),
        (0, "out of sync"),
        (0, "in sync"),
    ]


def outcome(*written: str, error: Refusal | Stopped | Unavailable | None = None) -> Outcome:
    found = Outcome()
    found.written += map(id_of, written)
    found.error = error
    return found


def restarted(*names: str, error: Unavailable | None = None) -> Restart:
    found = Restart()
    found.rolled += names
    if error:
        found.fail(error)
    return found


def test_result_of_sync() -> None:
    late = Unavailable(PROBLEM)
    found = [
        sync_result(REFUSED, outcome(), None),
        sync_result(IN_ORDER, outcome("a", error=Stopped(PROBLEM)), None),
        sync_result(IN_ORDER, outcome(error=late), None),
        sync_result(IN_ORDER, outcome(error=Refusal(PROBLEM)), None),
        sync_result(IN_ORDER, outcome("a"), restarted(error=late)),
        sync_result(NOTHING_TO_DO, outcome(), restarted(error=late)),
        sync_result(EVERYTHING, outcome("a"), None),
        sync_result(IN_ORDER, outcome("a"), restarted("Deployment/d")),
        sync_result(NOTHING_TO_DO, outcome(), restarted("Deployment/d")),
        sync_result(NOTHING_TO_DO, outcome(), restarted()),
    ]
    assert found == [
        (1, "refused"),
        (5, "stopped"),
        (75, "failed"),
        (1, "failed"),
        (5, "unfinished"),
        (75, "unfinished"),
        (1, "altered"),
        (0, "written"),
        (0, "restarted"),
        (0, "unchanged"),
    ]
    assert {result for _, result in found} == SYNC_RESULTS


def test_result_of_restart() -> None:
    found = [
        result_of(restarted(error=Unavailable(PROBLEM))),
        result_of(restarted("Deployment/d")),
        result_of(restarted()),
    ]
    assert found == ["unfinished", "restarted", "unchanged"]


FINISHED, RUNNING = Rollout(True, 1, 1, 1, 0), Rollout(True, 1, 0, 1, 1)


@pytest.mark.parametrize(
    ("rollout", "state"), [(FINISHED, "finished"), (RUNNING, "running"), (RUNNING._replace(failed=True), "failed")]
)
def test_restart_names_state_of_each_workload(rollout: Rollout, state: str) -> None:
    used = (Use(id_of("kept"), None, How.ENV_FROM, "container a"),)

    def workload(name: str, **more: Any) -> Workload:
        return Workload("Deployment", name, name, used, "", rollout, **more)

    workloads = [workload("current"), workload("behind"), workload("held", paused=True)]
    times = {"current": NOW, "behind": THEN, "held": THEN}
    data = workload_data(judge(workloads, times, MEMORY), {"Deployment/behind"}, {"Deployment/held"}, {})
    assert [(one["name"], one["state"], one["restarted"], one["rollout"]["state"]) for one in data] == [
        ("current", "current", "no", state),
        ("behind", "restart", "yes", state),
        ("held", "paused", "perhaps", state),
    ]


def test_doctor_names_how_bad_each_line_is() -> None:
    report = DoctorReport()
    report.ok("stores", "vault", "reachable")
    report.warn("stores", PROBLEM)
    report.fail("stores", Refusal(PROBLEM))
    data = doctor_data(report, "staging")
    assert [line["level"] for line in data["groups"][0]["lines"]] == ["ok", "warning", "error"]
    assert data["summary"] == {"ok": 1, "warning": 1, "error": 1}


def test_binding_of_cluster_has_these_words() -> None:
    assert set(get_args(Binding)) == {"namespace_uid", "server", "pod"}
