"""Send one change of a plan, as a dry run or for real.

Each write applies only to the exact object that was read for the plan. After a lost answer, the object is read again
and compared: it is unchanged, or it is as desired, or something unknown has changed it. The object read again is never
used as the base of a write, because it may be newer than the values of this run.
"""

from typing import Final

from bridge.cluster.api import Invalid, LostAnswer, ObjectConflict, ObjectNotFound
from bridge.cluster.objects import Objects
from bridge.errors import BridgeError, Problem, Refusal, Stopped, Unavailable
from bridge.objects import Live
from bridge.plan.diff import diff, fixed
from bridge.plan.model import Action, Change
from bridge.plan.ownership import take_over


class Changed(Unavailable):
    """An object has changed since it was read."""


def try_dry(objects: Objects, change: Change) -> Live | None:
    """Return the object that a change would produce; raise the error that the API server would refuse it with."""
    if change.action is Action.DELETE:
        _delete(objects, change, dry_run=True)
        return None
    if change.action is Action.RECREATE:
        _recreate_dry(objects, change)
        return None
    result = None
    if change.live and change.reclaimed:
        result = objects.reclaim(change.live, change.reclaimed, dry_run=True)
    try:
        return _apply(objects, change, change.live, dry_run=True) if change.applies else result
    except Invalid as invalid:
        problems = tuple(fixed(change)) if _is_fixed(invalid) else ()
        raise (
            Refusal(*problems) if problems else invalid
        ) from None  # with the solution, which the server does not know


def carry_out(objects: Objects, change: Change) -> Live | None:
    """Write a change and return the resulting object, or None after a deletion.

    Raises Stopped if the object is only partly written, or if it is unknown whether it was written.
    """
    if change.action is Action.DELETE:
        _delete(objects, change, dry_run=False)
        return None
    if change.action is Action.RECREATE:
        return _recreate(objects, change)
    if not change.live or not change.reclaimed:
        return _apply(objects, change, change.live, dry_run=False)
    reclaimed = _reclaim(objects, change, change.live)
    if not change.applies:
        return reclaimed
    try:
        return _apply(objects, change, reclaimed, dry_run=False)
    except BridgeError as error:
        raise Stopped(*error.problems) from None


FIXED: Final = frozenset({"type", "immutable", "data", "binaryData"})
"""The fields that the API server names if an immutable field would change (apimachinery's field paths)."""


def _recreate_dry(objects: Objects, change: Change) -> None:
    """Dry-run the deletion and the new object; ignore a refusal that is only about immutable fields."""
    _delete(objects, change, dry_run=True)
    try:
        _apply(objects, change, change.live, dry_run=True)
    except Invalid as invalid:
        if not _is_fixed(invalid):
            raise


def _is_fixed(invalid: Invalid) -> bool:
    return bool(invalid.causes) and {cause.field for cause in invalid.causes} <= FIXED


def _recreate(objects: Objects, change: Change) -> Live:
    _delete(objects, change, dry_run=False)
    try:
        return _apply(objects, change, None, dry_run=False)
    except BridgeError as error:
        gone = Problem(objects.target(change.id), "was deleted but could not be recreated", "run again now")
        raise Stopped(gone, *error.problems) from None


def _delete(objects: Objects, change: Change, *, dry_run: bool) -> None:
    assert change.live is not None
    try:
        objects.delete(change.live, dry_run=dry_run)
    except (ObjectConflict, ObjectNotFound):
        raise _changed(objects, change) from None
    except LostAnswer as lost:
        if _read_again(objects, change, lost) is not None:
            raise Stopped(*lost.problems) from None


def _reclaim(objects: Objects, change: Change, live: Live) -> Live:
    try:
        return objects.reclaim(live, change.reclaimed, dry_run=False)
    except (ObjectConflict, ObjectNotFound):
        raise _changed(objects, change) from None
    except LostAnswer as lost:
        now = _read_again(objects, change, lost)
        done = now is not None and all(objects.owns(now, item) for item in change.reclaimed)
        if now is None or not done or change.applies:
            raise Stopped(*lost.problems) from None
        return now


def _apply(objects: Objects, change: Change, live: Live | None, *, dry_run: bool) -> Live:
    """Apply; after a lost answer, apply again if the object is unchanged: only one of the two can succeed."""
    assert change.desired is not None
    try:
        return objects.apply(change.desired, live, force=change.force, dry_run=dry_run)
    except ObjectConflict as conflict:
        raise _explained(objects, change, live, conflict) from None
    except LostAnswer as first:
        lost = first
    written = _written(objects, change, live, lost)
    if written:
        return written
    try:
        return objects.apply(change.desired, live, force=change.force, dry_run=dry_run)
    except (ObjectConflict, LostAnswer) as again:
        written, failed = _written(objects, change, live, lost), again
    except BridgeError as refused:  # it may have reached the server before the first request did
        raise Stopped(*lost.problems, *refused.problems) from None
    if written:
        return written
    raise (failed.settled if isinstance(failed, LostAnswer) else Stopped(*lost.problems))  # lost twice: not written


def _written(objects: Objects, change: Change, live: Live | None, lost: LostAnswer) -> Live | None:
    """Return the object if it is as desired, or None if it is unchanged since before the write with the lost answer."""
    assert change.desired is not None
    now = _read_again(objects, change, lost)
    if now is not None and diff(change.desired, now, None, objects.manager).action is Action.KEEP:
        return now
    if _version(now) != _version(live):
        raise Stopped(*lost.problems)
    return None


def _read_again(objects: Objects, change: Change, lost: LostAnswer) -> Live | None:
    """Read the object after a lost answer; raise Stopped if that fails too, because then nothing is known."""
    try:
        return objects.get(change.id)
    except BridgeError:
        raise Stopped(*lost.problems) from None


def _explained(objects: Objects, change: Change, live: Live | None, conflict: ObjectConflict) -> Refusal | Changed:
    """Return a Refusal if another manager owns a field, or Changed (which is retried) if the object has changed."""
    fields = [cause for cause in conflict.causes if cause.reason == "FieldManagerConflict"]
    if not fields or _version(objects.get(change.id)) != _version(live):
        return _changed(objects, change)
    rivals = {cause.manager for cause in fields if cause.manager}
    owners = ", ".join(sorted(rivals)) or "another field manager"
    return Refusal(Problem(objects.target(change.id), f"some fields are owned by {owners}", take_over()))


def _changed(objects: Objects, change: Change) -> Changed:
    return Changed(Problem(objects.target(change.id), "changed since it was read", "run again"))


def _version(live: Live | None) -> tuple[str, str] | None:
    return (live.uid, live.resource_version) if live else None
