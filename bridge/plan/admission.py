"""Interprets what the API server makes of a change, dry or written: an admission rule may alter it or undo it."""

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
    """Return the change as it would really be.

    A change without any effect is dropped: sending it on every run would fight the admission rule that undoes it.
    """
    if change.desired is None or result is None:
        return change
    altered = after_write(change, result)
    if change.live is None or _has_effect(altered, change.live, result):
        return altered
    kept = tuple(field._replace(what=What.KEEP, by=()) for field in altered.fields)
    return altered._replace(action=Action.KEEP, fields=kept)


def after_write(change: Change, result: Live) -> Change:
    """Return the change, with each field marked that differs in the API server's answer."""
    desired, live = change.desired, change.live
    assert desired is not None
    ours = wanted(desired)
    fields = [
        field_change._replace(
            altered=_altered(desired, live, result, field_change.field) if field_change.field in ours else None
        )
        for field_change in change.fields
        if field_change.field not in FIXED
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
    """Whether any of our fields differs after the change, in value or owner. Others' fields do not count."""
    if (live.type, live.immutable) != (result.type, result.immutable):
        return True
    return not all(
        _same(live, result, field_change.field)
        and _owners(live, field_change.field) == _owners(result, field_change.field)
        for field_change in change.fields
        if field_change.field not in FIXED
    )


def _same(live: Live | None, result: Live, item: Field) -> bool:
    """Whether a field is the same before and after."""
    if item.section == "data":
        before, after = live.data.get(item.name) if live else None, result.data.get(item.name)
        return before is after if before is None or after is None else before.same_as(after)
    if item.section == "labels":
        return (live.labels.get(item.name) if live else None) == result.labels.get(item.name)
    return (live.annotations.get(item.name) if live else None) == result.annotations.get(item.name)


def _owners(live: Live, item: Field) -> set[tuple[str, str]]:
    return {(one.name, one.operation) for one in live.owners(item)}


def may_be_altered(change: Change, memory: Memory) -> bool:
    """Whether an object may differ because of an admission rule: a field that bridge wrote is not as written."""
    known = memory.objects.get(change.id)
    if change.action is not Action.UPDATE or known is None:
        return False
    differing = {What.ADD, What.CHANGE, What.DRIFT, What.RESTORE}
    fixed = not change.changed  # its type or its immutability
    return fixed or any(
        field_change.what in differing and known.wrote(field_change.field) for field_change in change.fields
    )


def untried(change: Change, manager: str) -> Change:
    """Return a change that cannot be dry-run, with the fields marked that the live object shows to be dropped."""
    live = change.live
    assert live is not None
    gone = Alteration(dropped=True, moves=False)
    fields = (
        field_change._replace(altered=gone)
        if field_change.what is What.ADD and is_lost(live, field_change.field, manager)
        else field_change
        for field_change in change.fields
    )
    return change._replace(fields=tuple(fields))


def rewritten(plan: Plan) -> tuple[Problem, ...]:
    """Return a warning for each field that an admission rule alters, except for dropped keys."""
    return tuple(_problem(change, field_change) for change, field_change in _all(plan) if not _is_lost(field_change))


def dropped(plan: Plan) -> tuple[Problem, ...]:
    """Return an error for each key that an admission rule drops: pods that need the key do not get it."""
    return tuple(_problem(change, field_change) for change, field_change in _all(plan) if _is_lost(field_change))


def _all(plan: Plan) -> Iterator[tuple[Change, FieldChange]]:
    return ((change, field_change) for change in plan.changes for field_change in change.altered)


def _is_lost(field_change: FieldChange) -> bool:
    return bool(field_change.altered and field_change.altered.dropped and field_change.field.section == "data")


def _problem(change: Change, field_change: FieldChange) -> Problem:
    assert field_change.altered
    noun = "value" if field_change.field.name else "field"
    verb = (
        f"drops this {NOUNS.get(field_change.field.section, noun)}"
        if field_change.altered.dropped
        else f"rewrites this {noun}"
    )
    hint = FIND if _is_lost(field_change) else "ask the owner of the rule; bridge accepts the rule's result"
    return Problem(f"{change.id} {describe(field_change.field)}", f"an admission rule {verb}", hint)
