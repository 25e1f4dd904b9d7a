"""Field ownership: server-side apply and its bookkeeping (k8s.io/apimachinery, util/managedfields)."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.testing import fields
from bridge.testing.fields import Difference, Path
from bridge.testing.patches import copied
from bridge.testing.status import ApiError, Cause

BEFORE_FIRST_APPLY: Final = "before-first-apply"


class Owner(NamedTuple):
    """A field manager; the same name with a different operation is a different manager."""

    operation: str  # Apply or Update
    name: str
    version: str  # the apiVersion that it wrote in


class Entry(NamedTuple):
    """The fields that a manager owns, and since when; the time is empty if it only shares fields."""

    fields: frozenset[Path]
    time: str


Managers: TypeAlias = dict[Owner, Entry]


def read(entries: Iterable[Mapping[str, Any]]) -> Managers:
    """Parse `managedFields`; raise ValueError if an entry is malformed."""
    managers: Managers = {}
    for entry in entries:
        operation = entry.get("operation")
        if operation not in {"Apply", "Update"} or entry.get("fieldsType") != "FieldsV1":
            raise ValueError("not an entry of managedFields")
        owner = Owner(operation, entry.get("manager", ""), entry.get("apiVersion", ""))
        managers[owner] = Entry(fields.decode(entry.get("fieldsV1", {})), entry.get("time", ""))
    return managers


def write(managers: Managers) -> list[dict[str, Any]]:
    """Encode `managedFields` in the server's order."""
    ordered = sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0].name))
    return [_written(owner, entry) for owner, entry in ordered]


def requested(live: Managers, entries: list[Mapping[str, Any]] | None) -> Managers:
    """Return the managers that an update starts from: those in the request if valid, else those of the live object.

    An empty list, or a list with one empty entry, is the documented way to give up all ownership.
    """
    if entries is None:
        return live
    if entries in ([], [{}]):
        return {}
    try:
        return read(entries) or live
    except ValueError:
        return live


def update(old: Mapping[str, Any] | None, new: Mapping[str, Any], managers: Managers, owner: Owner) -> Managers:
    """Move the ownership of all fields that a create, an update or a patch changes to its manager."""
    if old is not None and not managers:
        return {}  # if ownership was given up, the object has no managers until the next apply
    difference = fields.compare(old or {}, new)
    kept = _without_lost(managers, difference)
    if difference.changed:
        before = kept.get(owner, Entry(frozenset(), "")).fields
        kept[owner] = Entry(before | difference.changed, now())
    return kept


def apply(
    live: Mapping[str, Any] | None, config: Mapping[str, Any], managers: Managers, owner: Owner, *, force: bool
) -> tuple[dict[str, Any], Managers]:
    """Merge a configuration into an object; raise ApiError 409 if it changes fields of others, unless forced."""
    if live is not None and not managers:
        everything = fields.compare({}, live).changed
        managers = {Owner("Update", BEFORE_FIRST_APPLY, owner.version): Entry(everything, now())}
    last = managers.get(owner, Entry(frozenset(), ""))
    claimed = managers | {owner: Entry(fields.applied(config), last.time)}
    merged = _merge(live or {}, config)
    owned = frozenset[Path]().union(*(entry.fields for entry in claimed.values()))
    for path in last.fields - owned:
        fields.remove(merged, path)
    difference = fields.compare(live or {}, merged)
    others = {key: entry for key, entry in claimed.items() if key != owner}
    if not force:
        _refuse_conflicts(others, difference.changed)
    own = claimed[owner]
    result = _without_lost(others, difference)
    if own.fields:
        result[owner] = own._replace(time=now()) if difference else own
    return merged, result


def now() -> str:
    """Return the current time in the format of objects: UTC, in whole seconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_lost(managers: Managers, difference: Difference) -> Managers:
    lost = difference.changed | difference.removed
    left = {owner: entry._replace(fields=entry.fields - lost) for owner, entry in managers.items()}
    return {owner: entry for owner, entry in left.items() if entry.fields}


def _refuse_conflicts(others: Managers, changed: frozenset[Path]) -> None:
    owned = [(owner, sorted(entry.fields & changed)) for owner, entry in sorted(others.items())]
    causes = [
        Cause("FieldManagerConflict", f"conflict with {_named(owner)}", fields.label(path))
        for owner, paths in owned
        for path in paths
    ]
    if causes:
        message = f"Apply failed with {len(causes)} conflict{'s' * (len(causes) > 1)}: {_listed(causes)}"
        raise ApiError(409, message, details={"causes": [cause._asdict() for cause in causes]})


def _named(owner: Owner) -> str:
    return f'"{owner.name}"' + (f" using {owner.version}" if owner.operation == "Update" else "")


def _listed(causes: list[Cause]) -> str:
    if len(causes) == 1:
        return f"{causes[0].message}: {causes[0].field}"
    lines = []
    for message in dict.fromkeys(cause.message for cause in causes):
        lines.append(f"{message.replace('conflict', 'conflicts', 1)}:")
        lines += [f"- {cause.field}" for cause in causes if cause.message == message]
    return "\n".join(lines)


def _written(owner: Owner, entry: Entry) -> dict[str, Any]:
    head = {"manager": owner.name, "operation": owner.operation, "apiVersion": owner.version}
    time = {"time": entry.time} if entry.time else {}
    return head | time | {"fieldsType": "FieldsV1", "fieldsV1": fields.encode(entry.fields)}


def _merge(live: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    merged = copied(dict(live))
    for name, value in config.items():
        before = merged.get(name)
        if isinstance(before, dict) and value is None:
            continue  # a map set to null claims the map but removes nothing
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = _merge(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[name] = before + [item for item in value if item not in before]
        else:
            merged[name] = copied(value)
    return merged
