"""Builds the plan of one environment from what is wanted, what is there and what was written last. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.errors import Problem
from bridge.objects import Desired, Field, Live, ObjectId
from bridge.plan.baseline import falling_back, shrinking
from bridge.plan.diff import diff, obstacles, overwritten_by_apply
from bridge.plan.limits import over_limits
from bridge.plan.memory import KeyMemory, Memory, ObjectMemory
from bridge.plan.model import Action, Change, Plan, What
from bridge.plan.ownership import others
from bridge.provider import Revision


@dataclass(frozen=True)
class Allowed:
    """What the operator admits in this run."""

    shrink: bool = False
    fallback: bool = False
    prune: bool = False


@dataclass(frozen=True, eq=False)
class Target:
    """Whose plan it is, and where it would be carried out."""

    environment: str
    namespace: str
    manager: str


@dataclass(frozen=True, eq=False)
class Found:
    """What is in the cluster: the live objects that were asked for, and the memory."""

    live: Mapping[ObjectId, Live | None]
    memory: Memory


def build(
    target: Target, desired: Sequence[Desired], sources: Mapping[str, Revision], found: Found, allowed: Allowed
) -> Plan:
    """Return the whole plan, with every reason against it at once."""
    live, memory = found.live, found.memory
    changes = [diff(one, live[one.id], memory.objects.get(one.id), target.manager) for one in desired]
    refusals = [problem for one in desired for problem in over_limits(one)]
    for change in changes:
        refusals += obstacles(change, memory.objects.get(change.id), target.manager)
    if not allowed.shrink:
        refusals += shrinking(desired, live, memory)
    if not allowed.fallback:
        refusals += falling_back(desired, memory)
    wanted = {one.id for one in desired}
    gone = [id_ for id_ in memory.objects if id_ not in wanted]
    left = [one for id_ in gone if (one := _left(id_, live.get(id_), memory.objects[id_], allowed))]
    for one in left:
        refusals += _unprunable(one, memory.objects[one.id], target.manager)
    return Plan(
        target.environment,
        target.namespace,
        target.manager,
        (*changes, *left),
        tuple(refusals),
        tuple(_warnings(changes, live, memory)),
        memory,
        sources,
    )


def _left(id_: ObjectId, live: Live | None, memory: ObjectMemory, allowed: Allowed) -> Change | None:
    """Judge an object that left the templates; None where it is gone, or another object has its name now."""
    if not allowed.prune:
        return Change(id_, Action.LEAVE, None, None)
    if live is None or memory.uid not in (None, live.uid):
        return None
    return Change(id_, Action.DELETE, None, live)


def _unprunable(change: Change, memory: ObjectMemory, manager: str) -> Iterator[Problem]:
    """Yield why an object that left the templates must not be deleted: not all of its data is ours."""
    if change.action is not Action.DELETE or change.live is None:
        return
    live = change.live
    foreign = [key for key in sorted(live.data) if key not in memory.keys or others(live, Field("data", key), manager)]
    if foreign:
        what = f"cannot be pruned, somebody else wrote {', '.join(foreign)}"
        yield Problem(str(change.id), what, "delete it yourself if nobody needs it")


def _warnings(changes: Sequence[Change], live: Mapping[ObjectId, Live | None], memory: Memory) -> Iterator[Problem]:
    if memory.lost:
        what = (
            f"{memory.lost}; it is rebuilt from managedFields. Which layer each key came from, which keys others "
            "changed since, and which objects left the templates is not known"
        )
        yield Problem("the memory of bridge", what)
    for change in changes:
        if overwritten_by_apply(change):
            what = "`kubectl apply` overwrites what bridge writes; your build still holds this object's keys"
            yield Problem(str(change.id), what, "take the object's data out of the build")
        one = live.get(change.id)
        if one and one.last_applied:
            what = "its last-applied annotation may hold secret values in clear"
            yield Problem(str(change.id), what, "`bridge adopt` removes it")


def remember(plan: Plan, uids: Mapping[ObjectId, str], now: str) -> Memory:
    """Return the memory as it is once the whole plan is carried out; `now` is RFC 3339."""
    objects = {
        change.id: replace(plan.memory.objects[change.id], left=True)
        if change.desired is None
        else _remember(change, plan.memory.objects.get(change.id), uids.get(change.id), now)
        for change in plan.changes
        if change.action is not Action.DELETE
    }
    return Memory(objects, plan.sources)


def _remember(change: Change, memory: ObjectMemory | None, uid: str | None, now: str) -> ObjectMemory:
    assert change.desired is not None
    written = {
        one.field.name
        for one in change.fields
        if one.field.section == "data" and one.what not in (What.KEEP, What.RECLAIM)
    }
    before = memory.keys if memory else {}
    return ObjectMemory(
        uid=change.live.uid if change.live else uid,
        keys={
            key: KeyMemory(entry.origin, before[key].changed if key in before and key not in written else now)
            for key, entry in change.desired.keys.items()
        },
        labels=tuple(sorted(change.desired.labels)),
        annotations=tuple(sorted(change.desired.annotations)),
    )
