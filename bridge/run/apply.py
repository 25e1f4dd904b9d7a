"""Syncs one environment: read, try, take the Lease, read again, write, report.

A run writes the state ConfigMap before the first object and again after the last.

The newest values win, and no clock decides which values are the newest. Two rules guarantee it:

- **No value is older than the value that it replaces.** A run reads the state before it reads the sources, and again
  when it holds the Lease. Each run that will write objects first writes the state with an ID of its own. If the ID is
  the same both times, no other run has started to write since before the sources were read, so everything in the
  cluster was read from the sources earlier than this run's values. If the ID differs, the run releases the Lease and
  reads, plans and tries everything again, within the same limits.
- **A run only writes to objects that it has read.** Every write names the uid and the resourceVersion that were read
  under the Lease, or says that the object did not exist. The first write of the state does the same. If a run freezes,
  or waits for an answer, until another run has taken its turn, its write gets a conflict, however late it arrives.

The Lease only keeps runs apart, so that such conflicts are rare. The rules do not compare the Lease, because a run
without changes would then need a request for it, while every run needs the state and only has to read it earlier. For
the same reason a run without changes leaves no mark: if a value changes and changes back, a run that read the value in
between may still write it after another run found everything up to date. The next run repairs that.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.cluster.changes import carry_out
from bridge.cluster.identity import readable_uid
from bridge.cluster.waves import Wave, on_each
from bridge.config.environment import Environment
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal, Stopped, Unavailable, combine, ending
from bridge.named_tuple import NamedTuple
from bridge.objects import Live, ObjectId
from bridge.plan.admission import after_write, dropped, may_be_altered
from bridge.plan.build import remember
from bridge.plan.model import Change, ClusterName, Plan, is_first, place
from bridge.provider import Revision
from bridge.run.inputs import Agreed, Run, StateSeen, Wanted
from bridge.run.line import RELEASE, Dial, dial
from bridge.run.plan import (
    compare,
    read_environment,
    read_environment_again,
    read_live,
    reviewed,
    sound_memory,
    tried_dry,
    try_changes,
)
from bridge.run.view import Cluster

if TYPE_CHECKING:
    from bridge.cluster.events import Events
    from bridge.cluster.lease import Lease
    from bridge.plan.events import Note

TURNS: Final = 3
"""How often a run tries to write if other runs keep writing while it reads the sources."""


class Spot(NamedTuple):
    """The place of an environment's first write; `uid` is the namespace's uid, or None if it cannot be read."""

    environment: str
    namespace: str
    cluster: ClusterName
    uid: str | None


class FirstWrite(Refusal):
    """The first write of an environment into a cluster that it is not bound to; a person may allow it.

    `uid` is the namespace's uid, or None if it cannot be read. `plan` is the plan to carry out, or None for a restart.
    """

    def __init__(self, problem: Problem, spot: Spot, plan: Plan | None) -> None:
        super().__init__(problem)
        self.environment, self.namespace, self.cluster, self.uid = spot
        self.plan: Final = plan

    @property
    def agreed(self) -> Agreed:
        """What a run is allowed to do once a person has confirmed the cluster."""
        return frozenset({(self.cluster.server, self.namespace, self.uid)})


class Outcome:
    """The outcome of a sync, accurate at any moment.

    - `plan`: the latest plan, or None before the first one.
    - `written`: the objects that were written; `begun`: the objects that are being written, or may have been written.
    - `uids`: the uids of the written objects that now exist.
    - `answered`: the changes as the API server's answers to the writes show them.
    - `lease`: the Lease, which the run may hold; `events`: the Events, which the run may have read.
    """

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan
        self.written: list[ObjectId] = []
        self.uids: dict[ObjectId, str] = {}
        self.begun: set[ObjectId] = set()
        self.answered: dict[ObjectId, Change] = {}
        self.lease: Lease | None = None
        self.events: Events | None = None
        self.error: BridgeError | None = None

    @property
    def touched(self) -> bool:
        """Whether anything was written, or may have been written."""
        return bool(self.written or self.begun)

    @property
    def is_in_order(self) -> bool:
        """True if nothing went wrong and the cluster dropped no key."""
        return self.plan is not None and not (self.plan.refusals or self.error or dropped(self.plan))

    def fail(self, error: BaseException) -> None:
        """Record the error that ends the run; it becomes a Stopped if anything was, or may have been, written."""
        found = ending(error, touched=self.touched)
        self.error = combine([self.error, found]) if self.error else found

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Record the errors of a block; raise FirstWrite, because a person may allow it."""
        try:
            yield
        except FirstWrite:
            raise
        except ANYTHING as error:
            self.fail(error)

    def seen(self, plan: Plan) -> Plan:
        """Return a plan with the changes as the API server answered them, which may be less than a dry run promised."""
        return plan._replace(changes=tuple(self.answered.get(change.id, change) for change in plan.changes))


def sync_environment(
    environment: Environment,
    run: Run,
    outcome: Outcome,
    *,
    line_to: Dial = dial,
    then: Callable[[Cluster], None] | None = None,
) -> None:
    """Make an environment's objects equal to its sources: read, try, take the Lease, read again, write, report.

    `outcome` receives the result. Raise the errors that occur before there is a plan, and raise FirstWrite before
    anything is sent. Call `then` at the end if nothing went wrong.
    """
    run.record.written, run.record.begun = outcome.written, outcome.begun
    with read_environment(environment, run, line_to, writes=True) as (wanted, cluster):
        outcome.lease = cluster.lease
        try:
            outcome.plan = run.record.plan = try_changes(
                wanted, cluster, run, partial(_takes_lease, wanted, run, cluster)
            )
            with outcome.failing():
                _write_in_turn(outcome.plan, wanted, cluster, run, outcome)
            outcome.plan = run.record.plan = outcome.seen(outcome.plan)
            with outcome.failing():
                _release_and_tell(outcome.plan, cluster, run, outcome)
        finally:
            with outcome.failing():
                cluster.lease.end()
        with outcome.failing():
            if then and outcome.is_in_order:
                then(cluster)


def _release_and_tell(plan: Plan, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Release the Lease and write the Events: in parallel if the cluster is far away or there are many Events.

    Otherwise, they are sent in this order.
    """
    wave = Wave(cluster.api, max(run.deadline, time.monotonic()) + 2 * RELEASE)
    wave.add(cluster.lease.release)
    told = None if run.is_ending() else tell_events(plan, cluster, outcome, wave)  # an Event is not worth a delay
    wave.send()
    if told:
        outcome.plan = plan._replace(warnings=(*plan.warnings, *told()))


def _takes_lease(wanted: Wanted, run: Run, cluster: Cluster, plan: Plan) -> bool:
    """Return whether to take the Lease together with the dry runs: the plan will be carried out if they all pass.

    That is, no person has to be asked, and there is something to write even if dry runs show that some changes have no
    effect.
    """
    if _may_ask(plan, run) or not _are_no_older(wanted):
        return False
    if plan.sources != plan.memory.sources or not plan.pending:
        return _has_work(plan, cluster)
    return any(change.writes and not may_be_altered(change, plan.memory) for change in plan.changes)


def _write_in_turn(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Carry out a plan: wait for the Lease, read the cluster again, and write.

    If another run has started to write since the sources were read, read and plan again. A plan with refusals is not
    carried out, and a plan without changes takes no Lease. Raise Unavailable if another run keeps the Lease, or if the
    cluster has changed in the meantime so that the plan would now be refused.
    """
    for _ in range(TURNS):
        if _take_turn(plan, wanted, cluster, run, outcome):
            return
        wanted = read_environment_again(wanted, cluster, run)
        takes_lease = partial(_takes_lease, wanted, run, cluster)
        plan = outcome.plan = run.record.plan = try_changes(wanted, cluster, run, takes_lease)
    what = f"other runs wrote {TURNS} times while this one read the sources"
    raise Unavailable(Problem("the cluster", what, "run again"))


def first_write(plan: Plan, environment: Environment, cluster: Cluster, run: Run) -> FirstWrite | None:
    """Return the error for a plan that is a first write and not allowed yet, or None."""
    if not _may_ask(plan, run):
        return None
    return unless_agreed(environment, plan.namespace, cluster, run, plan)


def _may_ask(plan: Plan, run: Run) -> bool:
    return not (run.first or plan.cluster.binding) and is_first(plan)


def unless_agreed(
    environment: Environment, namespace: str, cluster: Cluster, run: Run, plan: Plan | None = None
) -> FirstWrite | None:
    """Return the error for a first write into a namespace, or None if a person has agreed to it."""
    name, server = environment.name, cluster.name.server
    uid = readable_uid(cluster.api, namespace)
    # Compare again: since the answer, the kubeconfig may have changed.
    if not run.agreed.isdisjoint({(server, namespace, uid), (server, namespace, None)}):
        return None
    file = environment.shown(environment.file)
    setting = f"namespace_uid: {uid}" if uid else f"server: {server}"
    what = f"nothing shows that {name} was written to it before"
    hint = f"if this is the right cluster, add `{setting}` under `cluster:` in {file}, or pass --first"
    problem = Problem(place(namespace, cluster.name), what, hint)
    return FirstWrite(problem, Spot(name, namespace, cluster.name, uid), plan)


def first_write_of(plan: Plan, environment: Environment, cluster: Cluster, run: Run) -> FirstWrite | None:
    """Return the error as `first_write` does, or None if the sync would not write at all."""
    if plan.refusals or not _has_work(plan, cluster):
        return None
    return first_write(plan, environment, cluster, run)


def _take_turn(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run, outcome: Outcome) -> bool:
    """Return whether the plan was carried out or has no changes; False if its sources may be too old."""
    before = wanted.seen
    assert before is not None
    if plan.refusals:  # they are valid only if the state has not changed since the sources were read
        return _are_no_older(wanted) and cluster.look_marked().mark == before.mark
    if not _has_work(plan, cluster):
        return True
    if first := first_write(plan, wanted.environment, cluster, run):
        raise first
    if not _are_no_older(wanted):
        return False
    cluster.lease.acquire(run.lock_wait)
    fresh = _read_again(plan, wanted, cluster, run)
    if fresh is None:
        cluster.lease.release()
        return False
    outcome.plan = run.record.plan = fresh
    write_changes(fresh, cluster, run, outcome)
    return True


def _are_no_older(wanted: Wanted) -> bool:
    """Return whether every source that was read for another environment is as new as the values written from it."""
    assert wanted.seen is not None
    return all(_is_no_older(wanted.resolution.sources[name], wanted.seen, name) for name in wanted.shared)


def _is_no_older(now: Revision, before: StateSeen, name: str) -> bool:
    """Return whether a source that was read before the state is as new as the values last written from it."""
    if before.memory is None:
        return True
    written = before.memory.sources.get(name)
    if written is None:
        return before.memory.lost is None
    if None in (now.order, written.order) or now.series != written.series:
        return False
    return now == written or (now.order or 0) > (written.order or 0)


def tell_events(plan: Plan, cluster: Cluster, outcome: Outcome, wave: Wave) -> Callable[[], tuple[Problem, ...]]:
    """Add the Events about changes and refusals to a wave; return a function that returns the warnings afterwards.

    Without changes and refusals, no request is added.
    """
    found = _notes(plan, cluster, outcome)
    return _events(cluster, outcome).write(wave, found, cluster.now()) if found else tuple


def _events(cluster: Cluster, outcome: Outcome) -> "Events":
    from bridge.cluster.events import Events  # noqa: PLC0415 - start-up: most runs have nothing to tell

    if outcome.events is None:
        id_ = cluster.objects.manager.removeprefix("bridge/")
        outcome.events = Events(cluster.api, cluster.objects.namespace, id_)
    return outcome.events


def _notes(plan: Plan, cluster: Cluster, outcome: Outcome) -> "list[Note]":
    if not plan.refusals and not outcome.error and not outcome.written:
        return []
    from bridge.plan.events import notes  # noqa: PLC0415 - start-up: most runs have nothing to tell

    gone = {change.id: change.live.uid for change in plan.changes if change.live}
    written = {id_: outcome.uids.get(id_, gone.get(id_, "")) for id_ in outcome.written}
    failures = outcome.error.problems if outcome.error else ()
    id_ = cluster.objects.manager.removeprefix("bridge/")
    return list(notes(plan, written, failures, ObjectId("ConfigMap", f"bridge-{id_}")))


def _has_work(plan: Plan, cluster: Cluster) -> bool:
    return plan.pending or cluster.store.differs(remember(plan, {}, ""))


def _read_again(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run) -> Plan | None:
    """Read the cluster again, now that no other run writes, and repeat the dry runs if anything changed.

    Return None if another run has started to write since the sources were read.
    """
    seen = cluster.look_marked([change.id for change in plan.changes], held=True)
    if wanted.seen is None or seen.mark != wanted.seen.mark:
        return None
    live = read_live(wanted, cluster, run, seen)
    is_same = sound_memory(seen.memory, live, cluster) == plan.memory
    if is_same and _versions(live) == _versions({one.id: one.live for one in plan.changes}):
        if run.review and (late := run.review.over(cluster.api)):  # waiting for the Lease may take an hour
            raise Refusal(*late)
        return plan
    fresh = compare(wanted, cluster, run, seen._replace(live=live))
    if not fresh.refusals:
        fresh = reviewed(tried_dry(fresh, cluster.objects, run), wanted, cluster, run)
    if fresh.refusals and run.review:  # running again would not help
        raise Refusal(*fresh.refusals)
    if fresh.refusals:
        changed = Problem("the cluster", "was changed while this run waited for it", "run again")
        raise Unavailable(changed, *fresh.refusals)
    return fresh


def _versions(live: Mapping[ObjectId, Live | None]) -> Mapping[ObjectId, str | None]:
    return {id_: one.resource_version if one else None for id_, one in live.items()}


def write_changes(plan: Plan, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Carry out a plan and record in `outcome` what was written; a failed write stops the remaining writes.

    Before the first object the state is written as the union of old and new, and after the last object as new, so that
    the next run can repair a run that dies in between.
    """
    pending = {change.id: change for change in plan.changes if change.writes}
    try:
        if pending:
            cluster.store.begin(plan.memory.union(remember(plan, {}, cluster.now())))
        written = _write_all(cluster, pending, run, outcome)
        done = outcome.seen(plan)
        wave = cluster.wave()
        remembered = wave.add(partial(cluster.store.write, remember(done, written, cluster.now())))
        if wave.is_wide and not run.is_ending() and (found := _notes(done, cluster, outcome)):
            _events(cluster, outcome).look(wave, found)
        wave.send()
        remembered.get()
    except ANYTHING as error:
        outcome.fail(error)


def _write_all(
    cluster: Cluster, pending: Mapping[ObjectId, Change], run: Run, outcome: Outcome
) -> Mapping[ObjectId, Live]:
    """Write the changes while this run holds the Lease; raise the errors of the failed writes."""
    written: dict[ObjectId, Live] = {}
    failures: list[BridgeError] = []

    def write(id_: ObjectId) -> None:
        if failures:
            return
        try:
            outcome.begun.add(id_)
            live = carry_out(cluster.objects, pending[id_])
        except BridgeError as error:
            failures.append(error)
            if not isinstance(error, Stopped):
                outcome.begun.discard(id_)
            return
        except ANYTHING as error:  # the object stays in `begun`, because the write may have succeeded
            failures.append(ending(error, touched=id_ in outcome.begun))
            return
        outcome.written.append(id_)
        outcome.begun.discard(id_)
        if live:
            written[id_], outcome.uids[id_] = live, live.uid
            outcome.answered[id_] = after_write(pending[id_], live)

    answers = on_each(write, list(pending), cluster.api, run.deadline, "writing {} of {} objects")
    failures += dict.fromkeys(one for one in answers.values() if isinstance(one, BridgeError))
    if failures:
        raise combine(failures)
    return written
