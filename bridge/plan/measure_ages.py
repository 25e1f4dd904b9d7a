"""Measures how old values are: by their stores, and by the state ConfigMap, which knows when a key last changed."""

from collections.abc import Iterable
from typing import Final

from bridge.config.age_limits import NO_LIMIT
from bridge.config.durations import MINUTE
from bridge.plan.ages import StoredValue, ValueAge, seconds_of
from bridge.plan.model import Plan, What

SKEW: Final = MINUTE
"""How far clocks may differ before a time in the future is reported."""


def ages(values: Iterable[StoredValue], plan: Plan | None, now: str) -> tuple[ValueAge, ...]:
    """Return the ages at `now` (RFC 3339). `plan` is None if the cluster was not asked."""
    moment = seconds_of(now)
    assert moment is not None
    return tuple(_age(value, _unchanged_since(value, plan) if plan else None, moment) for value in values)


def _unchanged_since(value: StoredValue, plan: Plan) -> float | None:
    """Return when bridge last changed a key that is still in sync. Its value is at least that old."""
    change = next((one for one in plan.changes if one.id == value.object), None)
    memory = plan.memory.objects.get(change.id) if change else None
    known = memory.keys.get(value.key) if memory else None
    if not (change and memory and known) or known.pending or known.changed == memory.begun:
        return None
    item = next((one for one in change.fields if (one.field.section, one.field.name) == ("data", value.key)), None)
    kept = item is not None and item.what is What.KEEP and not item.altered
    return seconds_of(known.changed) if kept else None


def _age(value: StoredValue, unchanged: float | None, now: float) -> ValueAge:
    stored = seconds_of(value.time)
    since = min((one for one in (stored, unchanged) if one is not None), default=None)
    seconds = None if since is None else int(now - since)
    expires, is_certificate = _expiry(value)
    ends = seconds_of(expires)
    return ValueAge(
        value.name,
        value.object,
        value.key,
        limited=value.limit != NO_LIMIT,
        seconds=None if seconds is None else max(0, seconds),
        at_least=since is not None and not (value.exact and since == stored),
        ahead=-seconds if seconds is not None and seconds < -SKEW else 0,
        limit=value.limit.max_age,
        expires=expires,
        is_certificate=is_certificate,
        expires_in=None if ends is None else int(ends - now),
    )


def _expiry(value: StoredValue) -> tuple[str, bool]:
    """Return when a value expires, in UTC, and whether its certificate says so: the earlier of two times counts."""
    known = [(time, moment) for time in (value.limit.expires, value.ends) if (moment := seconds_of(time)) is not None]
    if not known:
        return "", False
    time, _ = min(known, key=lambda pair: pair[1])
    return time, time == value.ends
