"""The phases of every run that write nothing: read (files, sources, cluster), plan, and try the changes dry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final, TypeAlias

from bridge.cluster.api import Forbidden
from bridge.cluster.changes import Changed, try_dry
from bridge.cluster.identity import check_exists, is_bound_to
from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.cluster.waves import Wave, on_each
from bridge.config.environment import ClusterChoice, Environment
from bridge.errors import BridgeError, Problem, Unavailable, combine
from bridge.objects import Live, ObjectId
from bridge.plan.admission import after_dry_run, may_be_altered, untried
from bridge.plan.baseline import Now
from bridge.plan.build import PlanTarget, build
from bridge.plan.model import Plan
from bridge.plan.state import Memory, rebuilt
from bridge.run.inputs import Files, Run, StateSeen, Wanted, gather, sound_files
from bridge.run.view import Cluster, Dial, Line, dial, open_cluster

AGAIN: Final = 3  # times: whoever writes meanwhile is soon done

TakesLease: TypeAlias = Callable[[Plan], bool]
"""Whether a run is so likely to carry out a plan that it takes the Lease before the dry runs are answered."""


def never(_plan: Plan) -> bool:
    """Take no Lease, whatever the plan is."""
    return False


@contextmanager
def read_environment(
    environment: Environment, run: Run, line_to: Dial = dial, *, writes: bool = False, fresh: bool = False
) -> Iterator[tuple[Wanted, Cluster]]:
    """Read the files and the sources, and open the cluster: the first phase of each run that needs both.

    The state is read before the sources if the run `writes`: that costs no request, because it is needed anyway, and
    tells later whether the sources are new enough. So it is if a provider wants to know what was written from before,
    unless each source is to be read as a `fresh` one, that no run has read.

    If the cluster is far away, what is needed next is read together with the state: the objects and the Lease. They may
    then be older than the sources: a write requires that they are as they were read, and reads them again before it.
    """
    with _connecting(environment, run, line_to) as found:
        files = sound_files(environment, run)
        assert files.namespace is not None
        if writes or (files.wants_known and not fresh):
            with open_cluster(environment, files.namespace, run, found, looks=True) as cluster:
                yield read_sources(environment, files, cluster, run, marked=writes), cluster
            return
        wanted = gather(environment, files, run)
        with open_cluster(environment, wanted.namespace, run, found, looks=True) as cluster:
            yield wanted, cluster


@contextmanager
def _connecting(environment: Environment, run: Run, line_to: Dial) -> Iterator[Dial]:
    """Find the cluster and start to connect, while files and sources are read; what goes wrong is raised on dialling.

    The environments of a fleet share their connections and are side by side already.
    """
    with ExitStack() as stack:
        found: Line | BridgeError
        try:
            found = stack.enter_context(line_to(environment.cluster, run))
        except BridgeError as error:
            found = error
        if isinstance(found, Line) and not run.sharing and is_bound_to(found.endpoint, environment.cluster.server):
            found.api.connect_ahead()

        @contextmanager
        def dial_again(_choice: ClusterChoice, _run: Run) -> Iterator[Line]:
            if isinstance(found, BridgeError):
                raise found
            yield found

        yield dial_again


def read_sources(environment: Environment, files: Files, cluster: Cluster, run: Run, *, marked: bool = False) -> Wanted:
    """Read the state, then the sources; `marked` if the run writes, so that it tells when another one has begun to."""
    ids = [one.id for one in files.templates or ()]
    seen = cluster.look_marked(ids) if marked else cluster.look(ids)
    known = frozenset(seen.memory.sources if seen.memory else ())
    return gather(environment, files, run, known)._replace(seen=seen)


def read_environment_again(wanted: Wanted, cluster: Cluster, run: Run) -> Wanted:
    """Read the files, the state and the sources once more, in this order; nothing of what was read before is used."""
    files = sound_files(wanted.environment, run)
    if files.namespace != wanted.namespace:
        raise Unavailable(Problem("the namespace", "is another one than when this run began", "run again"))
    anew = run._replace(sharing=run.sharing.anew() if run.sharing else None)
    return read_sources(wanted.environment, files, cluster, anew, marked=True)


def try_changes(wanted: Wanted, cluster: Cluster, run: Run, takes_lease: TakesLease = never) -> Plan:
    """Compare, and try every change dry. Writes nothing. What somebody changes meanwhile is read again.

    If a plan `takes_lease` and the cluster is far away, the Lease is taken beside its dry runs, and given back at once
    if one is refused. Whoever passes this has to release the Lease.
    """
    seen = wanted.seen
    for _ in range(AGAIN):
        try:
            return _tried(wanted, cluster, run, seen, takes_lease)
        except Changed:
            seen = None
    return _tried(wanted, cluster, run, None, takes_lease)


def _tried(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen | None, takes_lease: TakesLease) -> Plan:
    seen = seen or cluster.look(_ids(wanted))
    plan = compare(wanted, cluster, run, seen)
    if plan.refusals and seen.live:  # perhaps only because another run wrote them before the state was read
        plan = compare(wanted, cluster, run, seen._replace(live={}))
    if plan.refusals:
        return plan
    return tried_dry(plan, cluster.objects, run, cluster.lease if takes_lease(plan) else None)


def _ids(wanted: Wanted) -> Sequence[ObjectId]:
    return [one.id for one in wanted.resolution.desired]


def compare(wanted: Wanted, cluster: Cluster, run: Run, seen: StateSeen | None = None) -> Plan:
    """Read what was not `seen` of the live objects and the memory, and plan; nothing else is asked of the cluster.

    What speaks against the plan stands in its `refusals`; an error is raised where the cluster cannot be read.
    """
    objects, desired = cluster.objects, wanted.resolution.desired
    seen = seen or cluster.look(_ids(wanted))
    memory = seen.memory
    live = _read_live(objects, _ids(wanted), seen, run)
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


def _read_live(objects: Objects, ids: Sequence[ObjectId], seen: StateSeen, run: Run) -> Mapping[ObjectId, Live | None]:
    """Read every object that the plan needs; raises one error for all that cannot be read.

    One that left the templates may have left our rights too: without --prune it is then left out.
    """
    wanted = set(ids)
    left = [id_ for id_ in (seen.memory.objects if seen.memory else ()) if id_ not in wanted]
    answers = {**(seen.live or objects.listed(ids))}
    missing = [id_ for id_ in (*ids, *left) if id_ not in answers]
    answers.update(on_each(objects.get, missing, objects.api, run.deadline))
    answers = {id_: answers[id_] for id_ in (*ids, *left)}  # in this order, and without what is no longer wanted
    spared = set() if run.allowed.prune else {id_ for id_ in left if isinstance(answers[id_], Forbidden)}
    errors = [one for id_, one in answers.items() if isinstance(one, BridgeError) and id_ not in spared]
    if errors:
        raise combine(errors)
    return {id_: one for id_, one in answers.items() if not isinstance(one, BridgeError)}


def _rebuild(damaged: Memory | None, live: Mapping[ObjectId, Live | None], manager: str, target: str) -> Memory:
    """Rebuild a lost memory. Where nothing is there that we wrote, this is simply the first run."""
    reason = damaged.lost if damaged and damaged.lost else f"{target} is gone"
    memory = rebuilt([one for one in live.values() if one], manager, reason)
    return memory if damaged or memory.objects else Memory()


def tried_dry(plan: Plan, objects: Objects, run: Run, lease: Lease | None = None) -> Plan:
    """Try every change on the API server without writing it; what it refuses becomes the plan's refusals.

    If the API server is far away, the `lease` is taken beside that, and given back at once if a change is refused.
    """
    pending = {change.id: change for change in plan.changes if change.writes}
    wave = Wave(objects.api, run.deadline)
    sent = {id_: wave.add(partial(try_dry, objects, change)) for id_, change in pending.items()}
    # The last one, so that it is not held while many others wait.
    taking = wave.add(lease.take) if lease and wave.is_wide else None
    wave.send()
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
    """Tell what an admission rule alters from what differs for another reason, for a plan that is only compared.

    Only objects that bridge has written, and that are not as it wrote them, are tried dry. For one that cannot be
    (that takes the right to patch it), only what the object itself shows is told.
    """
    differing = {change.id: change for change in plan.changes if may_be_altered(change, plan.memory)}
    answers = on_each(lambda id_: try_dry(objects, differing[id_]), list(differing), objects.api, run.deadline)
    judged = {
        id_: untried(differing[id_], objects.manager)
        if isinstance(answer, BridgeError)
        else after_dry_run(differing[id_], answer)
        for id_, answer in answers.items()
    }
    return plan._replace(changes=tuple(judged.get(change.id, change) for change in plan.changes))
