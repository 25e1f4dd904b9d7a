"""Judges what the API server makes of a change, dry or written: an admission rule may alter it or undo it."""

from collections.abc import Iterator
from typing import Final

from bridge.errors import Problem
from bridge.objects import Desired, Field, Live
from bridge.plan.diff import TYPE, describe, equals, is_lost, wanted
from bridge.plan.model import Action, Alteration, Change, FieldChange, Plan, What
from bridge.plan.state import Memory

IMMUTABLE: Final = Field("immutable")
FIXED: Final = (TYPE, IMMUTABLE)
NOUNS: Final = {"data": "key", "labels": "label", "annotations": "annotation"}
FIND: Final = "find the rule with `kubectl get mutatingadmissionpolicies,mutatingwebhookconfigurations`"


def after_dry_run(change: Change, result: Live | None) -> Change:
    """Return the change as it really would be.

    A change without any effect is kept back: sending it on every run would fight the admission rule that undoes it.
    """
    if change.desired is None or result is None:
        return change
    altered = after_write(change, result)
    if change.live is None or _has_effect(altered, change.live, result):
        return altered
    kept = tuple(one._replace(what=What.KEEP, by=()) for one in altered.fields)
    return altered._replace(action=Action.KEEP, fields=kept)


def after_write(change: Change, result: Live) -> Change:
    """Return the change with each field marked that the API server's answer does not have as it was sent."""
    desired, live = change.desired, change.live
    assert desired is not None
    ours = wanted(desired)
    fields = [
        one._replace(altered=_altered(desired, live, result, one.field) if one.field in ours else None)
        for one in change.fields
        if one.field not in FIXED
    ]
    return change._replace(fields=(*fields, *_fixed(desired, live, result)))


def _altered(desired: Desired, live: Live | None, result: Live, item: Field) -> Alteration | None:
    equal = equals(desired, result, item)
    if equal:
        return None
    return Alteration(dropped=equal is None, moves=not _same(live, result, item))


def _fixed(desired: Desired, live: Live | None, result: Live) -> Iterator[FieldChange]:
    if desired.type not in (None, result.type):
        moves = live is None or live.type != result.type
        yield FieldChange(TYPE, What.KEEP, altered=Alteration(dropped=False, moves=moves))
    if desired.immutable not in (None, result.immutable):
        moves = live is None or live.immutable != result.immutable
        yield FieldChange(IMMUTABLE, What.KEEP, altered=Alteration(dropped=desired.immutable is True, moves=moves))


def _has_effect(change: Change, live: Live, result: Live) -> bool:
    """Say whether anything of ours differs after the change: a value, or who owns it. Others' fields do not count."""
    if (live.type, live.immutable) != (result.type, result.immutable):
        return True
    return not all(
        _same(live, result, one.field) and _owners(live, one.field) == _owners(result, one.field)
        for one in change.fields
        if one.field not in FIXED
    )


def _same(live: Live | None, result: Live, item: Field) -> bool:
    """Say whether a field is the same before and after."""
    if item.section == "data":
        before, after = live.data.get(item.name) if live else None, result.data.get(item.name)
        return before is after if before is None or after is None else before.same_as(after)
    if item.section == "labels":
        return (live.labels.get(item.name) if live else None) == result.labels.get(item.name)
    return (live.annotations.get(item.name) if live else None) == result.annotations.get(item.name)


def _owners(live: Live, item: Field) -> set[tuple[str, str]]:
    return {(one.name, one.operation) for one in live.owners(item)}


def may_be_altered(change: Change, memory: Memory) -> bool:
    """Say whether an object may differ because of an admission rule: bridge has written what is not as it wrote it."""
    known = memory.objects.get(change.id)
    if change.action is not Action.UPDATE or known is None:
        return False
    differing = {What.ADD, What.CHANGE, What.DRIFT, What.RESTORE}
    fixed = not change.changed  # its type, or whether it is immutable
    return fixed or any(one.what in differing and known.wrote(one.field) for one in change.fields)


def untried(change: Change, manager: str) -> Change:
    """Return a change that cannot be tried dry, with what the object itself shows to be dropped."""
    live = change.live
    assert live is not None
    gone = Alteration(dropped=True, moves=False)
    fields = (
        one._replace(altered=gone) if one.what is What.ADD and is_lost(live, one.field, manager) else one
        for one in change.fields
    )
    return change._replace(fields=tuple(fields))


def rewritten(plan: Plan) -> tuple[Problem, ...]:
    """Return a warning for each field that an admission rule alters, except for the keys that it drops."""
    return tuple(_problem(change, one) for change, one in _all(plan) if not _is_lost(one))


def dropped(plan: Plan) -> tuple[Problem, ...]:
    """Return an error for each key that an admission rule drops: a pod that needs the key does not get it."""
    return tuple(_problem(change, one) for change, one in _all(plan) if _is_lost(one))


def _all(plan: Plan) -> Iterator[tuple[Change, FieldChange]]:
    return ((change, one) for change in plan.changes for one in change.altered)


def _is_lost(one: FieldChange) -> bool:
    return bool(one.altered and one.altered.dropped and one.field.section == "data")


def _problem(change: Change, one: FieldChange) -> Problem:
    assert one.altered
    noun = "value" if one.field.name else "field"
    verb = f"drops this {NOUNS.get(one.field.section, noun)}" if one.altered.dropped else f"rewrites this {noun}"
    hint = FIND if _is_lost(one) else "ask who runs that rule; bridge does not fight it"
    return Problem(f"{change.id} {describe(one.field)}", f"an admission rule of the cluster {verb}", hint)
