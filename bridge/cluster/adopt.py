"""Adopt one object, as a dry run or for real. After a concurrent write or a lost answer, read it again."""

from typing import Final

from bridge.cluster.api import LostAnswer, ObjectConflict, ObjectNotFound
from bridge.cluster.objects import Objects
from bridge.errors import BridgeError, Problem, Refusal, Stopped, Unavailable
from bridge.objects import Live
from bridge.plan.adoption import Adoption, adoption, mismatches

TRIES: Final = 4
HINT: Final = "ask the cluster's administrator"


def take_over(objects: Objects, adoption_: Adoption, *, dry_run: bool) -> None:
    """Move the ownership of an object's fields to us, and check that the result is as expected.

    Raises Unavailable if the object changed since it was shown, Refusal if the API server would store something
    else, and Stopped if it has stored something else or the outcome is unknown.
    """
    current = adoption_
    tries = TRIES
    while True:
        tries -= 1
        try:
            result = objects.reclaim(current.live, frozenset(current.moves), dry_run=dry_run, strip=True)
        except (ObjectConflict, ObjectNotFound):
            failed: BridgeError = _changed(objects, adoption_)
            again = _read_again(objects, adoption_)
        except LostAnswer as lost:
            failed = lost.settled
            again = _after_lost(objects, current, lost)
        else:
            _check(objects, current, result, dry_run=dry_run)
            return
        if again is None:
            return  # another run did it, or our earlier attempt did and its answer was lost
        if not tries:
            raise failed
        current = again


def _read_again(objects: Objects, earlier: Adoption) -> Adoption | None:
    """Return the same adoption for the current object, or None if nothing is left to do."""
    live = objects.get(earlier.id)
    if live is None:
        raise _changed(objects, earlier)
    again = adoption(earlier.desired, live, earlier.memory, earlier.manager)
    if again is None or not again.writes:
        return None
    if again.gist != earlier.gist:
        raise _changed(objects, earlier)
    return again


def _after_lost(objects: Objects, current: Adoption, lost: LostAnswer) -> Adoption | None:
    """Return the adoption again if the object is unchanged, or None if nothing is left to do."""
    try:
        again = _read_again(objects, current)
    except BridgeError:
        raise Stopped(*lost.problems) from None
    if again is not None and again.live.resource_version != current.live.resource_version:
        raise Stopped(*lost.problems)  # someone has changed it since, so it is unknown whether our write happened
    return again


def _check(objects: Objects, adoption_: Adoption, result: Live, *, dry_run: bool) -> None:
    stored = result if dry_run else _read_back(objects, result)
    problems = [Problem(objects.target(adoption_.id), text, HINT) for text in mismatches(adoption_, stored)]
    if problems:
        raise Refusal(*problems) if dry_run else Stopped(*problems)


def _read_back(objects: Objects, result: Live) -> Live:
    """Return the stored object, or the answer to our write if the object can no longer be read as we wrote it."""
    try:
        back = objects.get(result.id)
    except BridgeError:
        return result
    return back if back is not None and back.resource_version == result.resource_version else result


def _changed(objects: Objects, adoption_: Adoption) -> Unavailable:
    return Unavailable(Problem(objects.target(adoption_.id), "changed since it was shown", "run again"))
