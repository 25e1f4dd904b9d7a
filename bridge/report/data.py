"""What a run tells, as plain data: the schema of `--output json`, and what the other reports are made from."""

from collections.abc import Iterable
from typing import Any, Final

from bridge.errors import BridgeError, Problem
from bridge.objects import Layer, ObjectId, Origin
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import Action, Change, FieldChange, Plan, What
from bridge.report.cluster import cluster_data

SCHEMA: Final = "bridge/report/v1"
ALTERED: Final = "altered"
"""What is said of a field that an admission rule drops or rewrites, whatever was sent."""
LAYERS: Final = {Layer.SOURCE: "source", Layer.ENV_FILE: "env file", Layer.TEMPLATE: "template"}


def plan_data(plan: Plan, *, show_config: bool = False) -> dict[str, Any]:
    """Return a plan as data. No value is in it, unless ConfigMap literals are asked for."""
    return {
        "schema": SCHEMA,
        "environment": plan.environment,
        "namespace": plan.namespace,
        "manager": plan.manager,
        "cluster": cluster_data(plan.cluster),
        "stores": {name: list(urls) for name, urls in plan.stores.items()},
        "objects": [_change(change, show_config=show_config) for change in plan.changes],
        "summary": _summary(plan.changes),
        "sources": {name: revision.id for name, revision in plan.sources.items()},
        "refusals": problems(plan.refusals),
        "warnings": problems((*plan.warnings, *rewritten(plan))),
        "errors": problems(dropped(plan)),
    }


def outcome_data(
    data: dict[str, Any],
    result: str,
    written: Iterable[ObjectId] = (),
    begun: Iterable[ObjectId] = (),
    error: BridgeError | None = None,
) -> dict[str, Any]:
    """Add to a plan's data what became of it: an object is written, not written, or perhaps (`begun`)."""
    done, perhaps = {str(id_) for id_ in written}, {str(id_) for id_ in begun}
    for one in data["objects"]:
        name = f"{one['kind']}/{one['name']}"
        one["written"] = "yes" if name in done else "perhaps" if name in perhaps else "no"
    return {**data, "result": result, "errors": [*problems(error.problems if error else ()), *data["errors"]]}


def is_shown(one: dict[str, Any]) -> bool:
    """Say whether a report names an object: not one that stays, unless an admission rule alters it."""
    return bool(one["action"] != "keep" or one["altered"])


def problems(found: Iterable[Problem]) -> list[dict[str, str]]:
    """Return problems as data."""
    return [{"where": one.where, "what": one.what, "hint": one.hint} for one in found]


def _summary(changes: Iterable[Change]) -> dict[str, int]:
    """Count the objects by what happens to them. One that stays is `altered` or `keep`, any other may be both."""
    counts = {action.value: 0 for action in Action} | {ALTERED: 0}
    for change in changes:
        counts[ALTERED] += bool(change.altered)
        counts[change.action.value] += not (change.altered and change.action is Action.KEEP)
    return counts


def _change(change: Change, *, show_config: bool) -> dict[str, Any]:
    sections: dict[str, list[dict[str, Any]]] = {"data": [], "labels": [], "annotations": [], "fields": []}
    for one in change.fields:
        shown = show_config and _public(change, one)
        section = one.field.section if one.field.section in sections else "fields"
        sections[section].append(_field(one) | (_value(change, one) if shown else {}))
    return {
        "kind": change.id.kind,
        "name": change.id.name,
        "action": change.action.value,
        "restored": change.restored,
        "altered": bool(change.altered),
        "keys": sections["data"],
        "labels": sections["labels"],
        "annotations": sections["annotations"],
        "fields": sections["fields"],
    }


def _field(one: FieldChange) -> dict[str, Any]:
    return {
        "name": one.field.name or one.field.section,
        "what": ALTERED if one.altered else one.what.value,
        "altered": ("dropped" if one.altered.dropped else "rewritten") if one.altered else None,
        "origin": origin_data(one.origin) if one.origin else None,
        "by": [{"manager": by.name, "operation": by.operation, "time": by.time} for by in one.by],
    }


def origin_data(origin: Origin) -> dict[str, Any]:
    """Return a value's provenance as data."""
    return {
        "layer": LAYERS[origin.layer],
        "place": origin.place,
        "revision": origin.revision,
        "variables": [part.name for part in origin.parts],
        "places": list(origin.places),
    }


def _public(change: Change, one: FieldChange) -> bool:
    """Say whether a value may be shown: a ConfigMap's, and out of a plain file, not out of a store."""
    stored = one.origin is None or Layer.SOURCE in one.origin.layers
    return change.id.kind == "ConfigMap" and one.field.section == "data" and not stored and one.what is not What.REMOVE


def _value(change: Change, one: FieldChange) -> dict[str, Any]:
    assert change.desired is not None
    return {"value": change.desired.keys[one.field.name].value.reveal().decode(errors="replace")}
