"""What is taken over, and what became of it: as data, and for people."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from bridge.objects import LAST_APPLIED, Field, Manager, ObjectId
from bridge.plan.adoption import Adoption
from bridge.plan.model import Change, Plan, What
from bridge.plan.ownership import MANAGED_BY
from bridge.report.cluster import cluster_data, heading
from bridge.report.data import SCHEMA
from bridge.report.style import Style
from bridge.report.text import manager_text

RESULTS: Final = {
    "planned": "to take over",
    "unchanged": "nothing to take over",
    "written": "taken over",
    "refused": "refused, nothing was written",
    "failed": "failed, nothing was written",
    "stopped": "stopped between writes; run again",
    "interrupted": "interrupted",
}
SECTIONS: Final = {"data": "key", "labels": "label", "annotations": "annotation"}
NEXT: Final = {"keep": "its value stays", "change": "the next sync changes its value"}


def adoption_data(plan: Plan, changes: Iterable[tuple[Adoption, Change]], next_: list[str]) -> dict[str, Any]:
    """Return what changes hands, and for each key what the next sync does with it. No value is in it."""
    return {
        "schema": SCHEMA,
        "environment": plan.environment,
        "namespace": plan.namespace,
        "manager": plan.manager,
        "cluster": cluster_data(plan.cluster),
        "objects": [_object(one, change) for one, change in changes],
        "next": next_,
    }


def outcome_of(data: dict[str, Any], written: Iterable[ObjectId], begun: Iterable[ObjectId]) -> None:
    """Say in the data which objects are taken over, or perhaps (`begun`)."""
    done, perhaps = {str(id_) for id_ in written}, {str(id_) for id_ in begun}
    for one in data["objects"]:
        name = f"{one['kind']}/{one['name']}"
        one["written"] = "yes" if name in done else "perhaps" if name in perhaps else "no"


def _object(one: Adoption, change: Change) -> dict[str, Any]:
    next_ = {field.field: field.what for field in change.fields}
    return {
        "kind": one.id.kind,
        "name": one.id.name,
        "moves": [
            _field(item) | {"from": [_manager(by) for by in owners], "next": next_.get(item, What.KEEP).value}
            for item, owners in one.moves.items()
        ],
        "missing": [_field(item)["name"] for item, what in next_.items() if what in (What.ADD, What.RESTORE)],
        "stays": [_manager(by) | {"fields": [_field(item) for item in fields]} for by, fields in one.stays.items()],
        "label": one.live.labels[MANAGED_BY] if one.unknown else None,
        "last_applied": one.live.last_applied,
        "written": "no",
    }


def _field(item: Field) -> dict[str, Any]:
    return {"field": SECTIONS.get(item.section, item.section), "name": item.name}


def _manager(by: Manager) -> dict[str, str]:
    return {"manager": by.name, "operation": by.operation, "time": by.time}


def adoption_text(data: dict[str, Any], style: Style) -> str:
    """Return what is to be taken over, one block an object, one line a field."""
    lines = [*heading(data, style), ""]
    for one in data["objects"]:
        lines += [style.by_mark("~", f"~ {one['kind']}/{one['name']}"), *_lines(one, style), ""]
    return "\n".join(lines) + "\n"


def _lines(one: dict[str, Any], style: Style) -> Iterator[str]:
    width = max((len(_name(move)) for move in one["moves"]), default=0)
    for move in one["moves"]:
        owners = " and ".join(map(manager_text, move["from"])) or "nobody"
        yield style.by_mark("~", f"    ~ {_name(move):<{width}}  from {owners}{_next(move)}")
    if one["last_applied"]:
        yield style.by_mark("-", f"    - annotation {LAST_APPLIED}  goes")
    if one["label"]:
        yield f"    = label {MANAGED_BY}  says {one['label']}; it stays, and stands in nobody's way any more"
    if one["missing"]:
        yield style.by_mark("+", f"    + {', '.join(one['missing'])}  not there: the next sync adds it")
    for by in one["stays"]:
        yield f"    = {', '.join(map(_name, by['fields']))}  with {manager_text(by)}, as before"


def _next(move: dict[str, Any]) -> str:
    return f"; {NEXT[move['next']]}" if move["field"] in SECTIONS.values() else ""


def _name(field: dict[str, Any]) -> str:
    return field["name"] if field["field"] == "key" else f"{field['field']} {field['name']}".strip()


def result_text(data: dict[str, Any], result: str) -> str:
    """Return the last lines: what became of each object, and what comes next."""
    count = len(data["objects"])
    lines = []
    if result in ("stopped", "interrupted"):
        words = {"yes": "taken over", "perhaps": "perhaps taken over", "no": "as it was"}
        lines += [f"{one['kind']}/{one['name']}  {words[one['written']]}" for one in data["objects"]]
    keys = sum(move["field"] == "key" for one in data["objects"] for move in one["moves"])
    counted = f"{keys} key{'s' * (keys != 1)} of {count} object{'s' * (count != 1)}: " if count else ""
    lines.append(f"{counted}{RESULTS[result]}")
    if result in ("written", "unchanged"):
        lines += [f"next: {step}" for step in data["next"]]
    return "\n".join(lines) + "\n"
