"""The table of variables: what uses each, where it comes from, whether the cluster has it."""

from collections import Counter
from typing import Any, Final

from bridge.objects import ObjectId
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import Change, FieldChange, Plan, What
from bridge.report.cluster import cluster_data, heading
from bridge.report.data import ALTERED, SCHEMA, origin_data, problems
from bridge.report.style import Style, table
from bridge.report.text import place

STATES: Final = {
    What.KEEP: "in sync",
    What.ADD: "missing",
    What.CHANGE: "outdated",
    What.DRIFT: "drifted",
    What.RESTORE: "removed by hand",
    What.RECLAIM: "not ours alone",
}


def status_data(plan: Plan, unused: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return one row for every key of every object, and the sources' other content.

    `in_sync` means that a sync would be allowed and would write nothing, and that the cluster has what was sent.
    """
    keys = [row for change in plan.changes if change.desired for row in _rows(change, plan)]
    states = Counter(row["state"] for row in keys)
    return {
        "schema": SCHEMA,
        "environment": plan.environment,
        "namespace": plan.namespace,
        "manager": plan.manager,
        "cluster": cluster_data(plan.cluster),
        "stores": {name: list(urls) for name, urls in plan.stores.items()},
        "in_sync": not (plan.pending or plan.refusals or any(change.altered for change in plan.changes)),
        "summary": {state: states[state] for state in (*STATES.values(), ALTERED)},
        "keys": keys,
        "left": [str(change.id) for change in plan.changes if change.desired is None],
        "sources": [
            {
                "reference": name,
                "revision": revision.id,
                "written": _written(plan, name),
                "ordered": revision.order is not None,
                "unused": list(unused.get(name, ())),
            }
            for name, revision in plan.sources.items()
        ],
        "refusals": problems(plan.refusals),
        "warnings": problems((*plan.warnings, *rewritten(plan))),
        "errors": problems(dropped(plan)),
    }


def _written(plan: Plan, source: str) -> str | None:
    known = plan.memory.sources.get(source)
    return known.id if known else None


def _rows(change: Change, plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "object": str(change.id),
            "key": field_change.field.name,
            "origin": origin_data(field_change.origin),
            "state": ALTERED if field_change.altered else STATES[field_change.what],
            "changed": _changed(plan, change.id, field_change),
        }
        for field_change in change.fields
        if field_change.field.section == "data" and field_change.origin
    ]


def _changed(plan: Plan, id_: ObjectId, field_change: FieldChange) -> str | None:
    memory = plan.memory.objects.get(id_)
    known = memory.keys.get(field_change.field.name) if memory else None
    return known.changed if known else None


def status_text(data: dict[str, Any], style: Style) -> str:
    """Return the tables as text."""
    keys = [("VARIABLE", "OBJECT", "KEY", "FROM", "STATE", "LAST CHANGE")]
    keys += [
        (
            ", ".join(row["origin"]["variables"]) or "-",
            row["object"],
            row["key"],
            place(row["origin"]),
            row["state"],
            row["changed"] or "-",
        )
        for row in data["keys"]
    ]
    sources = [("SOURCE", "REVISION", "WRITTEN LAST", "ORDER", "UNUSED FIELDS")]
    sources += [
        (
            row["reference"],
            row["revision"],
            row["written"] or "-",
            "known" if row["ordered"] else "none",
            ", ".join(row["unused"]) or "-",
        )
        for row in data["sources"]
    ]
    left = "".join(f"{name} is no longer in the templates but still in the cluster\n" for name in data["left"])
    head = "".join(f"{line}\n" for line in heading(data, style))
    return "\n".join((head, table(keys), table(sources))) + left
