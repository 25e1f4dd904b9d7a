"""Restarts workloads: finds the workloads that run with older keys, rolls them, and follows the rollouts."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bridge.cluster.api import Forbidden, LostAnswer
from bridge.cluster.workloads import Workloads
from bridge.config.environment import Environment
from bridge.errors import ANYTHING, BridgeError, Bug, Problem, Refusal, Stopped, Unavailable, combine, ending
from bridge.plan.model import has_begun, is_ours
from bridge.plan.state import Memory
from bridge.plan.workloads import RestartStep, RestartVerdict, Workload, consumers, judge
from bridge.progress import ProgressStep
from bridge.report.record import Record
from bridge.report.talk import tell
from bridge.run.apply import FirstWrite, unless_agreed
from bridge.run.inputs import Run
from bridge.run.view import Cluster, open_cluster

POLL: Final = 1.0  # seconds


@dataclass(eq=False)
class Restart:
    """The outcome of a restart, accurate at any moment; workloads are listed by name.

    `begun` has the workloads that are being marked or may have been marked, `states` each workload as it was last read.
    """

    verdicts: tuple[RestartVerdict, ...] = ()
    rolled: list[str] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    states: dict[str, Workload] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    temporary: bool = True  # true while all problems are temporary
    is_broken: bool = False  # true if one of them is a bug in bridge

    @property
    def error(self) -> BridgeError | None:
        """The reason why some workloads still have older keys; a Stopped if some workloads were restarted."""
        if not self.problems:
            return None
        if self.rolled or self.begun:
            return Stopped(*self.problems)
        kind = Bug if self.is_broken else Unavailable if self.temporary else Refusal
        return kind(*self.problems)

    @property
    def warnings(self) -> Sequence[Problem]:
        """What an operator must do or know although nothing went wrong."""
        return [problem for name, one in self.states.items() for problem in _notes(one, name in self.rolled)]

    def add(self, *problems: Problem, temporary: bool = False) -> None:
        """Add problems."""
        self.problems += problems
        self.temporary = self.temporary and (temporary or not problems)

    def fail(self, error: BaseException) -> None:
        """Add an error that ended the restart, or a bug."""
        found = ending(error, touched=False)
        self.is_broken = self.is_broken or isinstance(found, Bug)
        self.add(*found.problems, temporary=isinstance(found, Unavailable))


def known(cluster: Cluster, *, everything: bool = False) -> Memory:
    """Return the state; raise Refusal if it does not show when keys changed, unless `everything` is restarted."""
    memory, hint = cluster.store.read(), "run `bridge sync` first"
    if memory is None:
        what = "does not exist, so bridge has no record of writing to this namespace"
        raise Refusal(Problem(cluster.store.target, what, hint))
    if memory.lost:
        raise Refusal(Problem("the state ConfigMap of bridge", memory.lost, hint))
    if memory.begun and not everything:
        names = ", ".join(sorted(map(str, memory.begun)))
        what = f"a sync has stopped or is running between its writes: {names}"
        raise Refusal(Problem("the state ConfigMap of bridge", what, f"{hint}, so that pods start with all keys"))
    return memory


def first_restart(
    environment: Environment, namespace: str, cluster: Cluster, memory: Memory, run: Run
) -> FirstWrite | None:
    """Return the error for a restart if nothing shows that the environment was written to this cluster, or None.

    The state alone does not show it: it may be a copy from another cluster. If an object cannot be read, the restart is
    allowed.
    """
    if run.first or cluster.name.binding or has_begun(memory):
        return None
    for id_ in memory.objects:
        try:
            live = cluster.objects.get(id_)
        except Forbidden:
            return None
        if live and is_ours(live, memory, cluster.objects.manager):
            return None
    return unless_agreed(environment, namespace, cluster, run)


def survey(cluster: Cluster, memory: Memory, *, everything: bool = False) -> tuple[RestartVerdict, ...]:
    """Judge every workload of the namespace that uses objects written by bridge."""
    workloads = _workloads(cluster)
    found = workloads.consumers(lambda all_: consumers(all_, memory))
    return judge(found, workloads.rolled_out(found), memory, everything=cluster.now() if everything else "")


def survey_and_roll(cluster: Cluster, restart: Restart) -> None:
    """Survey and roll after a sync. A survey that fails is a problem like any other, because objects may be written."""
    try:
        restart.verdicts = survey(cluster, known(cluster))
    except ANYTHING as error:
        restart.fail(error)
    else:
        roll(cluster, restart)


def restart_after_sync(environment: Environment, run: Run, restart: Restart, seconds: float, cluster: Cluster) -> None:
    """Survey and roll after a sync, and follow the rollouts for at most this many seconds."""
    survey_and_roll(cluster, restart)
    follow(environment, run, restart, cluster.objects.namespace, seconds)


def roll(cluster: Cluster, restart: Restart) -> None:
    """Mark each outdated workload, after a dry run of all of them; add obstacles to the problems."""
    workloads = _workloads(cluster)
    restart.states = {str(one.workload): one.workload for one in restart.verdicts}
    chosen = [one for one in restart.verdicts if one.step is RestartStep.ROLL]
    try:
        _try_dry(workloads, chosen)
        for one in chosen:
            _mark(workloads, one, restart)
    except ANYTHING as error:
        restart.fail(error)
    for one in restart.verdicts:
        restart.add(*_in_the_way(workloads, one))


def _try_dry(workloads: Workloads, chosen: Sequence[RestartVerdict]) -> None:
    errors: list[BridgeError] = []
    for one in chosen:
        try:
            workloads.mark(one.workload, one.mark, dry_run=True)
        except BridgeError as error:
            errors.append(error)
    if errors:
        raise combine(errors)


def _mark(workloads: Workloads, verdict: RestartVerdict, restart: Restart) -> None:
    name = str(verdict.workload)
    restart.begun.add(name)
    try:
        now = workloads.mark(verdict.workload, verdict.mark, dry_run=False)
    except BridgeError as error:
        if not isinstance(error, LostAnswer):
            restart.begun.discard(name)
        raise
    restart.begun.discard(name)
    if now:  # otherwise someone has deleted it in the meantime, and it has no pods
        restart.rolled.append(name)
        restart.states[name] = now


def _in_the_way(workloads: Workloads, verdict: RestartVerdict) -> Sequence[Problem]:
    """Return why a workload that was not rolled in this run keeps pods with older keys."""
    one = verdict.workload
    if verdict.step is RestartStep.HOLD:
        hint = f"`kubectl -n {workloads.namespace} rollout resume {one.kind.lower()}/{one.name}`, then run again"
        return [Problem(workloads.target(one), "is outdated, but paused: its pods keep older keys", hint)]
    if verdict.step is RestartStep.NONE and one.rollout.failed:
        return [_failing(workloads, one)]
    return []


def _failing(workloads: Workloads, one: Workload) -> Problem:
    what = f"its rollout is stuck ({one.rollout}); old pods keep older keys"
    return Problem(
        workloads.target(one), what, f"`kubectl -n {workloads.namespace} describe {one.kind.lower()} {one.name}`"
    )


def follow(environment: Environment, run: Run, restart: Restart, namespace: str, seconds: float) -> None:
    """Report the progress of the rollouts until all have finished, for at most this many seconds."""
    pending = [one for name, one in restart.states.items() if _moves(one, restart.rolled, name)]
    if not pending or not seconds:
        return
    end = time.monotonic() + seconds
    try:
        with open_cluster(environment, namespace, run._replace(deadline=end)) as cluster:
            pending = _follow(_workloads(cluster), pending, restart, end, run.record)
    except ANYTHING as error:
        restart.fail(error)
        return
    for one in pending:
        what = f"its rollout did not finish in {seconds:g} s: {restart.states[str(one)].rollout}"
        hint = f"`kubectl -n {namespace} rollout status {one.kind.lower()}/{one.name}`"
        restart.add(Problem(f"{one} in namespace {namespace}", what, hint))


def _follow(
    workloads: Workloads, pending: list[Workload], restart: Restart, end: float, record: Record
) -> list[Workload]:
    """Return the workloads that did not finish in time."""
    with ProgressStep("waiting for rollouts: {} of {} finished", len(pending)) as step:
        while pending and time.monotonic() < end:
            still = [one for one in pending if _goes_on(workloads, one, restart, record)]
            step.add(len(pending) - len(still))
            pending = still
            if pending:
                time.sleep(max(0, min(POLL, end - time.monotonic())))
    return pending


def _moves(one: Workload, rolled: Sequence[str], name: str) -> bool:
    """Return whether there is something to follow: pods that this run, or an earlier one, replaces."""
    is_still = one.paused or one.by_hand or one.rollout.failed or not one.rollout.wanted
    return not is_still and (name in rolled or not one.rollout.finished)


def _goes_on(workloads: Workloads, one: Workload, restart: Restart, record: Record) -> bool:
    """Read a workload, report what is new, and return whether to read it again."""
    before, now = restart.states[str(one)], None
    with suppress(Unavailable):  # the next read may succeed
        now = workloads.get(one)
        if now is None:
            tell(record, f"{one}: was deleted")
            return False
    if now is None:
        return True
    restart.states[str(one)] = now
    if now.rollout != before.rollout:
        tell(record, f"{one}: {now.rollout}{', finished' if now.rollout.finished else ''}")
    if now.rollout.failed:
        restart.add(_failing(workloads, now))
    return not now.rollout.failed and not now.rollout.finished


def _workloads(cluster: Cluster) -> Workloads:
    return Workloads(cluster.api, cluster.objects.namespace, cluster.objects.manager)


def _notes(one: Workload, rolled: bool) -> Sequence[Problem]:
    if one.by_hand and (rolled or one.rollout.old):
        what = "its strategy is OnDelete: each pod keeps its keys until someone deletes it"
        return [Problem(str(one), what)]
    if rolled and one.kind != "DaemonSet" and not one.rollout.wanted:
        return [Problem(str(one), "has no pods (replicas: 0): there was nothing to restart")]
    if one.rollout.spared and (rolled or one.rollout.old):
        return [Problem(str(one), f"its partition excludes {one.rollout.spared} pods: they keep older keys")]
    return []
