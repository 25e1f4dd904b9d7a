"""Sends one change of a plan: dry, or for good; after a lost answer it reads again before it decides."""

from bridge.cluster.api import Conflict, LostAnswer
from bridge.cluster.objects import Objects
from bridge.errors import Problem, Refusal, Unavailable
from bridge.objects import Live
from bridge.plan.diff import diff
from bridge.plan.model import Action, Change


def try_dry(objects: Objects, change: Change) -> Live | None:
    """Return what the API server would make of a change; raises what it would refuse it with."""
    try:
        return _send(objects, change, dry_run=True)
    except Conflict as error:
        conflict = error
    raise _explained(objects, change, conflict)


def carry_out(objects: Objects, change: Change) -> Live | None:
    """Write a change and return the object as it is then; None for one that was deleted."""
    try:
        return _send(objects, change, dry_run=False)
    except Conflict as error:
        failure: Conflict | LostAnswer = error
    except LostAnswer as error:
        failure = error
    if isinstance(failure, Conflict):
        raise _explained(objects, change, failure)
    return _settle(objects, change, failure)


def _send(objects: Objects, change: Change, *, dry_run: bool) -> Live | None:
    live = change.live
    if change.action is Action.DELETE:
        assert live is not None
        objects.delete(live, dry_run=dry_run)
        return None
    if live is not None and change.reclaimed:
        reclaimed = objects.reclaim(live, change.reclaimed, dry_run=dry_run)
        if not change.applies:
            return reclaimed
        live = live if dry_run else reclaimed
    assert change.desired is not None
    return objects.apply(change.desired, live, force=change.force, dry_run=dry_run)


def _settle(objects: Objects, change: Change, lost: LostAnswer) -> Live | None:
    """Find out whether a write whose answer was lost has happened; send it once more only if it surely has not."""
    now = objects.get(change.id)
    if change.desired is None:
        if now is not None:
            raise lost
        return None
    if now is not None and diff(change.desired, now, None, objects.manager).action is Action.KEEP:
        return now
    if _version(now) != _version(change.live):
        raise Unavailable(Problem(objects.target(change.id), "somebody changed it during the write", "run again"))
    return _send(objects, change, dry_run=False)


def _explained(objects: Objects, change: Change, conflict: Conflict) -> Refusal | Unavailable:
    """Tell a rival's fields (a refusal) from an object that changed since it was read (try again)."""
    if _version(objects.get(change.id)) != _version(change.live):
        return Unavailable(Problem(objects.target(change.id), "changed since it was read", "run again"))
    rivals = {cause.manager for cause in conflict.causes if cause.reason == "FieldManagerConflict" and cause.manager}
    what = f"some of its fields belong to {', '.join(sorted(rivals)) or 'somebody else'}"
    return Refusal(Problem(objects.target(change.id), what, "take them over with `bridge adopt`"))


def _version(live: Live | None) -> str | None:
    return live.resource_version if live else None
