"""What `bridge adopt` takes over, and what stays with whom. Pure.

Only the fields that the templates name move, and no value changes: the next sync then finds fields of its
own, and has no right to anything else.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bridge.errors import Problem
from bridge.objects import LAST_APPLIED, Desired, Field, Live, Manager, ObjectId
from bridge.plan.controllers import may_interfere, must_let_go
from bridge.plan.diff import describe, diff, obstacles, wanted
from bridge.plan.model import Change, Plan
from bridge.plan.ownership import BRIDGE, MANAGED_BY, others
from bridge.plan.state import KeyMemory, Memory, ObjectMemory

ANNOTATION: Final = Field("annotations", LAST_APPLIED)
SHOWN: Final = ("data", "labels", "annotations")


class Adoption(NamedTuple):
    """One object that is taken over. `moves` names for each field the managers that own it until then."""

    desired: Desired
    live: Live
    manager: str
    moves: Mapping[Field, tuple[Manager, ...]]
    memory: ObjectMemory | None
    unknown: bool  # the memory does not say that this object is ours to write

    @property
    def id(self) -> ObjectId:
        """Return which object it is."""
        return self.live.id

    @property
    def writes(self) -> bool:
        """Say whether the object itself has to be written."""
        return bool(self.moves) or self.live.last_applied

    @property
    def after(self) -> Live:
        """Return the object as it is to be then: no value differs."""
        gone = {*self.moves, ANNOTATION}
        ours = next((one for one in self.live.managers if _is(one, self.manager)), None)
        rest = [one._replace(fields=one.fields - gone) for one in self.live.managers if one is not ours]
        mine = (ours or Manager(self.manager, "Apply", "", frozenset()))._replace(
            fields=(ours.fields if ours else frozenset()) | self.moves.keys()
        )
        managers = tuple(one for one in (mine, *rest) if one.fields)
        return self.live._replace(managers=managers, last_applied=False, applied_keys=False)

    @property
    def stays(self) -> Mapping[Manager, tuple[Field, ...]]:
        """Return the keys, labels and annotations that stay with others."""
        left = {one: _shown(one.fields) for one in self.after.managers if not _is(one, self.manager)}
        return {one: fields for one, fields in left.items() if fields}

    @property
    def gist(self) -> object:
        """Return what an operator agreed to, to be compared after the object was read again."""
        moves = {item: frozenset((by.name, by.operation) for by in owners) for item, owners in self.moves.items()}
        return self.live.uid, moves, self.live.last_applied


def adoption(desired: Desired, live: Live, memory: ObjectMemory | None, manager: str) -> Adoption | None:
    """Return how an object is taken over; None where nothing has to be done."""
    moves = {item: others(live, item, manager) for item in wanted(desired) if _is_foreign(live, item, manager)}
    if any(item.section == "data" for item in moves):
        # Every apply sends these too; left with the others they would keep an entry that owns nothing else.
        fixed = [Field("type")] if desired.type else []
        fixed += [Field("immutable")] if desired.immutable is not None and live.immutable else []
        moves |= {item: others(live, item, manager) for item in fixed if _is_foreign(live, item, manager)}
    labelled = live.labels.get(MANAGED_BY) and MANAGED_BY not in desired.labels
    unknown = bool(labelled) and not (memory and memory.uid == live.uid)
    found = Adoption(desired, live, manager, moves, memory, unknown)
    return found if found.writes or unknown else None


def adoptions(plan: Plan) -> tuple[Adoption, ...]:
    """Return every object of a plan that has to be taken over."""
    found = (
        adoption(change.desired, change.live, plan.memory.objects.get(change.id), plan.manager)
        for change in plan.changes
        if change.desired and change.live
    )
    return tuple(one for one in found if one)


def _is_foreign(live: Live, item: Field, manager: str) -> bool:
    """Say whether the object has a field that is not ours alone."""
    match item.section:
        case "data":
            there = item.name in live.data
        case "labels":
            there = item.name in live.labels
        case "annotations":
            there = item.name in live.annotations
        case _:
            there = True
    owners = live.owners(item)
    return there and not (len(owners) == 1 and _is(owners[0], manager))


def _is(one: Manager, manager: str) -> bool:
    return one.name == manager and one.operation == "Apply"


def _shown(fields: frozenset[Field]) -> tuple[Field, ...]:
    return tuple(item for section in SHOWN for item in sorted(fields) if item.section == section)


def next_change(one: Adoption, now: str) -> Change:
    """Return what a sync does with the object afterwards."""
    return diff(one.desired, one.after, recorded(one, now), one.manager)


def refusals(found: Sequence[Adoption], now: str) -> Iterator[Problem]:
    """Yield why an object must not be taken over, or why it would not help: a sync could not write it."""
    for one in found:
        first = tuple(must_let_go(one.live))
        if not first and one.live.terminating:
            hint = "see which finalizer holds it, and run again when it is gone"
            first = (Problem(str(one.id), "is being deleted", hint),)
        yield from first or obstacles(next_change(one, now), recorded(one, now), one.manager)


def warnings(found: Sequence[Adoption]) -> Iterator[Problem]:
    """Yield who else has to know of it."""
    for one in found:
        for rival in sorted({by.name for owners in one.moves.values() for by in owners}):
            if rival.startswith(BRIDGE) and rival != one.manager:
                lost = _shown(frozenset(item for item, by in one.moves.items() if any(o.name == rival for o in by)))
                names = ", ".join(map(describe, lost)) or "what else it applied"
                what = f"is taken from another environment of bridge, {rival}: {names}"
                hint = "take that out of the other environment's templates, or its next sync is refused"
                yield Problem(str(one.id), what, hint)
        yield from may_interfere(one.live)


def mismatches(one: Adoption, result: Live) -> Iterator[str]:
    """Yield what is not as it is to be in the object that the API server made of it."""
    before, after = one.live.data, result.data
    if before.keys() != after.keys() or not all(value.same_as(after[key]) for key, value in before.items()):
        yield "a rule of the cluster changes its values on every write"
    if not _as_wanted(one, result):
        yield "the API server did not accept the change of ownership"
    if result.last_applied:
        yield "the last-applied annotation did not go"


def _as_wanted(one: Adoption, result: Live) -> bool:
    """Say whether we own what moved, alone, and no more than that, and the others what stays with them."""
    actual = {(by.name, str(by.operation)): by.fields for by in result.managers}
    expected = {(by.name, str(by.operation)): by.fields for by in one.after.managers}
    mine = (one.manager, "Apply")
    alone = all(len(result.owners(item)) == 1 for item in one.moves)
    kept = all(fields <= actual.get(by, frozenset()) for by, fields in expected.items())
    return alone and kept and actual.get(mine) == expected.get(mine)


def remembering(memory: Memory, found: Sequence[Adoption], now: str) -> Memory:
    """Return the memory with the objects that are taken over; no source counts as written from.

    It can be written before the objects: what it says of them is no right to a field that is still another's.
    """
    return Memory({**memory.objects, **{one.id: recorded(one, now) for one in found}}, memory.sources)


def recorded(one: Adoption, now: str) -> ObjectMemory:
    """Return what the memory says of an object then.

    A key is pending until the first sync, because bridge has not written its value: an edit before that is
    not drift. It changed when its owner wrote it last, so nobody is restarted for it. What was known of this
    very object stays; of an earlier one of this name only which layers gave its keys.
    """
    known = one.memory or ObjectMemory(None, {})
    newest = max((by.time for by in one.live.managers), default="") or now
    taken = {
        key: KeyMemory(
            None, max((by.time for by in one.live.owners(Field("data", key))), default="") or newest, pending=True
        )
        for key in one.desired.keys
        if key in one.live.data
    }
    if known.uid in (None, one.live.uid):
        return known._replace(uid=one.live.uid, keys={**taken, **known.keys}, left=False)
    earlier = {key: entry._replace(pending=True) for key, entry in known.keys.items()}
    return ObjectMemory(one.live.uid, {**taken, **earlier})
