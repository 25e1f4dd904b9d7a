"""Takes one object over: dry, or for good. A writer in between and a lost answer are met by reading again."""

from typing import Final

from bridge.cluster.api import Conflict, LostAnswer, NotFound
from bridge.cluster.objects import Objects
from bridge.errors import BridgeError, Problem, Refusal, Stopped, Unavailable
from bridge.objects import Live
from bridge.plan.adoption import Adoption, adoption, mismatches

TRIES: Final = 4


def take_over(objects: Objects, one: Adoption, *, dry_run: bool) -> None:
    """Move an object's fields to us and check the result against what it is to be.

    Raises Unavailable where the object is now another one than was shown, Refusal where the API server
    would make something else of it, and Stopped where it has, or where it is not known what it did.
    """
    current = one
    tries = TRIES
    while True:
        tries -= 1
        try:
            result = objects.reclaim(current.live, frozenset(current.moves), dry_run=dry_run, strip=True)
        except (Conflict, NotFound):
            failed: BridgeError = _changed(objects, one)
            again = _read_again(objects, one)
        except LostAnswer as lost:
            failed = lost.settled
            again = _after_lost(objects, current, lost)
        else:
            _check(objects, current, result, dry_run=dry_run)
            return
        if again is None:
            return  # somebody has done it meanwhile: another run, or a try of ours whose answer was lost
        if not tries:
            raise failed
        current = again


def _read_again(objects: Objects, one: Adoption) -> Adoption | None:
    """Return the same adoption of the object as it is now, or None where nothing is left to do."""
    live = objects.get(one.id)
    if live is None:
        raise _changed(objects, one)
    again = adoption(one.desired, live, one.memory, one.manager)
    if again is None or not again.writes:
        return None
    if again.gist != one.gist:
        raise _changed(objects, one)
    return again


def _after_lost(objects: Objects, current: Adoption, lost: LostAnswer) -> Adoption | None:
    """Return the adoption once more if the object is as it was; None if nothing is left to do."""
    try:
        again = _read_again(objects, current)
    except BridgeError:
        raise Stopped(*lost.problems) from None
    if again is not None and again.live.resource_version != current.live.resource_version:
        raise Stopped(*lost.problems)  # it is not known whether that was our write, and somebody has changed it since
    return again


def _check(objects: Objects, one: Adoption, result: Live, *, dry_run: bool) -> None:
    stored = result if dry_run else _read_back(objects, result)
    problems = [Problem(objects.target(one.id), what, "ask who runs that cluster") for what in mismatches(one, stored)]
    if problems:
        raise Refusal(*problems) if dry_run else Stopped(*problems)


def _read_back(objects: Objects, result: Live) -> Live:
    """Return the object as it is stored; where that cannot be seen any more, the answer to our write has to do."""
    try:
        back = objects.get(result.id)
    except BridgeError:
        return result
    return back if back is not None and back.resource_version == result.resource_version else result


def _changed(objects: Objects, one: Adoption) -> Unavailable:
    return Unavailable(Problem(objects.target(one.id), "changed since it was shown", "run again"))
