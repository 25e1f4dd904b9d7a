"""The one path of every run: read the cluster, plan, try it dry, and only then write."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from typing import Final, NamedTuple, TypeAlias, TypeVar

from bridge.cluster.api import Api, Forbidden
from bridge.cluster.changes import carry_out, try_dry
from bridge.cluster.connect import connect
from bridge.cluster.endpoint import Endpoint
from bridge.cluster.lease import Lease
from bridge.cluster.memory import MemoryStore
from bridge.cluster.namespace import check_namespace
from bridge.cluster.objects import Objects
from bridge.config.environment import ClusterChoice, Environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Stopped, Unavailable, combine
from bridge.gather import NONE_GIVEN, Run, Wanted, gather
from bridge.objects import Live, ObjectId
from bridge.parallel import each
from bridge.plan.baseline import Now
from bridge.plan.build import Target, build, remember
from bridge.plan.clock import FORMAT
from bridge.plan.effect import after_dry_run
from bridge.plan.memory import Memory, rebuilt
from bridge.plan.model import Change, Plan
from bridge.provider import Document

MANY: Final = 16  # from here on threads are worth their connections
THREADS: Final = 8
RELEASE: Final = 3.0  # seconds
LATE: Final = Unavailable(Problem("the cluster", "no answer in time", "try again, or allow more with --timeout"))

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cluster(NamedTuple):
    """The cluster as one environment sees it: its namespace, under its field manager."""

    endpoint: Endpoint
    api: Api
    objects: Objects
    store: MemoryStore
    lease: Lease
    warnings: tuple[Problem, ...]

    def now(self) -> str:
        """Return the time (RFC 3339) by the API server's clock: no earlier than any write that it has answered."""
        return (self.api.server_time() or datetime.now(UTC)).strftime(FORMAT)


class Line(NamedTuple):
    """A way to an API server. `last` is for the Lease, which is given back also where the run's time is over."""

    endpoint: Endpoint
    api: Api
    last: Api


Dial: TypeAlias = Callable[[ClusterChoice, Run], AbstractContextManager[Line]]


@contextmanager
def dial(choice: ClusterChoice, run: Run) -> Iterator[Line]:
    """Find the cluster and our credentials, and close the connections in the end."""
    endpoint = connect(choice.kubeconfig, choice.context, run.environ, deadline=run.deadline)
    last = Api(endpoint, deadline=run.deadline + RELEASE)
    with closing(Api(endpoint, deadline=run.deadline)) as api, closing(last):
        yield Line(endpoint, api, last)


@contextmanager
def open_cluster(environment: Environment, namespace: str, run: Run, line_to: Dial = dial) -> Iterator[Cluster]:
    """Connect as the environment says; raises an error where it is another namespace than the one it means."""
    choice, id_ = environment.cluster, environment.id
    manager = f"bridge/{id_}"
    with line_to(choice, run) as line:
        if choice.namespace_uid:
            check_namespace(line.api, namespace, choice.namespace_uid)
        yield Cluster(
            line.endpoint,
            line.api,
            Objects(line.api, namespace, manager),
            MemoryStore(line.api, namespace, id_, manager),
            Lease(line.last, namespace, id_),
            tuple(Problem("the cluster", warning) for warning in line.endpoint.warnings),
        )


def collect(
    environment: Environment, run: Run, given: Mapping[Reference, Document] = NONE_GIVEN, *, line_to: Dial = dial
) -> Wanted:
    """Gather what the files and sources say; a provider may ask which of its documents were written from before.

    A document that is `given` is not read: the plan is then what a sync would do if the store had it.
    """

    @cache
    def remembered(namespace: str) -> frozenset[str]:
        try:
            with open_cluster(environment, namespace, run, line_to) as cluster:
                memory = cluster.store.read()
        except BridgeError:
            return frozenset()  # nothing is known then, and the run itself will meet the same error
        return frozenset(memory.sources if memory else ())

    return gather(environment, run, remembered, given)


def prepare(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Compare, and try every change dry. Writes nothing."""
    plan = compare(wanted, cluster, run)
    return plan if plan.refusals else _try_dry(plan, cluster.objects, run)


def compare(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Read the live objects and plan; nothing but reading is asked of the cluster.

    What speaks against the plan stands in its `refusals`; an error is raised where the cluster cannot be read.
    """
    objects, desired = cluster.objects, wanted.resolution.desired
    memory = cluster.store.read()
    live = _read_live(objects, [one.id for one in desired], memory, run)
    if memory is None or memory.lost:
        memory = _rebuild(memory, live, objects.manager, cluster.store.target)
    target = Target(wanted.environment.name, wanted.namespace, objects.manager)
    resolution = wanted.resolution
    allowed = run.allowed._replace(accepted=wanted.environment.accept_older)
    plan = build(target, Now(desired, resolution.manifests, live), resolution.sources, memory, allowed)
    return plan._replace(warnings=(*cluster.warnings, *resolution.warnings, *plan.warnings))


def _read_live(
    objects: Objects, ids: Sequence[ObjectId], memory: Memory | None, run: Run
) -> Mapping[ObjectId, Live | None]:
    """Read every object that the plan needs; raises one error for all that cannot be read.

    One that left the templates may have left our rights too: without --prune it is then left out.
    """
    left = [id_ for id_ in (memory.objects if memory else ()) if id_ not in set(ids)]
    answers: dict[ObjectId, Live | BridgeError | None] = {**objects.listed(ids)}
    answers.update(_on_each(objects.get, [id_ for id_ in (*ids, *left) if id_ not in answers], run))
    spared = set() if run.allowed.prune else {id_ for id_ in left if isinstance(answers[id_], Forbidden)}
    errors = [one for id_, one in answers.items() if isinstance(one, BridgeError) and id_ not in spared]
    if errors:
        raise combine(errors)
    return {id_: one for id_, one in answers.items() if not isinstance(one, BridgeError)}


def _on_each(
    function: Callable[[Item], Result], items: Sequence[Item], run: Run
) -> Mapping[Item, Result | BridgeError]:
    """Call the function on each item, on threads where there are many; an error stands in the result's place."""
    caught = partial(_caught, function)
    if len(items) < MANY:
        return {item: caught(item) for item in items}
    done = each(caught, items, threads=THREADS, deadline=run.deadline)
    return {item: done.get(item, LATE) for item in items}


def _caught(function: Callable[[Item], Result], item: Item) -> Result | BridgeError:
    try:
        return function(item)
    except BridgeError as error:
        return error


def _rebuild(damaged: Memory | None, live: Mapping[ObjectId, Live | None], manager: str, target: str) -> Memory:
    """Rebuild a lost memory. Where nothing is there that we wrote, this is simply the first run."""
    reason = damaged.lost if damaged and damaged.lost else f"{target} is gone"
    memory = rebuilt([one for one in live.values() if one], manager, reason)
    return memory if damaged or memory.objects else Memory()


def _try_dry(plan: Plan, objects: Objects, run: Run) -> Plan:
    """Try every change on the API server without writing it; what it refuses becomes the plan's refusals."""
    pending = {change.id: change for change in plan.changes if change.writes}
    answers = _on_each(lambda id_: try_dry(objects, pending[id_]), list(pending), run)
    errors = [one for one in answers.values() if isinstance(one, BridgeError)]
    if errors:
        error = combine(errors)
        if isinstance(error, Unavailable):
            raise error
        return plan._replace(refusals=error.problems)
    judged = {
        id_: after_dry_run(pending[id_], answer)
        for id_, answer in answers.items()
        if not isinstance(answer, BridgeError)
    }
    return plan._replace(
        changes=tuple(judged[change.id][0] if change.id in judged else change for change in plan.changes),
        warnings=(*plan.warnings, *(warning for _, warnings in judged.values() for warning in warnings)),
    )


@dataclass(eq=False)
class Outcome:
    """What became of a plan, right at any moment: `begun` holds what is being written, or may be.

    `uids` are those of the objects that are there now because they were written.
    """

    written: list[ObjectId] = field(default_factory=list)
    uids: dict[ObjectId, str] = field(default_factory=dict)
    begun: set[ObjectId] = field(default_factory=set)
    error: BridgeError | None = None


def settle(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run, outcome: Outcome) -> Plan:
    """Carry out a plan, alone: wait for the Lease, read the cluster again, and write. Returns the plan as it was then.

    Without anything to write no Lease is taken. The outcome's error is Unavailable where another run keeps the Lease,
    or changed the cluster meanwhile so that the plan would be refused now.
    """
    if not _has_work(plan, cluster):
        return plan
    try:
        with cluster.lease.held(run.lock_wait):
            plan = _again(plan, wanted, cluster, run)
            apply(plan, cluster, run, outcome)
    except BridgeError as error:
        outcome.error = error
    return plan


def note_on_objects(plan: Plan, cluster: Cluster, outcome: Outcome) -> tuple[Problem, ...]:
    """Write Events on what was changed or refused; returns warnings. With neither, nothing is asked of the cluster."""
    if not plan.refusals and not outcome.error and not outcome.written:
        return ()
    from bridge.cluster.events import Events  # noqa: PLC0415 - start-up: most runs have nothing to tell
    from bridge.plan.notes import notes  # noqa: PLC0415

    gone = {change.id: change.live.uid for change in plan.changes if change.live}
    written = {id_: outcome.uids.get(id_, gone.get(id_, "")) for id_ in outcome.written}
    failures = outcome.error.problems if outcome.error else ()
    id_ = cluster.objects.manager.removeprefix("bridge/")
    found = list(notes(plan, written, failures, ObjectId("ConfigMap", f"bridge-{id_}")))
    return Events(cluster.endpoint, cluster.objects.namespace, id_).write(found, cluster.now()) if found else ()


def _has_work(plan: Plan, cluster: Cluster) -> bool:
    return plan.pending or cluster.store.differs(remember(plan, {}, ""))


def _again(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Read the cluster once more, now that no other run writes; try dry again only what is not as it was."""
    fresh = compare(wanted, cluster, run)
    if fresh.memory == plan.memory and _versions(fresh) == _versions(plan):
        return plan
    fresh = fresh if fresh.refusals else _try_dry(fresh, cluster.objects, run)
    if fresh.refusals:
        changed = Problem("the cluster", "was changed while this run waited for it", "run again")
        raise Unavailable(changed, *fresh.refusals)
    return fresh


def _versions(plan: Plan) -> Mapping[ObjectId, str | None]:
    return {change.id: change.live.resource_version if change.live else None for change in plan.changes}


def apply(plan: Plan, cluster: Cluster, run: Run, outcome: Outcome) -> None:
    """Carry out a plan and record in `outcome` what was written; a failed write stops the rest.

    The memory is written before the first object as old and new together, after the last as new, so
    that a run which dies in between is repaired by the next one.
    """
    pending = {change.id: change for change in plan.changes if change.writes}
    try:
        if pending:
            cluster.store.write(plan.memory.union(remember(plan, {}, cluster.now())))
        written = _write_all(cluster, pending, run, outcome)
        cluster.lease.check()
        cluster.store.write(remember(plan, written, cluster.now()))
    except BridgeError as error:
        outcome.error = Stopped(*error.problems) if outcome.written or outcome.begun else error


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
            cluster.lease.check()
            outcome.begun.add(id_)
            live = carry_out(cluster.objects, pending[id_])
        except BridgeError as error:
            failures.append(error)
            if not isinstance(error, Stopped):
                outcome.begun.discard(id_)
            return
        outcome.written.append(id_)
        outcome.begun.discard(id_)
        if live:
            written[id_], outcome.uids[id_] = live, live.uid

    answers = _on_each(write, list(pending), run)
    failures += dict.fromkeys(one for one in answers.values() if isinstance(one, BridgeError))
    if failures:
        raise combine(failures)
    return written
