"""What a run reports, as plain data: the schema of `--output json`, and the basis of the other reports."""

from collections.abc import Iterable
from typing import Any, Final

from bridge.errors import BridgeError, Problem
from bridge.objects import Layer, ObjectId, Origin
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import Action, Change, FieldChange, Plan, What
from bridge.report.cluster import cluster_data

SCHEMA: Final = "bridge/report/v1"
ALTERED: Final = "altered"
"""The state of a field that an admission rule drops or rewrites, whatever was sent."""
LAYERS: Final = {Layer.SOURCE: "source", Layer.ENV_FILE: "env file", Layer.TEMPLATE: "template"}


def plan_head(plan: Plan) -> dict[str, Any]:
    """Return what each report about a plan begins with."""
    return {
        "schema": SCHEMA,
        "environment": plan.environment,
        "namespace": plan.namespace,
        "manager": plan.manager,
        "cluster": cluster_data(plan.cluster),
    }


def plan_data(plan: Plan, *, show_config: bool = False) -> dict[str, Any]:
    """Return a plan as data. It contains no value, unless ConfigMap literals are requested."""
    return {
        **plan_head(plan),
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
    """Add the outcome to a plan's data, with what became of each object."""
    mark_written(data, written, begun)
    return {**data, "result": result, "errors": [*problems(error.problems if error else ()), *data["errors"]]}


def mark_written(data: dict[str, Any], written: Iterable[ObjectId], begun: Iterable[ObjectId]) -> None:
    """Record in the data which objects are written, not written, or perhaps written (`begun`)."""
    # Copies, made in one step: a write that outlived the run's time limit may still end in its thread.
    done, perhaps = ({str(id_) for id_ in tuple(ids)} for ids in (written, begun))
    for entry in data["objects"]:
        name = f"{entry['kind']}/{entry['name']}"
        entry["written"] = "yes" if name in done else "perhaps" if name in perhaps else "no"


def is_shown(entry: dict[str, Any]) -> bool:
    """Whether a report lists an object: all but unchanged objects, unless an admission rule alters them."""
    return bool(entry["action"] != "keep" or entry["altered"])


def problems(found: Iterable[Problem]) -> list[dict[str, str]]:
    """Return problems as data."""
    return [{"where": problem.where, "what": problem.what, "hint": problem.hint} for problem in found]


def _summary(changes: Iterable[Change]) -> dict[str, int]:
    """Count the objects by what happens to them. An unchanged one is `altered` or `keep`; others may be both."""
    counts = {action.value: 0 for action in Action} | {ALTERED: 0}
    for change in changes:
        counts[ALTERED] += bool(change.altered)
        counts[change.action.value] += not (change.altered and change.action is Action.KEEP)
    return counts


def _change(change: Change, *, show_config: bool) -> dict[str, Any]:
    sections: dict[str, list[dict[str, Any]]] = {"data": [], "labels": [], "annotations": [], "fields": []}
    for field_change in change.fields:
        shown = show_config and _public(change, field_change)
        section = field_change.field.section if field_change.field.section in sections else "fields"
        sections[section].append(_field(field_change) | (_value(change, field_change) if shown else {}))
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


def _field(field_change: FieldChange) -> dict[str, Any]:
    return {
        "name": field_change.field.name or field_change.field.section,
        "what": ALTERED if field_change.altered else field_change.what.value,
        "altered": ("dropped" if field_change.altered.dropped else "rewritten") if field_change.altered else None,
        "origin": origin_data(field_change.origin) if field_change.origin else None,
        "by": [{"manager": by.name, "operation": by.operation, "time": by.time} for by in field_change.by],
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


def _public(change: Change, field_change: FieldChange) -> bool:
    """Whether a value may be shown: it is a ConfigMap's, and from a plain file, not from a store."""
    stored = field_change.origin is None or Layer.SOURCE in field_change.origin.layers
    return (
        change.id.kind == "ConfigMap"
        and field_change.field.section == "data"
        and not stored
        and field_change.what is not What.REMOVE
    )


def _value(change: Change, field_change: FieldChange) -> dict[str, Any]:
    assert change.desired is not None
    return {"value": change.desired.keys[field_change.field.name].value.reveal().decode(errors="replace")}
