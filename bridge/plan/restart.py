"""Judges which workloads run with keys that have changed since their pods were made. Pure."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bridge.objects import ObjectId
from bridge.plan.consumers import Use
from bridge.plan.rollout import Workload
from bridge.plan.state import Memory, ObjectMemory


class Reason(NamedTuple):
    """A consumed key that changed; `key` is None for one that left the object. `changed` is RFC 3339."""

    id: ObjectId
    key: str | None
    changed: str


class Step(enum.Enum):
    """What restarting does with a workload."""

    NONE = "current"
    ROLL = "restart"
    HOLD = "paused"  # behind, and its controller replaces no pod


class Verdict(NamedTuple):
    """What becomes of one workload, why, and the mark that its pod template gets."""

    workload: Workload
    step: Step
    reasons: tuple[Reason, ...]
    mark: str


def judge(
    workloads: Iterable[Workload], rolled_out: Mapping[str, str], memory: Memory, *, everything: str = ""
) -> tuple[Verdict, ...]:
    """Judge every workload that consumes what bridge writes.

    `rolled_out` holds by uid when the pod template was first rolled out from which a workload's pods are
    made; it is missing where no pod was ever made, and those to come need no restart. `everything` is
    a text of the moment: all consumers are rolled then, whatever the times.
    """
    return tuple(_verdict(one, rolled_out.get(one.uid), memory, everything) for one in consumers(workloads, memory))


def consumers(workloads: Iterable[Workload], memory: Memory) -> tuple[Workload, ...]:
    """Return the workloads that consume what bridge writes."""
    return tuple(one for one in workloads if any(use.id in memory.objects for use in one.uses))


def _verdict(workload: Workload, rolled_out: str | None, memory: Memory, everything: str) -> Verdict:
    found = sorted(set(_changes(workload.uses, memory)), key=lambda one: (one.id, one.key or ""))
    changes = tuple(sorted(found, key=lambda one: one.changed, reverse=True))
    mark = changes[0].changed if changes else ""
    reasons = () if rolled_out is None else tuple(_unseen(changes, rolled_out, workload.mark.partition(" ")[0]))
    if not reasons and not everything:
        return Verdict(workload, Step.NONE, (), mark)
    step = Step.HOLD if workload.paused else Step.ROLL
    return Verdict(workload, step, reasons, f"{mark} {everything}".strip())


def _unseen(changes: tuple[Reason, ...], rolled_out: str, mark: str) -> Iterator[Reason]:
    """Yield the changes that the pods may not have.

    A time means a whole second: a rollout in the second of a change may have come before it. The mark has no
    such doubt, it is the time of the newest change that was known when the template got it. One from
    the future of all that is remembered belongs to another memory, and says nothing.
    """
    known = mark if changes and mark <= changes[0].changed else ""
    for one in changes:
        if one.changed >= rolled_out and one.changed > known:
            yield one


def _changes(uses: Iterable[Use], memory: Memory) -> Iterator[Reason]:
    """Yield when each key last changed that a running pod has as it was when its container started."""
    for use in uses:
        if use.id in memory.objects and not use.how.follows:
            yield from _changes_of(use, memory.objects[use.id])


def _changes_of(use: Use, memory: ObjectMemory) -> Iterator[Reason]:
    for key, known in memory.keys.items():
        # Pods wait for an object that is not there yet, unless they may start without it.
        waited = known.changed == memory.created and not use.optional
        if use.takes(key) and not waited:
            yield Reason(use.id, key, known.changed)
    if memory.removed and (use.key is None or use.key not in memory.keys):
        yield Reason(use.id, None, memory.removed)
