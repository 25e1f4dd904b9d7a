"""The phases of a run that write nothing: read the files, sources and cluster; plan; try the changes in a dry run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias

from bridge.cluster.api import Forbidden
from bridge.cluster.changes import Changed, try_dry
from bridge.cluster.identity import check_exists
from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.cluster.waves import Wave, on_each
from bridge.config.environment import Environment
from bridge.errors import BridgeError, Problem, Unavailable, combine
from bridge.objects import Live, ObjectId
from bridge.plan.admission import after_dry_run, may_be_altered, untried
from bridge.plan.baseline import Now, stepping_back
from bridge.plan.build import PlanTarget, build
from bridge.plan.model import Plan
from bridge.plan.state import Memory, rebuilt
from bridge.run.inputs import Files, Run, StateSeen, Wanted, gather, sound_files
from bridge.run.line import Dial, connecting, dial
from bridge.run.view import Cluster, open_cluster
from bridge.sources.reader import preload

TRYING: Final = "trying {} of {} changes"
AGAIN: Final = 3  # times; other writers finish soon

TakesLease: TypeAlias = Callable[[Plan], bool]
"""Decides whether a run takes the Lease together with the dry runs, because it will most likely carry out the plan."""


def never(_plan: Plan) -> bool:
    """Never take the Lease."""
    return False


@contextmanager
def read_environment(
    environment: Environment, run: Run, line_to: Dial = dial, *, writes: bool = False, fresh: bool = False
) -> Iterator[tuple[Wanted, Cluster]]:
    """Read the files and sources, and open the cluster: the first phase of each run that needs both.

    If the run `writes`, the state is read before the sources. This costs no extra request, and shows later whether the
    sources are new enough. The state also comes first if a provider asks which documents an earlier run applied, unless
    every source counts as `fresh`, as if no run had read it.

    If the cluster is far away, the objects and the Lease are read together with the state. They may then be older than
    the sources: the run reads them again before it writes, and writes only if they have not changed.
    """
    # A fleet does not connect ahead: its environments share connections and already run in parallel.
    ahead = None if run.sharing else environment.cluster.server
    with connecting(run.search(environment.cluster)._replace(ahead=ahead), line_to) as found:
        files = sound_files(environment, run)
        assert files.namespace is not None
        if writes or (files.wants_known and not fresh):
            preload(files.providers.values())
            with open_cluster(environment, files.namespace, run, found, looks=True) as cluster:
                yield read_sources(environment, files, cluster, run, marked=writes), cluster
            return
        wanted = gather(environment, files, run)
        with open_cluster(environment, wanted.namespace, run, found, looks=True) as cluster:
            yield wanted, cluster


def read_sources(environment: Environment, files: Files, cluster: Cluster, run: Run, *, marked: bool = False) -> Wanted:
    """Read the state, then the sources; with `marked`, also read what shows later whether another run wrote."""
    ids = [one.id for one in files.templates or ()]
    seen = cluster.look_marked(ids) if marked else cluster.look(ids)
    known = frozenset(seen.memory.sources if seen.memory else ())
    return gather(environment, files, run, known)._replace(seen=seen)


def read_environment_again(wanted: Wanted, cluster: Cluster, run: Run) -> Wanted:
    """Read the files, the state and the sources again, in this order, without anything that was read before."""
    files = sound_files(wanted.environment, run)
    if files.namespace != wanted.namespace:
        raise Unavailable(Problem("the namespace", "has changed since this run started", "run again"))
    anew = run._replace(sharing=run.sharing.anew() if run.sharing else None)
    return read_sources(wanted.environment, files, cluster, anew, marked=True)


def try_changes(wanted: Wanted, cluster: Cluster, run: Run, takes_lease: TakesLease = never) -> Plan:
    """Plan, and try every change in a dry run. If an object changes in the meantime, read it again. Write nothing.

    If `takes_lease` agrees and the cluster is far away, the Lease is taken together with the dry runs, and released if
    a dry run is refused. A caller that passes `takes_lease` must release the Lease.
    """
    seen = wanted.seen
    for _ in range(AGAIN):
        try:
            return _tried(wanted, cluster, run, seen, takes_lease)
        except Changed:
            seen = None
    return _tried(wanted, cluster, run, None, takes_lease)


def plan_only(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Plan and try as `try_changes` does, for a run that will not carry out the plan."""
    plan = try_changes(wanted, cluster, run)
    return try_changes(_read_later(wanted, cluster, run), cluster, run) if _is_overtaken(plan, wanted) else plan


def _is_overtaken(plan: Plan, wanted: Wanted) -> bool:
    """Return whether a source is older than the state, perhaps only because another run wrote after we read the source.

    That is possible if the sources were read before the state, for this environment or for another one.
    """
    if not plan.refusals:
        return False
    sources = wanted.resolution.sources
    earlier = sources if wanted.seen is None else wanted.shared
    return any(stepping_back({name: sources[name] for name in earlier}, plan.memory, {}))


def _read_later(wanted: Wanted, cluster: Cluster, run: Run) -> Wanted:
    """Read the state and then the sources again, so that no source is older than the state without a reason."""
    anew = run._replace(sharing=run.sharing.anew() if run.sharing else None)
    return read_sources(wanted.environment, sound_files(wanted.environment, run), cluster, anew)


def _tried(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen | None, takes_lease: TakesLease) -> Plan:
    seen = seen or cluster.look(_ids(wanted))
    plan = compare(wanted, cluster, run, seen)
    if plan.refusals and seen.live:  # another run may have written them before the state was read
        plan = compare(wanted, cluster, run, seen._replace(live={}))
    if plan.refusals:
        return plan
    # Only far away: deciding compares the whole state, which takes time and nothing else needs. Not before a review,
    # which needs the dry runs and may refuse the plan.
    takes = cluster.api.is_far and run.review is None and takes_lease(plan)
    return reviewed(tried_dry(plan, cluster.objects, run, cluster.lease if takes else None), wanted, cluster, run)


def reviewed(plan: Plan, wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Add the review's reasons against a plan, if there is a review, to its refusals."""
    if run.review is None or plan.refusals:
        return plan
    return plan._replace(refusals=run.review.review(wanted, plan, cluster.api))


def _ids(wanted: Wanted) -> Sequence[ObjectId]:
    return [one.id for one in wanted.resolution.desired]


def compare(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen | None = None) -> Plan:
    """Read the live objects and the state, except those already `seen`, and plan.

    The plan's `refusals` are the reasons against it. Raise an error if the cluster cannot be read.
    """
    seen = seen or cluster.look(_ids(wanted))
    live = read_live(wanted, cluster, run, seen)
    memory = sound_memory(seen.memory, live, cluster)
    target = PlanTarget(wanted.environment.name, wanted.namespace, cluster.objects.manager, cluster.name)
    resolution = wanted.resolution
    allowed = run.allowed._replace(accepted=wanted.environment.accept_older)
    plan = build(target, Now(resolution.desired, resolution.manifests, live), resolution.sources, memory, allowed)
    plan = plan._replace(warnings=(*cluster.warnings, *resolution.warnings, *plan.warnings), stores=wanted.stores)
    return with_ages(plan, wanted, cluster.now()) if wanted.stored else plan


def with_ages(plan: Plan, wanted: Wanted, now: str) -> Plan:
    """Add the ages of the values at `now`, and warnings about the values with a limit."""
    from bridge.plan.ages import complaints  # noqa: PLC0415 - start-up: few environments limit ages
    from bridge.plan.measure_ages import ages  # noqa: PLC0415 - as above

    found = ages(wanted.stored, plan, now)
    limited = [age for age in found if age.limited]
    return plan._replace(ages=found, warnings=(*plan.warnings, *complaints(limited, plan.environment)))


def inspect(wanted: Wanted, cluster: Cluster, run: Run) -> Plan:
    """Plan as `compare` does, without dry runs, and raise Refusal if the namespace does not exist."""
    plan = compare(wanted, cluster, run, wanted.seen)
    if _is_overtaken(plan, wanted):
        wanted = _read_later(wanted, cluster, run)
        plan = compare(wanted, cluster, run, wanted.seen)
    found = cluster.store.resource_version or any(change.live for change in plan.changes)
    if not found and plan.cluster.binding != "namespace_uid":
        check_exists(cluster.api, plan.namespace)
    return plan


def read_live(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen) -> Mapping[ObjectId, Live | None]:
    """Read every object that the plan needs, except those already `seen`; raise one error for all that cannot be read.

    bridge may have lost the right to read an object that is no longer in the templates. It is then left out, except
    with --prune.
    """
    objects, ids = cluster.objects, _ids(wanted)
    desired = set(ids)
    left = [id_ for id_ in (seen.memory.objects if seen.memory else ()) if id_ not in desired]
    answers = {**(seen.live or objects.listed(ids))}
    missing = [id_ for id_ in (*ids, *left) if id_ not in answers]
    answers.update(on_each(objects.get, missing, objects.api, run.deadline, "reading {} of {} objects"))
    answers = {id_: answers[id_] for id_ in (*ids, *left)}  # in this order, without objects that are not needed
    spared = set() if run.allowed.prune else {id_ for id_ in left if isinstance(answers[id_], Forbidden)}
    errors = [one for id_, one in answers.items() if isinstance(one, BridgeError) and id_ not in spared]
    if errors:
        raise combine(errors)
    return {id_: one for id_, one in answers.items() if not isinstance(one, BridgeError)}


def sound_memory(memory: Memory | None, live: Mapping[ObjectId, Live | None], cluster: Cluster) -> Memory:
    """Return the state, rebuilt from the objects if it is lost. If bridge wrote none of them, this is the first run."""
    if memory and not memory.lost:
        return memory
    reason = memory.lost if memory and memory.lost else f"{cluster.store.target} is gone"
    found = rebuilt([one for one in live.values() if one], cluster.objects.manager, reason)
    return found if memory or found.objects else Memory()


def tried_dry(plan: Plan, objects: Objects, run: Run, lease: Lease | None = None) -> Plan:
    """Send every change as a dry run; what the API server refuses becomes the plan's refusals.

    A `lease` is taken together with the dry runs, and released if one is refused.
    """
    pending = {change.id: change for change in plan.changes if change.writes}
    wave = Wave(objects.api, run.deadline)
    sent = {id_: wave.add(partial(try_dry, objects, change)) for id_, change in pending.items()}
    # Last, so that the run does not hold it while many dry runs wait.
    taking = wave.add(lease.take) if lease else None
    wave.send(TRYING)
    answers = {id_: one.outcome for id_, one in sent.items()}
    errors = [one for one in answers.values() if isinstance(one, BridgeError)]
    if errors:
        if lease:
            lease.release()
        error = combine(errors)
        if isinstance(error, Unavailable):
            raise Changed(*error.problems) if any(isinstance(one, Changed) for one in errors) else error
        return plan._replace(refusals=error.problems)
    if taking:
        taking.get()
    judged = {
        id_: after_dry_run(pending[id_], answer)
        for id_, answer in answers.items()
        if not isinstance(answer, BridgeError)
    }
    return plan._replace(changes=tuple(judged.get(change.id, change) for change in plan.changes))


def with_admission(plan: Plan, objects: Objects, run: Run) -> Plan:
    """Distinguish changes by an admission rule from other differences, for a plan without dry runs.

    Only objects that differ from what bridge wrote get a dry run. If a dry run is not possible, for example without the
    right to patch, the object alone decides.
    """
    differing = {change.id: change for change in plan.changes if may_be_altered(change, plan.memory)}
    answers = on_each(lambda id_: try_dry(objects, differing[id_]), list(differing), objects.api, run.deadline, TRYING)
    judged = {
        id_: untried(differing[id_], objects.manager)
        if isinstance(answer, BridgeError)
        else after_dry_run(differing[id_], answer)
        for id_, answer in answers.items()
    }
    return plan._replace(changes=tuple(judged.get(change.id, change) for change in plan.changes))
