"""Compares one object as it is wanted with the object as it is."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.errors import Problem
from bridge.objects import Desired, Field, Live, Manager, Origin
from bridge.plan.model import Action, Alteration, Change, FieldChange, What
from bridge.plan.ownership import CLIENT_SIDE_APPLY, MANAGED_BY, Claim, claim, others, same_object, take_over
from bridge.plan.state import ObjectMemory

TYPE: Final = Field("type")


def diff(desired: Desired, live: Live | None, memory: ObjectMemory | None, manager: str) -> Change:
    """Return what an apply would do to this object. Pure; says nothing of whether it may."""
    if live is None:
        fields = tuple(FieldChange(item, What.ADD, origin) for item, origin in wanted(desired).items())
        return Change(desired.id, Action.CREATE, desired, None, fields, restored=bool(memory and memory.uid))
    desired = _as_admitted(desired, live, memory, manager)
    fields = (*_kept_and_changed(desired, live, memory, manager), *_left(desired, live, manager))
    if desired.admitted:
        fields = (*fields, FieldChange(TYPE, What.KEEP, altered=Alteration(dropped=False, moves=False)))
    fixed = desired.lasting_type == live.type and desired.immutable in (None, live.immutable)
    same = fixed and all(one.what is What.KEEP for one in fields)
    return Change(desired.id, Action.KEEP if same else Action.UPDATE, desired, live, fields)


def _as_admitted(desired: Desired, live: Live, memory: ObjectMemory | None, manager: str) -> Desired:
    """Accept the type that an admission rule made of ours: it is the same object, and was sent with the type of now."""
    if memory is None or desired.type == live.type or memory.type != desired.type:
        return desired
    return desired._replace(admitted=live.type) if same_object(live, manager, memory) else desired


def wanted(desired: Desired) -> Mapping[Field, Origin | None]:
    """Return every field that an apply of this object sends, and where a key's value comes from."""
    return {
        **{Field("data", key): entry.origin for key, entry in desired.keys.items()},
        **{Field("labels", name): None for name in desired.labels},
        **{Field("annotations", name): None for name in desired.annotations},
    }


def _kept_and_changed(desired: Desired, live: Live, memory: ObjectMemory | None, manager: str) -> Iterator[FieldChange]:
    for item, origin in wanted(desired).items():
        rivals = others(live, item, manager)
        what = _what(desired, live, item, memory, manager)
        yield FieldChange(item, what, origin, () if what is What.ADD else rivals)


def _what(desired: Desired, live: Live, item: Field, memory: ObjectMemory | None, manager: str) -> What:
    equal = equals(desired, live, item)
    if equal is None:
        removed = memory and memory.wrote(item) and not is_lost(live, item, manager)
        return What.RESTORE if removed else What.ADD
    if equal:
        owners = live.owners(item)
        ours = len(owners) == 1 and owners[0].name == manager and owners[0].operation == "Apply"
        return What.KEEP if ours else What.RECLAIM
    return What.DRIFT if others(live, item, manager) else What.CHANGE


def is_lost(live: Live, item: Field, manager: str) -> bool:
    """Say whether an object lacks a field that our apply owns, because an admission rule dropped it.

    The API server notes who owns what before its admission plugins change the object; whoever removes a field
    takes it from its owner too.
    """
    ours = any((one.name, one.operation) == (manager, "Apply") for one in live.owners(item))
    return ours and item.name not in {"data": live.data, "labels": live.labels}.get(item.section, live.annotations)


def equals(desired: Desired, live: Live, item: Field) -> bool | None:
    """Compare one field; None where the live object does not have it."""
    if item.section == "data":
        value = live.data.get(item.name)
        return None if value is None else value.same_as(desired.keys[item.name].value)
    here, there = (desired.labels, live.labels) if item.section == "labels" else (desired.annotations, live.annotations)
    return None if item.name not in there else here[item.name] == there[item.name]


def _left(desired: Desired, live: Live, manager: str) -> Iterator[FieldChange]:
    """Yield the fields that our manager still owns although no template names them any more."""
    mine = {item for one in live.managers if one.name == manager and one.operation == "Apply" for item in one.fields}
    for item in sorted(mine - wanted(desired).keys()):
        if item.section in ("data", "labels", "annotations"):
            rivals = others(live, item, manager)
            yield FieldChange(item, What.RELEASE if rivals else What.REMOVE, None, rivals)


def obstacles(change: Change, memory: ObjectMemory | None, manager: str, environment: str = "") -> Iterator[Problem]:
    """Yield the reasons why this change must not be made."""
    live, desired = change.live, change.desired
    if live is None or desired is None or change.action is Action.KEEP:
        return
    where = str(change.id)
    if live.owner:
        yield Problem(where, f"is owned by {live.owner}", "let that owner go of it first")
        return
    others_tool = live.labels.get(MANAGED_BY)
    if others_tool and MANAGED_BY not in desired.labels and not (memory and memory.uid == live.uid):
        yield Problem(where, f"is managed by {others_tool}, says its label", take_over(environment))
        return
    if live.terminating:
        yield Problem(where, "is being deleted", "see which finalizer holds it, and run again when it is gone")
        return
    if change.action is not Action.RECREATE:
        yield from _fixed(_without_lost(change, live, memory, manager), desired, live)
    for one in change.changed:
        verdict = claim(live, one.field, manager, memory)
        yield from _claimed(one, verdict, where, environment)
        yield from _misplaced(one, desired, live, manager, where)


def _without_lost(change: Change, live: Live, memory: ObjectMemory | None, manager: str) -> Change:
    """Leave out what bridge wrote and an admission rule dropped: the dry run tells whether the rule still does."""
    fields = (
        one
        for one in change.fields
        if not (one.what is What.ADD and memory and memory.wrote(one.field) and is_lost(live, one.field, manager))
    )
    return change._replace(fields=tuple(fields))


def is_fixed(change: Change) -> bool:
    """Say whether Kubernetes will not let anybody make this change: it takes another object of the same name."""
    return any(fixed(change))


def fixed(change: Change) -> Iterator[Problem]:
    """Yield what of this change Kubernetes will not let anybody make, whatever an admission rule makes of it."""
    if change.live is not None and change.desired is not None:
        yield from _fixed(change, change.desired, change.live)


def _fixed(change: Change, desired: Desired, live: Live) -> Iterator[Problem]:
    """Yield what Kubernetes never lets anybody change."""
    where, cure = str(change.id), f"`bridge sync --recreate {change.id}` does it if nobody else wrote to it"
    if desired.lasting_type != live.type:
        what = f"has the type {live.type}, the template wants {desired.type}; Kubernetes does not change a type"
        yield Problem(where, what, f"keep its type in the template, or delete the object: {cure}")
    touched = any(one.field.section == "data" and one.what is not What.RECLAIM for one in change.changed)
    if live.immutable and (touched or desired.immutable is False):
        yield Problem(where, "is immutable and would have to change", f"delete the object: {cure}")


def _claimed(one: FieldChange, verdict: Claim, where: str, environment: str) -> Iterator[Problem]:
    if one.what in (What.ADD, What.CHANGE, What.RESTORE, What.REMOVE, What.RELEASE):
        return
    name = f"{where} {describe(one.field)}"
    if verdict is Claim.OTHER_BRIDGE:
        rival = next(rival.name for rival in one.by if rival.name.startswith("bridge/"))
        hint = f"let one of the two write it; {take_over(environment)} if it is this one"
        yield Problem(name, f"is written by another environment of bridge, {rival}", hint)
    elif verdict is Claim.FOREIGN:
        yield Problem(name, f"belongs to {_names(one.by)}", take_over(environment))


def _misplaced(one: FieldChange, desired: Desired, live: Live, manager: str, where: str) -> Iterator[Problem]:
    """Yield a ConfigMap's key that somebody moved between data and binaryData: Kubernetes refuses it in both."""
    entry = desired.keys.get(one.field.name)
    if one.field.section != "data" or entry is None or desired.id.kind != "ConfigMap":
        return
    if one.field.name in live.data and others(live, one.field, manager):
        here, there = ("data", "binaryData") if entry.value.is_text() else ("binaryData", "data")
        if (one.field.name in live.binary) == (there == "binaryData"):
            what = f"stands in {there} now, and belongs into {here}"
            yield Problem(f"{where} {describe(one.field)}", what, f"remove it from {there}, then run again")


def describe(item: Field) -> str:
    """Name a field for a message: `key A`, `label B`, `annotation C`, `type`."""
    nouns = {"data": "key", "labels": "label", "annotations": "annotation"}
    return f"{nouns.get(item.section, item.section)} {item.name}".strip()


def _names(managers: tuple[Manager, ...]) -> str:
    return " and ".join(dict.fromkeys(f"{one.name} ({one.operation})" for one in managers))


def overwritten_by_apply(change: Change) -> bool:
    """Say whether `kubectl apply` put its own values over ours."""
    return any(rival.name == CLIENT_SIDE_APPLY for one in change.fields if one.what is What.DRIFT for rival in one.by)
