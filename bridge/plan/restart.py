"""Decides which workloads run with keys that have changed since their pods were created. Pure."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bridge.objects import ObjectId
from bridge.plan.consumers import Use
from bridge.plan.rollout import Workload
from bridge.plan.state import Memory, ObjectMemory


class Reason(NamedTuple):
    """A used key that changed; `key` is None for a key that was removed from the object. `changed` is in RFC 3339."""

    id: ObjectId
    key: str | None
    changed: str


class Step(enum.Enum):
    """What a restart does with a workload."""

    NONE = "current"
    ROLL = "restart"
    HOLD = "paused"  # out of date, but its controller does not replace pods


class Verdict(NamedTuple):
    """What happens to one workload, why, and the mark that its pod template gets."""

    workload: Workload
    step: Step
    reasons: tuple[Reason, ...]
    mark: str


def judge(
    workloads: Iterable[Workload], rolled_out: Mapping[str, str], memory: Memory, *, everything: str = ""
) -> tuple[Verdict, ...]:
    """Judge every workload that uses what bridge writes.

    `rolled_out` maps the UID of each workload to the time when its pods' current template was first rolled out. It is
    missing if no pod was ever created; future pods need no restart. `everything` is a text for this moment: if it is
    set, all consumers are restarted regardless of times.
    """
    return tuple(_verdict(w, rolled_out.get(w.uid), memory, everything) for w in consumers(workloads, memory))


def consumers(workloads: Iterable[Workload], memory: Memory) -> tuple[Workload, ...]:
    """Return the workloads that use what bridge writes."""
    return tuple(w for w in workloads if any(use.id in memory.objects for use in w.uses))


def _verdict(workload: Workload, rolled_out: str | None, memory: Memory, everything: str) -> Verdict:
    by_key = sorted(set(_changes(workload.uses, memory)), key=lambda reason: (reason.id, reason.key or ""))
    changes = tuple(sorted(by_key, key=lambda reason: reason.changed, reverse=True))
    mark = changes[0].changed if changes else ""
    reasons = () if rolled_out is None else tuple(_unseen(changes, rolled_out, workload.mark.partition(" ")[0]))
    if not reasons and not everything:
        return Verdict(workload, Step.NONE, (), mark)
    step = Step.HOLD if workload.paused else Step.ROLL
    return Verdict(workload, step, reasons, f"{mark} {everything}".strip())


def _unseen(changes: tuple[Reason, ...], rolled_out: str, mark: str) -> Iterator[Reason]:
    """Yield the changes that the pods may not have.

    Times have a resolution of a second: a rollout in the same second as a change may have come before it. The mark has
    no such ambiguity: it is the time of the newest change known when the template got it. A mark later than all known
    times belongs to another state, and is ignored.
    """
    known = mark if changes and mark <= changes[0].changed else ""
    for change in changes:
        if change.changed >= rolled_out and change.changed > known:
            yield change


def _changes(uses: Iterable[Use], memory: Memory) -> Iterator[Reason]:
    """Yield the last change of each key that running pods keep from when their containers started."""
    for use in uses:
        if use.id in memory.objects and not use.how.follows:
            yield from _changes_of(use, memory.objects[use.id])


def _changes_of(use: Use, memory: ObjectMemory) -> Iterator[Reason]:
    for key, known in memory.keys.items():
        # Pods wait for an object that does not exist yet, unless they may start without it.
        waited = known.changed == memory.created and not use.optional
        if use.takes(key) and not waited:
            yield Reason(use.id, key, known.changed)
    if memory.removed and (use.key is None or use.key not in memory.keys):
        yield Reason(use.id, None, memory.removed)
