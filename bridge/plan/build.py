"""Builds an environment's plan from the desired objects, the live objects and the last written state. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import NOTHING, Desired, Field, Live, Manager, ObjectId
from bridge.plan.baseline import Now, falling_back, shrinking, stepping_back
from bridge.plan.change_times import Clock
from bridge.plan.diff import diff, is_fixed, obstacles, overwritten_by_apply
from bridge.plan.limits import over_limits
from bridge.plan.model import Action, Change, ClusterName, Plan, What
from bridge.plan.ownership import same_object
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.provider import Revision
from bridge.shell import word


class Allowed(NamedTuple):
    """What the operator allows in this run."""

    shrink: bool = False
    fallback: bool = False
    prune: bool = False
    recreate: frozenset[ObjectId] = frozenset()
    older: bool = False
    accepted: Mapping[str, str] = NOTHING  # older revisions that the environment's file allows


class PlanTarget(NamedTuple):
    """The environment of the plan, and the cluster it is for."""

    environment: str
    namespace: str
    manager: str
    cluster: ClusterName


def build(target: PlanTarget, now: Now, sources: Mapping[str, Revision], memory: Memory, allowed: Allowed) -> Plan:
    """Return the whole plan, with all reasons for refusing it."""
    changes = [_change(one, now.live[one.id], memory, target.manager, allowed) for one in now.desired]
    left = list(_left(now, memory, target, allowed))
    refusals = [problem for one in now.desired for problem in over_limits(one)]
    for change in changes:
        refusals += obstacles(change, memory.objects.get(change.id), target.manager, target.environment)
    for change in (*changes, *left):
        refusals += _indelible(change, target.manager)
    refusals += _unknown(allowed.recreate, now.desired)
    if not allowed.shrink:
        refusals += shrinking(now, memory)
    if not allowed.older:
        refusals += stepping_back(sources, memory, allowed.accepted)
    if not allowed.fallback:
        refusals += falling_back(now.desired, memory)
    return Plan(
        target.environment,
        target.namespace,
        target.manager,
        (*changes, *left),
        tuple(refusals),
        (*lost(memory), *_needless(changes, allowed.recreate), *_warnings(changes, memory, target)),
        memory,
        sources,
        target.cluster,
    )


def _has_part(manager: Manager, change: Change) -> bool:
    """Whether a manager would lose something; a manager that only made the object immutable does not."""
    return any(change.action is Action.DELETE or item.section not in {"type", "immutable"} for item in manager.fields)


def _change(desired: Desired, live: Live | None, memory: Memory, manager: str, allowed: Allowed) -> Change:
    change = diff(desired, live, memory.objects.get(desired.id), manager)
    return change._replace(action=Action.RECREATE) if desired.id in allowed.recreate and is_fixed(change) else change


def _unknown(recreate: Iterable[ObjectId], desired: Iterable[Desired]) -> Iterator[Problem]:
    for id_ in sorted({*recreate} - {one.id for one in desired}):
        yield Problem(f"--recreate {id_}", "not in any template", "use a KIND/NAME from the plan")


def _needless(changes: Iterable[Change], recreate: Iterable[ObjectId]) -> Iterator[Problem]:
    for change in changes:
        if change.id in recreate and change.action is not Action.RECREATE:
            yield Problem(f"--recreate {change.id}", "not needed: Kubernetes can change this object in place")


def _left(now: Now, memory: Memory, target: PlanTarget, allowed: Allowed) -> Iterator[Change]:
    """Yield the objects that are no longer in the templates, unless they are gone or replaced by others."""
    wanted = {one.id for one in now.desired}
    for id_, known in memory.objects.items():
        if id_ in wanted:
            continue
        if id_ not in now.live:  # it could not be read, so nothing is known about it
            yield Change(id_, Action.LEAVE, None, None)
            continue
        live = now.live[id_]
        if live is not None and same_object(live, target.manager, known):
            yield Change(id_, Action.DELETE if allowed.prune else Action.LEAVE, None, live)


def _indelible(change: Change, manager: str) -> Iterator[Problem]:
    """Yield why an object must not be deleted or recreated: it is not certain that all of it is ours."""
    live = change.live
    if change.action not in (Action.DELETE, Action.RECREATE) or live is None:
        return
    what = "cannot be pruned" if change.action is Action.DELETE else "cannot be recreated"
    rivals = [
        owner.name
        for owner in live.managers
        if _has_part(owner, change) and (owner.name, owner.operation) != (manager, "Apply")
    ]
    unowned = [key for key in sorted(live.data) if not live.owners(Field("data", key))]
    hint = "delete it yourself if it is no longer needed"
    if change.action is Action.RECREATE and live.finalizers:
        held = f"{what}: finalizer {', '.join(live.finalizers)} would block the deletion"
        yield Problem(str(change.id), held, "remove the finalizer first")
    elif live.owner:
        yield Problem(str(change.id), f"{what}: it is owned by {live.owner}", hint)
    elif rivals:
        yield Problem(str(change.id), f"{what}: {', '.join(dict.fromkeys(rivals))} also wrote to it", hint)
    elif unowned:
        yield Problem(str(change.id), f"{what}: no manager owns {', '.join(unowned)}", hint)


def lost(memory: Memory) -> Iterator[Problem]:
    """Yield a warning about a state ConfigMap that had to be rebuilt."""
    if memory.lost:
        what = (
            f"{memory.lost}; rebuilt from managedFields, without the keys' layers, later changes by others "
            "and objects that are no longer in the templates"
        )
        yield Problem("the state ConfigMap of bridge", what)


def _warnings(changes: Sequence[Change], memory: Memory, target: PlanTarget) -> Iterator[Problem]:
    for change in changes:
        if overwritten_by_apply(change):
            what = "`kubectl apply` overwrites what bridge writes: your build still contains this object's keys"
            hint = f"remove them with `bridge init {word(target.environment)} --fix-kustomize`"
            yield Problem(str(change.id), what, hint)
        if change.live and change.live.applied_keys:
            secret = change.id.kind == "Secret"
            what = (
                "may contain secret values in plaintext" if secret else "lets a later `kubectl apply` delete its keys"
            )
            hint = f"remove it with `bridge adopt {word(target.environment)}`"
            yield Problem(str(change.id), f"its last-applied annotation {what}", hint)
        if change.action is Action.RECREATE and change.live and change.live.immutable:
            # A kubelet caches an immutable object by its name, and gives it to new pods too.
            what = "is immutable: each node keeps its old values until no pod there uses it"
            hint = "scale each workload that uses it to zero (`kubectl scale deployment NAME --replicas=0`) and back"
            yield Problem(str(change.id), what, hint)
        yield from _abandoned(change, memory.objects.get(change.id), target.manager)


def _abandoned(change: Change, memory: ObjectMemory | None, manager: str) -> Iterator[Problem]:
    """Yield the keys that are no longer in the templates but stay because another manager has edited them since."""
    if change.live is None or change.desired is None or memory is None:
        return
    for key in memory.keys:
        owners = change.live.owners(Field("data", key))
        if key not in change.desired.keys and owners and all(owner.name != manager for owner in owners):
            by = ", ".join(dict.fromkeys(owner.name for owner in owners))
            what = f"no longer in any template; kept because {by} changed it since"
            yield Problem(f"{change.id} key {key}", what, "delete it if it is no longer needed")


def remember(plan: Plan, written: Mapping[ObjectId, Live], now: str) -> Memory:
    """Return the state once the whole plan is carried out.

    `written` are the objects from the server's answers to the writes. `now` is the server's time (RFC 3339) after the
    last of these answers.
    """
    clock = Clock(plan.manager, now)
    memory = clock.settled(plan.memory)
    objects = {
        change.id: memory.objects[change.id]._replace(left=True)
        if change.desired is None
        else _remember(change, memory.objects.get(change.id), written.get(change.id), clock)
        for change in plan.changes
        if change.action is not Action.DELETE
    }
    return Memory(objects, plan.sources)


def _remember(change: Change, memory: ObjectMemory | None, written: Live | None, clock: Clock) -> ObjectMemory:
    assert change.desired is not None
    data = [item for item in change.fields if item.field.section == "data"]
    changed = {item.field.name for item in data if item.moves}
    known = memory.keys if memory else {}
    first = change.action is Action.CREATE and not change.restored
    removed = any(item.what is What.REMOVE for item in data)
    live, now = written or change.live, clock.written(written)
    return ObjectMemory(
        uid=live.uid if live else None,
        keys={
            key: KeyMemory(entry.origin, known[key].changed if key in known and key not in changed else now)
            for key, entry in change.desired.keys.items()
        },
        labels=tuple(sorted(change.desired.labels)),
        annotations=tuple(sorted(change.desired.annotations)),
        created=now if first else memory.created if memory else "",
        removed=now if removed else memory.removed if memory else "",
        type=change.desired.type or "" if live is None or live.type != change.desired.type else "",
    )
