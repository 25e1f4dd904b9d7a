"""Syncs one environment: read, try, take the Lease, read again, write, tell.

What is written: in the run's turn, the memory before the first object and after the last.

The newest values win, and no clock decides which they are. Two rules see to it:

- **No value is older than what it replaces.** A run reads the memory (a ConfigMap) before it reads the sources, and
  again once it holds the Lease. Each run that is going to write objects first writes the memory, under a name of its
  own. If the name is the same both times, no other run has begun to write since before the sources were read, so all
  that is in the cluster was read from the sources earlier than this. If it is another name, the Lease is given back,
  and everything is read again, planned again and tried again, under the same limits.
- **Nobody writes to what they have not read.** Every write names the uid and the resourceVersion that were read under
  the Lease, or that there was no object; the memory's first write in a run does so too. A run that was frozen, or
  waited for an answer, until another one took its turn gets a conflict, however late its write arrives.

The Lease only keeps runs apart, so that such conflicts are rare. It is not what is compared: a run with nothing to
write would have to read it as well, which costs a request, while the memory is needed anyway and is only read earlier.
For the same reason a run with nothing to write leaves no mark: if a value changes and changes back, a run that read it
in between may still write it after another has found everything as it should be, and the next run repairs that.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.cluster.changes import carry_out
from bridge.cluster.identity import readable_uid
from bridge.cluster.waves import Wave, on_each
from bridge.config.environment import Environment
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal, Stopped, Unavailable, combine, ending
from bridge.objects import Live, ObjectId
from bridge.plan.admission import after_write, dropped, may_be_altered
from bridge.plan.build import remember
from bridge.plan.model import Change, ClusterName, Plan, is_first, place
from bridge.provider import Revision
from bridge.run.inputs import Agreed, Run, StateSeen, Wanted
from bridge.run.plan import compare, read_environment, read_environment_again, tried_dry, try_changes
from bridge.run.view import RELEASE, Cluster, Dial, dial

if TYPE_CHECKING:
    from bridge.cluster.events import Events
    from bridge.cluster.lease import Lease
    from bridge.plan.events import Note

TURNS: Final = 3
"""How often a run tries to write, if another one writes each time while it reads the sources."""


class Spot(NamedTuple):
    """Where an environment would be written for the first time; `uid` is the namespace's, if it may be read."""

    environment: str
    namespace: str
    cluster: ClusterName
    uid: str | None


class FirstWrite(Refusal):
    """Nothing binds an environment to a cluster, nor shows that it was written to it before; a person may allow it.

    `uid` is that of the namespace, None if it may not be read; `plan` is what would be written, None for a restart.
    """

    def __init__(self, problem: Problem, spot: Spot, plan: Plan | None) -> None:
        super().__init__(problem)
        self.environment, self.namespace, self.cluster, self.uid = spot
        self.plan: Final = plan

    @property
    def agreed(self) -> Agreed:
        """Return what a run is allowed once a person has said that this is the right cluster."""
        return frozenset({(self.cluster.server, self.namespace, self.uid)})


class Outcome:
    """What became of a sync, right at any moment: `begun` holds what is being written, or may be.

    `plan` is the latest one, None until there is one. `uids` are those of the objects that are there now because they
    were written, `answered` the changes as the API server's answer to each write shows them. `lease` may be held,
    `events` may have been looked at.
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
        """Say whether anything is written, or may be."""
        return bool(self.written or self.begun)

    @property
    def is_in_order(self) -> bool:
        """Return whether nothing went wrong, and no key is missing because the cluster drops it."""
        return self.plan is not None and not (self.plan.refusals or self.error or dropped(self.plan))

    def fail(self, error: BaseException) -> None:
        """Enter what ends the run: a Stopped if anything is written, or may be."""
        found = ending(error, touched=self.touched)
        self.error = combine([self.error, found]) if self.error else found

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Enter what goes wrong in a block; raises FirstWrite, which a person may allow."""
        try:
            yield
        except FirstWrite:
            raise
        except ANYTHING as error:
            self.fail(error)

    def seen(self, plan: Plan) -> Plan:
        """Return a plan with each change as the API server has answered it: a dry run may have promised more."""
        return plan._replace(changes=tuple(self.answered.get(change.id, change) for change in plan.changes))


def sync_environment(
    environment: Environment,
    run: Run,
    outcome: Outcome,
    *,
    line_to: Dial = dial,
    then: Callable[[Cluster], None] | None = None,
) -> None:
    """Make an environment's objects equal to its sources: read, try, take the Lease, read again, write, tell.

    All that becomes of it is in `outcome`. Raises what goes wrong before there is a plan, and FirstWrite before
    anything is sent. If all is in order in the end, `then` is called.
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
                cluster.lease.release()
        with outcome.failing():
            if then and outcome.is_in_order:
                then(cluster)


def _release_and_tell(plan: Plan, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Give the Lease back, and write Events: at once if the cluster is far away, else in this order."""
    wave = Wave(cluster.api, max(run.deadline, time.monotonic()) + 2 * RELEASE)
    wave.add(cluster.lease.release)
    told = None if run.is_ending() else tell_events(plan, cluster, outcome, wave)  # an Event gives nothing back
    wave.send()
    if told:
        outcome.plan = plan._replace(warnings=(*plan.warnings, *told()))


def _takes_lease(wanted: Wanted, run: Run, cluster: Cluster, plan: Plan) -> bool:
    """Return whether a plan will be carried out unless a dry run is refused, so that the Lease may be taken with them.

    Nobody has to be asked, and something is written even if dry runs show that some changes have no effect.
    """
    if _may_ask(plan, run) or not _are_no_older(wanted):
        return False
    if plan.sources != plan.memory.sources or not plan.pending:
        return _has_work(plan, cluster)
    return any(change.writes and not may_be_altered(change, plan.memory) for change in plan.changes)


def _write_in_turn(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Carry out a plan, in this run's turn: wait for the Lease, read the cluster again, and write.

    If another run has begun to write since before the sources were read, they are read and planned anew. A plan with
    refusals is not carried out, and without anything to write no Lease is taken. Raises Unavailable if another run
    keeps the Lease, or if the cluster was changed meanwhile so that the plan would be refused now.
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
    """Return what speaks against carrying out a plan if it is a first write that nobody has allowed."""
    if not _may_ask(plan, run):
        return None
    return unless_agreed(environment, plan.namespace, cluster, run, plan)


def _may_ask(plan: Plan, run: Run) -> bool:
    return not (run.first or plan.cluster.binding) and is_first(plan)


def unless_agreed(
    environment: Environment, namespace: str, cluster: Cluster, run: Run, plan: Plan | None = None
) -> FirstWrite | None:
    """Return what speaks against a first write into a namespace, unless a person has agreed to it."""
    name, server = environment.name, cluster.name.server
    uid = readable_uid(cluster.api, namespace)
    # Found anew since the answer: the kubeconfig may lead elsewhere now.
    if not run.agreed.isdisjoint({(server, namespace, uid), (server, namespace, None)}):
        return None
    file = environment.shown(environment.file)
    setting = f"namespace_uid: {uid}" if uid else f"server: {server}"
    what = f"nothing shows that {name} was written to it before"
    hint = f"if this is the right cluster, add `{setting}` under `cluster:` in {file}, or pass --first"
    problem = Problem(place(namespace, cluster.name), what, hint)
    return FirstWrite(problem, Spot(name, namespace, cluster.name, uid), plan)


def first_write_of(plan: Plan, environment: Environment, cluster: Cluster, run: Run) -> FirstWrite | None:
    """Return what speaks against a sync, as `first_write` does; None too if a sync would not write at all."""
    if plan.refusals or not _has_work(plan, cluster):
        return None
    return first_write(plan, environment, cluster, run)


def _take_turn(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run, outcome: Outcome) -> bool:
    """Return True once the plan is carried out, or needs nothing; False if its sources may be too old for that."""
    before = wanted.seen
    assert before is not None
    if plan.refusals:  # right or not, depending on whether they compare what belongs together
        return cluster.look_marked().mark == before.mark
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
    """Return whether no source that was read for another environment may be older than what was written from it."""
    assert wanted.seen is not None
    return all(_is_no_older(wanted.resolution.sources[name], wanted.seen, name) for name in wanted.shared)


def _is_no_older(now: Revision, before: StateSeen, name: str) -> bool:
    """Return True if a source, read before the memory, is known to be as new as what was written from it last."""
    if before.memory is None:
        return True
    written = before.memory.sources.get(name)
    if written is None:
        return before.memory.lost is None
    if None in (now.order, written.order) or now.series != written.series:
        return False
    return now == written or (now.order or 0) > (written.order or 0)


def tell_events(plan: Plan, cluster: Cluster, outcome: Outcome, wave: Wave) -> Callable[[], tuple[Problem, ...]]:
    """Add Events on what was changed or refused to a wave, and return what gives the warnings after it.

    If nothing was changed or refused, nothing is asked of the cluster.
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
    """Read the cluster once more, now that no other run writes; try dry again only what is not as it was.

    Returns None if another run has begun to write since the sources were read.
    """
    seen = cluster.look_marked([change.id for change in plan.changes], held=True)
    if wanted.seen is None or seen.mark != wanted.seen.mark:
        return None
    fresh = compare(wanted, cluster, run, seen)
    if fresh.memory == plan.memory and _versions(fresh) == _versions(plan):
        return plan
    fresh = fresh if fresh.refusals else tried_dry(fresh, cluster.objects, run)
    if fresh.refusals:
        changed = Problem("the cluster", "was changed while this run waited for it", "run again")
        raise Unavailable(changed, *fresh.refusals)
    return fresh


def _versions(plan: Plan) -> Mapping[ObjectId, str | None]:
    return {change.id: change.live.resource_version if change.live else None for change in plan.changes}


def write_changes(plan: Plan, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Carry out a plan and record in `outcome` what was written; a failed write stops the rest.

    The memory is written before the first object as old and new together, after the last as new, so
    that a run which dies in between is repaired by the next one.
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
    """Write each change while the Lease is ours; raises what the first failed write was stopped by."""
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
        except ANYTHING as error:  # it stays among what is begun: nobody knows how far the write came
            failures.append(ending(error, touched=id_ in outcome.begun))
            return
        outcome.written.append(id_)
        outcome.begun.discard(id_)
        if live:
            written[id_], outcome.uids[id_] = live, live.uid
            outcome.answered[id_] = after_write(pending[id_], live)

    answers = on_each(write, list(pending), cluster.api, run.deadline)
    failures += dict.fromkeys(one for one in answers.values() if isinstance(one, BridgeError))
    if failures:
        raise combine(failures)
    return written
