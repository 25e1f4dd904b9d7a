"""The phases of every run that write nothing: read (files, sources, cluster), plan, and try the changes dry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from bridge.cluster.api import Forbidden
from bridge.cluster.changes import Changed, try_dry
from bridge.cluster.identity import check_exists
from bridge.cluster.objects import Objects
from bridge.config.environment import Environment
from bridge.errors import BridgeError, Problem, Unavailable, combine
from bridge.objects import Live, ObjectId
from bridge.parallel import each
from bridge.plan.admission import after_dry_run, may_be_altered, untried
from bridge.plan.baseline import Now
from bridge.plan.build import PlanTarget, build
from bridge.plan.model import Plan
from bridge.plan.state import Memory, rebuilt
from bridge.run.inputs import Files, Run, StateSeen, Wanted, gather, sound_files
from bridge.run.view import Cluster, Dial, dial, open_cluster

MANY: Final = 16  # from here on threads are worth their connections
THREADS: Final = 8
AGAIN: Final = 3  # times: whoever writes meanwhile is soon done
LATE: Final = Unavailable(Problem("the cluster", "no answer in time", "try again, or allow more with --timeout"))

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def read_environment(
    environment: Environment, run: Run, line_to: Dial = dial, *, writes: bool = False, fresh: bool = False
) -> Iterator[tuple[Wanted, Cluster]]:
    """Read the files and the sources, and open the cluster: the first phase of each run that needs both.

    The state is read before the sources if the run `writes`: that costs no request, because it is needed anyway, and
    tells later whether the sources are new enough. So it is if a provider wants to know what was written from before,
    unless each source is to be read as a `fresh` one, that no run has read.
    """
    files = sound_files(environment, run)
    if writes or (files.wants_known and not fresh):
        assert files.namespace is not None
        with open_cluster(environment, files.namespace, run, line_to) as cluster:
            yield read_sources(environment, files, cluster, run, marked=writes), cluster
        return
    wanted = gather(environment, files, run)
    with open_cluster(environment, wanted.namespace, run, line_to) as cluster:
        yield wanted, cluster


def read_sources(environment: Environment, files: Files, cluster: Cluster, run: Run, *, marked: bool = False) -> Wanted:
    """Read the state, then the sources; `marked` if the run writes, so that it tells when another one has begun to."""
    seen = cluster.look() if marked else StateSeen("", cluster.store.read())
    known = frozenset(seen.memory.sources if seen.memory else ())
    return gather(environment, files, run, known)._replace(seen=seen)


def read_environment_again(wanted: Wanted, cluster: Cluster, run: Run) -> Wanted:
    """Read the files, the state and the sources once more, in this order; nothing of what was read before is used."""
    files = sound_files(wanted.environment, run)
    if files.namespace != wanted.namespace:
        raise Unavailable(Problem("the namespace", "is another one than when this run began", "run again"))
    anew = run._replace(sharing=run.sharing.anew() if run.sharing else None)
    return read_sources(wanted.environment, files, cluster, anew, marked=True)


def try_changes(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Compare, and try every change dry. Writes nothing. What somebody changes meanwhile is read again."""
    seen = wanted.seen
    for _ in range(AGAIN):
        try:
            return _tried(wanted, cluster, run, seen)
        except Changed:
            seen = None
    return _tried(wanted, cluster, run)


def _tried(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen | None = None) -> Plan:
    plan = compare(wanted, cluster, run, seen)
    return plan if plan.refusals else tried_dry(plan, cluster.objects, run)


def compare(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen | None = None) -> Plan:
    """Read the live objects, and the memory unless it was `seen`, and plan; nothing else is asked of the cluster.

    What speaks against the plan stands in its `refusals`; an error is raised where the cluster cannot be read.
    """
    objects, desired = cluster.objects, wanted.resolution.desired
    memory = seen.memory if seen else cluster.store.read()
    live = _read_live(objects, [one.id for one in desired], memory, run)
    if memory is None or memory.lost:
        memory = _rebuild(memory, live, objects.manager, cluster.store.target)
    target = PlanTarget(wanted.environment.name, wanted.namespace, objects.manager, cluster.name)
    resolution = wanted.resolution
    allowed = run.allowed._replace(accepted=wanted.environment.accept_older)
    plan = build(target, Now(desired, resolution.manifests, live), resolution.sources, memory, allowed)
    warnings = (*cluster.warnings, *resolution.warnings, *plan.warnings)
    return plan._replace(warnings=warnings, stores=wanted.stores)


def inspect(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Compare as `compare` does; Refusal if the namespace does not exist, which no object that is missing can tell."""
    plan = compare(wanted, cluster, run, wanted.seen)
    found = cluster.store.resource_version or any(change.live for change in plan.changes)
    if not found and plan.cluster.binding != "namespace_uid":
        check_exists(cluster.api, plan.namespace)
    return plan


def _read_live(
    objects: Objects, ids: Sequence[ObjectId], memory: Memory | None, run: Run
) -> Mapping[ObjectId, Live | None]:
    """Read every object that the plan needs; raises one error for all that cannot be read.

    One that left the templates may have left our rights too: without --prune it is then left out.
    """
    left = [id_ for id_ in (memory.objects if memory else ()) if id_ not in set(ids)]
    answers: dict[ObjectId, Live | BridgeError | None] = {**objects.listed(ids)}
    answers.update(on_each(objects.get, [id_ for id_ in (*ids, *left) if id_ not in answers], run))
    spared = set() if run.allowed.prune else {id_ for id_ in left if isinstance(answers[id_], Forbidden)}
    errors = [one for id_, one in answers.items() if isinstance(one, BridgeError) and id_ not in spared]
    if errors:
        raise combine(errors)
    return {id_: one for id_, one in answers.items() if not isinstance(one, BridgeError)}


def on_each(function: Callable[[Item], Result], items: Sequence[Item], run: Run) -> Mapping[Item, Result | BridgeError]:
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


def tried_dry(plan: Plan, objects: Objects, run: Run) -> Plan:
    """Try every change on the API server without writing it; what it refuses becomes the plan's refusals."""
    pending = {change.id: change for change in plan.changes if change.writes}
    answers = on_each(lambda id_: try_dry(objects, pending[id_]), list(pending), run)
    errors = [one for one in answers.values() if isinstance(one, BridgeError)]
    if errors:
        error = combine(errors)
        if isinstance(error, Unavailable):
            raise Changed(*error.problems) if any(isinstance(one, Changed) for one in errors) else error
        return plan._replace(refusals=error.problems)
    judged = {
        id_: after_dry_run(pending[id_], answer)
        for id_, answer in answers.items()
        if not isinstance(answer, BridgeError)
    }
    return plan._replace(changes=tuple(judged.get(change.id, change) for change in plan.changes))


def with_admission(plan: Plan, objects: Objects, run: Run) -> Plan:
    """Tell what an admission rule alters from what differs for another reason, for a plan that is only compared.

    Only objects that bridge has written, and that are not as it wrote them, are tried dry. For one that cannot be
    (that takes the right to patch it), only what the object itself shows is told.
    """
    differing = {change.id: change for change in plan.changes if may_be_altered(change, plan.memory)}
    answers = on_each(lambda id_: try_dry(objects, differing[id_]), list(differing), run)
    judged = {
        id_: untried(differing[id_], objects.manager)
        if isinstance(answer, BridgeError)
        else after_dry_run(differing[id_], answer)
        for id_, answer in answers.items()
    }
    return plan._replace(changes=tuple(judged.get(change.id, change) for change in plan.changes))
