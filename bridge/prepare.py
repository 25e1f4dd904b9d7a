"""The half of every run that writes nothing: gather what is wanted, read the cluster, plan, try the changes dry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Final, TypeVar

from bridge.cluster.api import Forbidden
from bridge.cluster.changes import Changed, try_dry
from bridge.cluster.identity import check_exists
from bridge.cluster.objects import Objects
from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Unavailable, combine
from bridge.gather import NONE_GIVEN, Files, Run, Seen, Wanted, gather, gather_sources, sound_files
from bridge.objects import Live, ObjectId
from bridge.opening import Cluster, Dial, dial, open_cluster
from bridge.parallel import each
from bridge.plan.admission import after_dry_run, may_be_altered, untried
from bridge.plan.baseline import Now
from bridge.plan.build import Target, build
from bridge.plan.model import Plan
from bridge.plan.state import Memory, rebuilt
from bridge.provider import Document

MANY: Final = 16  # from here on threads are worth their connections
THREADS: Final = 8
AGAIN: Final = 3  # times: whoever writes meanwhile is soon done
LATE: Final = Unavailable(Problem("the cluster", "no answer in time", "try again, or allow more with --timeout"))

Item = TypeVar("Item")
Result = TypeVar("Result")


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


@contextmanager
def begin(environment: Environment, run: Run, line_to: Dial = dial) -> Iterator[tuple[Wanted, Cluster]]:
    """Gather what the files and sources say, for a run that may write: the cluster's memory is read before the sources.

    That costs no request, because the memory is needed anyway, and tells later whether the sources are new enough.
    """
    files = sound_files(environment, run)
    assert files.namespace is not None
    with open_cluster(environment, files.namespace, run, line_to) as cluster:
        yield _gathered(environment, files, cluster, run), cluster


def gather_again(wanted: Wanted, cluster: Cluster, run: Run) -> Wanted:
    """Read the files, the memory and the sources once more, in this order; nothing of what was read before is used."""
    files = sound_files(wanted.environment, run)
    if files.namespace != wanted.namespace:
        raise Unavailable(Problem("the namespace", "is another one than when this run began", "run again"))
    return _gathered(wanted.environment, files, cluster, run._replace(read=run.read_again))


def _gathered(environment: Environment, files: Files, cluster: Cluster, run: Run) -> Wanted:
    seen = cluster.look()
    known = frozenset(seen.memory.sources if seen.memory else ())
    return gather_sources(environment, files, run, lambda _: known)._replace(seen=seen)


def prepare(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Compare, and try every change dry. Writes nothing. What somebody changes meanwhile is read again."""
    seen = wanted.seen
    for _ in range(AGAIN):
        try:
            return _prepared(wanted, cluster, run, seen)
        except Changed:
            seen = None
    return _prepared(wanted, cluster, run)


def _prepared(wanted: Wanted, cluster: Cluster, run: Run, seen: Seen | None = None) -> Plan:
    plan = compare(wanted, cluster, run, seen)
    return plan if plan.refusals else tried_dry(plan, cluster.objects, run)


def compare(wanted: Wanted, cluster: Cluster, run: Run, seen: Seen | None = None) -> Plan:
    """Read the live objects, and the memory unless it was `seen`, and plan; nothing else is asked of the cluster.

    What speaks against the plan stands in its `refusals`; an error is raised where the cluster cannot be read.
    """
    objects, desired = cluster.objects, wanted.resolution.desired
    memory = seen.memory if seen else cluster.store.read()
    live = _read_live(objects, [one.id for one in desired], memory, run)
    if memory is None or memory.lost:
        memory = _rebuild(memory, live, objects.manager, cluster.store.target)
    target = Target(wanted.environment.name, wanted.namespace, objects.manager, cluster.name)
    resolution = wanted.resolution
    allowed = run.allowed._replace(accepted=wanted.environment.accept_older)
    plan = build(target, Now(desired, resolution.manifests, live), resolution.sources, memory, allowed)
    warnings = (*cluster.warnings, *resolution.warnings, *plan.warnings)
    return plan._replace(warnings=warnings, stores=wanted.stores)


def inspect(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Compare as `compare` does; Refusal if the namespace does not exist, which no object that is missing can tell."""
    plan = compare(wanted, cluster, run)
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
