"""What is restarted, what perhaps, and with which status, where the API server fails in between."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import pytest

from bridge import progress
from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.cluster.state import MemoryStore
from bridge.errors import Problem, Refusal, Stopped, Unavailable
from bridge.plan.model import ClusterName
from bridge.plan.workloads import RestartStep, RestartVerdict, Rollout, Workload
from bridge.report.record import Record
from bridge.run.inputs import Run
from bridge.run.restart import Restart, follow, roll
from bridge.run.view import Cluster
from tests.cluster.wire import METADATA, Wire, api, drop, endpoint, reply, status
from tests.cluster.wire import Step as Answer


def raw(name: str) -> dict[str, Any]:
    metadata = METADATA | {"name": name, "generation": 2}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}, "status": {"observedGeneration": 1}}


def verdicts(*names: str, step: RestartStep = RestartStep.ROLL, **rollout: Any) -> tuple[RestartVerdict, ...]:
    state = Rollout(True, 2, 2, 2, 0, **rollout)
    return tuple(RestartVerdict(Workload("Deployment", name, name, (), "", state), step, (), "then") for name in names)


@contextmanager
def cluster(*answers: Answer) -> Iterator[tuple[Cluster, Wire]]:
    with Wire(*answers) as wire, closing(api(wire.url)) as client:
        objects, store = Objects(client, "voice", "bridge/x"), MemoryStore(client, "voice", "x", "bridge/x")
        name = ClusterName(wire.url, None, "the test")
        yield Cluster(endpoint(wire.url, None), client, objects, store, Lease(client, "voice", "x"), name, ()), wire


def test_all_are_tried_dry_before_first_is_restarted() -> None:
    restart = Restart(verdicts("a", "b"))
    with cluster(reply(200, raw("a")), status(403, "Forbidden"), reply(200, raw("a"))) as (found, wire):
        roll(found, restart)
    assert (restart.rolled, restart.begun, type(restart.error)) == ([], set(), Refusal)
    assert [("dryRun=All" in one.line) for one in wire.requests] == [True, True]


def test_what_fails_in_between_says_what_is_restarted_and_what_perhaps() -> None:
    fine = [reply(200, raw(name)) for name in ("a", "b", "c", "a")]
    restart = Restart(verdicts("a", "b", "c"))
    with cluster(*fine, drop, drop) as (found, _):
        roll(found, restart)
    assert (restart.rolled, restart.begun, type(restart.error)) == (["Deployment/a"], {"Deployment/b"}, Stopped)


def test_failure_that_is_only_temporary_is_one_to_try_again() -> None:
    restart = Restart(verdicts("a"))
    with cluster(status(429, "TooManyRequests", retry="0")) as (found, _):
        roll(found, restart)
    assert (type(restart.error), restart.error.exit_status) == (Unavailable, 75)
    restart.add(Problem("b", "paused"))
    assert type(restart.error) is Refusal


def test_workload_that_is_deleted_meanwhile_is_not_restarted_and_no_failure() -> None:
    restart = Restart(verdicts("a"))
    with cluster(status(404, "NotFound")) as (found, _):
        roll(found, restart)
    assert (restart.rolled, restart.error) == ([], None)


def test_partition_and_failed_rollout_are_reported_also_by_run_that_restarts_nothing() -> None:
    spared = Restart(verdicts("a"))
    spared.states = {"a": spared.verdicts[0].workload._replace(rollout=Rollout(True, 2, 1, 2, 1, spared=1))}
    assert [one.what for one in spared.warnings] == ["its partition excludes 1 pods: they keep older keys"]
    failed = Restart(verdicts("a", step=RestartStep.NONE, failed=True))
    with cluster(drop) as (found, wire):
        roll(found, failed)
    assert (len(failed.problems), wire.requests) == (1, [])


def test_workload_without_pods_is_named_when_it_is_restarted() -> None:
    empty = Restart(verdicts("a"), rolled=["Deployment/a"])
    empty.states = {"Deployment/a": empty.verdicts[0].workload._replace(rollout=Rollout(True, 0, 0, 0, 0))}
    assert [(one.where, one.what) for one in empty.warnings] == [
        ("Deployment/a", "has no pods (replicas: 0): there was nothing to restart")
    ]


def test_without_time_to_wait_nothing_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    restart = Restart(verdicts("a"), rolled=["Deployment/a"])
    restart.states = {"Deployment/a": restart.verdicts[0].workload}
    follow(None, None, restart, "voice", 0)  # type: ignore[arg-type] # neither is looked at
    assert (restart.error, capsys.readouterr()) == (None, ("", ""))


def test_wait_tells_each_change_of_rollout_and_how_many_have_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(name: str, ready: int) -> Answer:
        counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": ready}
        return reply(200, raw(name) | {"status": {"observedGeneration": 2, **counts}})

    restart = Restart(verdicts("a", "b", "c"))
    restart.states = {str(one.workload): one.workload for one in restart.verdicts}
    restart.states = {name: one._replace(rollout=one.rollout._replace(ready=0)) for name, one in restart.states.items()}
    rounds = (
        [seen("a", 2), seen("b", 1), seen("c", 0)],
        [seen("b", 1), seen("c", 0)],
        [seen("b", 2), status(404, "NotFound")],
    )
    written: list[str] = []
    for name in ("progress.SILENCE", "progress.PAUSE", "run.restart.POLL"):
        monkeypatch.setattr(f"bridge.{name}", 0.0)
    progress.begin(written.append, lambda: 80)
    try:
        with cluster(*(answer for answers in rounds for answer in answers)) as (found, _):
            monkeypatch.setattr("bridge.run.restart.open_cluster", lambda *_: nullcontext(found))
            run = Run({}, time.monotonic() + 60, Record())
            follow(None, run, restart, "voice", 60)  # type: ignore[arg-type] # the cluster is already open
    finally:
        progress.end()
    assert capsys.readouterr().err.splitlines() == [
        "bridge: Deployment/a: 2 of 2 pods are new, 2 ready, finished",
        "bridge: Deployment/b: 2 of 2 pods are new, 1 ready",
        "bridge: Deployment/b: 2 of 2 pods are new, 2 ready, finished",
        "bridge: Deployment/c: was deleted",
    ]
    lines = [text.removeprefix(progress.ERASE) for text in written]
    assert list(dict.fromkeys(filter(None, lines))) == [
        f"waiting for rollouts: {done} of 3 finished" for done in (1, 3)
    ]
    assert restart.error is None
