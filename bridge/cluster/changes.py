"""Sends one change of a plan: dry, or for good.

Each write admits only the object that was read when the plan was made. After a lost answer the object is read again
and compared: it is as it was, or as it is wanted, or it is not known who has changed it. What was read then is never
taken for what to write to, for it may be newer than all that this run knows.
"""

from typing import Final

from bridge.cluster.api import Conflict, Invalid, LostAnswer, NotFound
from bridge.cluster.objects import Objects
from bridge.errors import BridgeError, Problem, Refusal, Stopped, Unavailable
from bridge.objects import Live
from bridge.plan.diff import diff, fixed
from bridge.plan.model import Action, Change
from bridge.plan.ownership import take_over


class Changed(Unavailable):
    """An object is not as it was read any more."""


def try_dry(objects: Objects, change: Change) -> Live | None:
    """Return what the API server would make of a change; raises what it would refuse it with."""
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
        raise Refusal(*problems) if problems else invalid from None  # with the way out, which the server does not know


def carry_out(objects: Objects, change: Change) -> Live | None:
    """Write a change and return the object as it is then; None for one that was deleted.

    Raises Stopped where the object is half written, or where it cannot be known whether it is written.
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


FIXED: Final = frozenset({"type", "immutable", "data", "stringData", "binaryData"})
"""The fields that the API server names where something immutable would change (apimachinery's field paths)."""


def _recreate_dry(objects: Objects, change: Change) -> None:
    """Try the deletion, and let the API server say what else it has against the new object than that it is one."""
    _delete(objects, change, dry_run=True)
    try:
        _apply(objects, change, change.live, dry_run=True)
    except Invalid as invalid:
        if invalid.causes and not _is_fixed(invalid):
            raise


def _is_fixed(invalid: Invalid) -> bool:
    return bool(invalid.causes) and {cause.field for cause in invalid.causes} <= FIXED


def _recreate(objects: Objects, change: Change) -> Live:
    _delete(objects, change, dry_run=False)
    try:
        return _apply(objects, change, None, dry_run=False)
    except BridgeError as error:
        gone = Problem(objects.target(change.id), "is deleted, and could not be created again", "run again, at once")
        raise Stopped(gone, *error.problems) from None


def _delete(objects: Objects, change: Change, *, dry_run: bool) -> None:
    assert change.live is not None
    try:
        objects.delete(change.live, dry_run=dry_run)
    except (Conflict, NotFound):
        raise _changed(objects, change) from None
    except LostAnswer as lost:
        if _read_again(objects, change, lost) is not None:
            raise Stopped(*lost.problems) from None


def _reclaim(objects: Objects, change: Change, live: Live) -> Live:
    try:
        return objects.reclaim(live, change.reclaimed, dry_run=False)
    except (Conflict, NotFound):
        raise _changed(objects, change) from None
    except LostAnswer as lost:
        now = _read_again(objects, change, lost)
        done = now is not None and all(objects.owns(now, item) for item in change.reclaimed)
        if now is None or not done or change.applies:
            raise Stopped(*lost.problems) from None
        return now


def _apply(objects: Objects, change: Change, live: Live | None, *, dry_run: bool) -> Live:
    """Apply; after a lost answer once more, if the object is as it was: only one of the two can count."""
    assert change.desired is not None
    try:
        return objects.apply(change.desired, live, force=change.force, dry_run=dry_run)
    except Conflict as conflict:
        raise _explained(objects, change, live, conflict) from None
    except LostAnswer as first:
        lost = first
    written = _written(objects, change, live, lost)
    if written:
        return written
    try:
        return objects.apply(change.desired, live, force=change.force, dry_run=dry_run)
    except (Conflict, LostAnswer) as again:
        written, failed = _written(objects, change, live, lost), again
    except BridgeError as refused:  # it may have come to the server before the first one did
        raise Stopped(*lost.problems, *refused.problems) from None
    if written:
        return written
    raise failed.settled if isinstance(failed, LostAnswer) else Stopped(*lost.problems)  # twice lost: not written


def _written(objects: Objects, change: Change, live: Live | None, lost: LostAnswer) -> Live | None:
    """Return the object if it is as it is wanted, None if it is as it was before the write whose answer was lost."""
    assert change.desired is not None
    now = _read_again(objects, change, lost)
    if now is not None and diff(change.desired, now, None, objects.manager).action is Action.KEEP:
        return now
    if _version(now) != _version(live):
        raise Stopped(*lost.problems)
    return None


def _read_again(objects: Objects, change: Change, lost: LostAnswer) -> Live | None:
    """Read the object after a lost answer; Stopped where that fails too, for then nothing is known."""
    try:
        return objects.get(change.id)
    except BridgeError:
        raise Stopped(*lost.problems) from None


def _explained(objects: Objects, change: Change, live: Live | None, conflict: Conflict) -> Refusal | Changed:
    """Tell a rival's fields (a refusal) from an object that changed since it was read (try again)."""
    fields = [cause for cause in conflict.causes if cause.reason == "FieldManagerConflict"]
    if not fields or _version(objects.get(change.id)) != _version(live):
        return _changed(objects, change)
    rivals = {cause.manager for cause in fields if cause.manager}
    what = f"some of its fields belong to {', '.join(sorted(rivals)) or 'somebody else'}"
    return Refusal(Problem(objects.target(change.id), what, take_over()))


def _changed(objects: Objects, change: Change) -> Changed:
    return Changed(Problem(objects.target(change.id), "changed since it was read", "run again"))


def _version(live: Live | None) -> tuple[str, str] | None:
    return (live.uid, live.resource_version) if live else None
