"""Decides what `bridge adopt` takes over, and what other managers keep. Pure.

Only the fields that the templates name change owner, and no value changes. The next sync then finds its own fields, and
has no right to anything else.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import LAST_APPLIED, Desired, Field, Live, Manager, ObjectId
from bridge.plan.controllers import may_interfere, must_let_go
from bridge.plan.diff import describe, diff, obstacles, wanted
from bridge.plan.model import Change, Plan
from bridge.plan.ownership import BRIDGE, MANAGED_BY, others
from bridge.plan.state import KeyMemory, Memory, ObjectMemory

ANNOTATION: Final = Field("annotations", LAST_APPLIED)
SHOWN: Final = ("data", "labels", "annotations")


class Adoption(NamedTuple):
    """One object to take over. `moves` lists for each field the managers that own it until then."""

    desired: Desired
    live: Live
    manager: str
    moves: Mapping[Field, tuple[Manager, ...]]
    memory: ObjectMemory | None
    unknown: bool  # the state does not record that bridge may write this object

    @property
    def id(self) -> ObjectId:
        """The object's ID."""
        return self.live.id

    @property
    def writes(self) -> bool:
        """Whether the object itself has to be written."""
        return bool(self.moves) or self.live.last_applied

    @property
    def after(self) -> Live:
        """The object as it should be afterwards; no value differs."""
        gone = {*self.moves, ANNOTATION}
        ours = next((m for m in self.live.managers if _is(m, self.manager)), None)
        rest = [m._replace(fields=m.fields - gone) for m in self.live.managers if m is not ours]
        mine = (ours or Manager(self.manager, "Apply", "", frozenset()))._replace(
            fields=(ours.fields if ours else frozenset()) | self.moves.keys()
        )
        managers = tuple(m for m in (mine, *rest) if m.fields)
        return self.live._replace(managers=managers, last_applied=False, applied_keys=False)

    @property
    def stays(self) -> Mapping[Manager, tuple[Field, ...]]:
        """The keys, labels and annotations that other managers keep."""
        left = {m: _shown(m.fields) for m in self.after.managers if not _is(m, self.manager)}
        return {by: fields for by, fields in left.items() if fields}

    @property
    def gist(self) -> object:
        """What an operator agreed to, compared again after the object has been read again."""
        moves = {item: frozenset((by.name, by.operation) for by in owners) for item, owners in self.moves.items()}
        return self.live.uid, moves, self.live.last_applied


def adoption(desired: Desired, live: Live, memory: ObjectMemory | None, manager: str) -> Adoption | None:
    """Return how an object is taken over, or None if there is nothing to do."""
    moves = {item: others(live, item, manager) for item in wanted(desired) if _is_foreign(live, item, manager)}
    if any(item.section == "data" for item in moves):
        # Every apply sends these fields too. If other managers kept them, they would keep an entry that owns nothing
        # else.
        fixed = [Field("type")] if desired.type else []
        fixed += [Field("immutable")] if desired.immutable is not None and live.immutable else []
        moves |= {item: others(live, item, manager) for item in fixed if _is_foreign(live, item, manager)}
    labelled = live.labels.get(MANAGED_BY) and MANAGED_BY not in desired.labels
    unknown = bool(labelled) and not (memory and memory.uid == live.uid)
    result = Adoption(desired, live, manager, moves, memory, unknown)
    return result if result.writes or unknown else None


def adoptions(plan: Plan) -> tuple[Adoption, ...]:
    """Return every object of a plan that has to be taken over."""
    candidates = (
        adoption(change.desired, change.live, plan.memory.objects.get(change.id), plan.manager)
        for change in plan.changes
        if change.desired and change.live
    )
    return tuple(candidate for candidate in candidates if candidate)


def _is_foreign(live: Live, item: Field, manager: str) -> bool:
    """Whether the object has a field that is not owned by us alone."""
    match item.section:
        case "data":
            present = item.name in live.data
        case "labels":
            present = item.name in live.labels
        case "annotations":
            present = item.name in live.annotations
        case _:
            present = True
    owners = live.owners(item)
    return present and not (len(owners) == 1 and _is(owners[0], manager))


def _is(owner: Manager, manager: str) -> bool:
    return owner.name == manager and owner.operation == "Apply"


def _shown(fields: frozenset[Field]) -> tuple[Field, ...]:
    return tuple(item for section in SHOWN for item in sorted(fields) if item.section == section)


def next_change(adopted: Adoption, now: str) -> Change:
    """Return what a sync would do with the object afterwards."""
    return diff(adopted.desired, adopted.after, recorded(adopted, now), adopted.manager)


def refusals(all_adopted: Sequence[Adoption], now: str) -> Iterator[Problem]:
    """Yield why an object must not be taken over, or why that would not help because a sync could not write it."""
    for adopted in all_adopted:
        first = tuple(must_let_go(adopted.live))
        if not first and adopted.live.terminating:
            hint = "remove the blocking finalizer, and run again when the object is gone"
            first = (Problem(str(adopted.id), "is being deleted", hint),)
        yield from first or obstacles(next_change(adopted, now), recorded(adopted, now), adopted.manager)


def warnings(all_adopted: Sequence[Adoption]) -> Iterator[Problem]:
    """Yield warnings about others who are affected."""
    for adopted in all_adopted:
        for rival in sorted({by.name for owners in adopted.moves.values() for by in owners}):
            if rival.startswith(BRIDGE) and rival != adopted.manager:
                lost = _shown(frozenset(item for item, by in adopted.moves.items() if any(o.name == rival for o in by)))
                names = ", ".join(map(describe, lost)) or "other fields it applied"
                what = f"is taken from another bridge environment, {rival}: {names}"
                hint = "remove it from the other environment's templates, or its next sync will be refused"
                yield Problem(str(adopted.id), what, hint)
        yield from may_interfere(adopted.live)


def mismatches(adopted: Adoption, result: Live) -> Iterator[str]:
    """Yield what differs from the plan in the object that the API server returned."""
    before, after = adopted.live.data, result.data
    if before.keys() != after.keys() or not all(value.same_as(after[key]) for key, value in before.items()):
        yield "an admission rule changes its values on every write"
    if not _as_wanted(adopted, result):
        yield "the API server did not accept the change of ownership"
    if result.last_applied:
        yield "the last-applied annotation was not removed"


def _as_wanted(adopted: Adoption, result: Live) -> bool:
    """Whether we are the only owner of what moved, own nothing else, and the other managers keep their fields."""
    actual = {(by.name, str(by.operation)): by.fields for by in result.managers}
    expected = {(by.name, str(by.operation)): by.fields for by in adopted.after.managers}
    mine = (adopted.manager, "Apply")
    sole_owner = all(len(result.owners(item)) == 1 for item in adopted.moves)
    kept = all(fields <= actual.get(by, frozenset()) for by, fields in expected.items())
    return sole_owner and kept and actual.get(mine) == expected.get(mine)


def remembering(memory: Memory, all_adopted: Sequence[Adoption], now: str) -> Memory:
    """Return the state with the adopted objects; no source counts as written from.

    It can be written before the objects: the state gives no right to a field that is still owned by another manager.
    """
    return Memory({**memory.objects, **{adopted.id: recorded(adopted, now) for adopted in all_adopted}}, memory.sources)


def recorded(adopted: Adoption, now: str) -> ObjectMemory:
    """Return what the state records about an object after its adoption.

    A key is pending until the first sync, because bridge has not written its value: an earlier edit is not drift. Its
    time of change is its owner's last write, so nothing is restarted. What is known about this object stays. From an
    earlier object of the same name, only the layers of its keys are kept.
    """
    known = adopted.memory or ObjectMemory(None, {})
    newest = max((by.time for by in adopted.live.managers), default="") or now
    taken = {
        key: KeyMemory(
            None, max((by.time for by in adopted.live.owners(Field("data", key))), default="") or newest, pending=True
        )
        for key in adopted.desired.keys
        if key in adopted.live.data
    }
    if known.uid in (None, adopted.live.uid):
        return known._replace(uid=adopted.live.uid, keys={**taken, **known.keys}, left=False)
    earlier = {key: entry._replace(pending=True) for key, entry in known.keys.items()}
    return ObjectMemory(adopted.live.uid, {**taken, **earlier})
