"""What is taken over, and the outcome: as data, and as text."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from bridge.objects import LAST_APPLIED, Field, Manager
from bridge.plan.adoption import Adoption
from bridge.plan.controllers import release
from bridge.plan.model import Change, Plan, What
from bridge.plan.ownership import MANAGED_BY
from bridge.report.cluster import heading
from bridge.report.data import plan_head
from bridge.report.own_flags import with_flags
from bridge.report.record import Record
from bridge.report.style import Style
from bridge.report.text import manager_text

RESULTS: Final = {
    "planned": "to take over",
    "unchanged": "nothing to take over",
    "written": "taken over",
    "refused": "refused; nothing was written",
    "failed": "failed; nothing was written",
    "stopped": "stopped between writes; run again",
    "interrupted": "interrupted",
}
SECTIONS: Final = {"data": "key", "labels": "label", "annotations": "annotation"}
NEXT: Final = {"keep": "its value stays", "change": "the next sync changes its value"}


def adoption_data(
    plan: Plan, changes: Iterable[tuple[Adoption, Change]], next_: list[str], record: Record
) -> dict[str, Any]:
    """Return what changes its owner, and for each key what the next sync does with it. It contains no value."""
    return {
        **plan_head(plan),
        "objects": [
            _object(adoption, change)
            | {"release": [with_flags(record, line) for line in release(adoption.live, plan.namespace)]}
            for adoption, change in changes
        ],
        "next": next_,
    }


def _object(adoption: Adoption, change: Change) -> dict[str, Any]:
    next_ = {field.field: field.what for field in change.fields}
    return {
        "kind": adoption.id.kind,
        "name": adoption.id.name,
        "moves": [
            _field(item) | {"from": [_manager(by) for by in owners], "next": next_.get(item, What.KEEP).value}
            for item, owners in adoption.moves.items()
        ],
        "missing": [_field(item)["name"] for item, what in next_.items() if what in (What.ADD, What.RESTORE)],
        "stays": [
            _manager(by) | {"fields": [_field(item) for item in fields]} for by, fields in adoption.stays.items()
        ],
        "label": adoption.live.labels[MANAGED_BY] if adoption.unknown else None,
        "last_applied": adoption.live.last_applied,
        "written": "no",
    }


def _field(item: Field) -> dict[str, Any]:
    return {"field": SECTIONS.get(item.section, item.section), "name": item.name}


def _manager(by: Manager) -> dict[str, str]:
    return {"manager": by.name, "operation": by.operation, "time": by.time}


def adoption_text(data: dict[str, Any], style: Style) -> str:
    """Return what will be taken over, with a block per object and a line per field."""
    lines = [*heading(data, style), ""]
    for entry in data["objects"]:
        lines += [style.by_mark("~", f"~ {entry['kind']}/{entry['name']}"), *_lines(entry, style), ""]
    return "\n".join(lines) + "\n"


def _lines(entry: dict[str, Any], style: Style) -> Iterator[str]:
    width = max((len(_name(move)) for move in entry["moves"]), default=0)
    for move in entry["moves"]:
        owners = " and ".join(manager_text(by, style) for by in move["from"]) or "no owner"
        yield style.by_mark("~", f"    ~ {_name(move):<{width}}  from {owners}{_next(move)}")
    if entry["last_applied"]:
        yield style.by_mark("-", f"    - annotation {LAST_APPLIED}  is removed")
    if entry["label"]:
        yield style.lines(f"    = label {MANAGED_BY}  is {entry['label']}; it stays, but no longer matters")
    if entry["missing"]:
        yield style.by_mark("+", f"    + {', '.join(entry['missing'])}  missing: the next sync adds it")
    for by in entry["stays"]:
        yield style.lines(f"    = {', '.join(map(_name, by['fields']))}  stays with {manager_text(by, style)}")


def _next(move: dict[str, Any]) -> str:
    return f"; {NEXT[move['next']]}" if move["field"] in SECTIONS.values() else ""


def _name(field: dict[str, Any]) -> str:
    return field["name"] if field["field"] == "key" else f"{field['field']} {field['name']}".strip()


def result_text(data: dict[str, Any], result: str) -> str:
    """Return the last lines: the outcome for each object, and the next steps."""
    count = len(data["objects"])
    lines = []
    if result in ("stopped", "interrupted"):
        words = {"yes": "taken over", "perhaps": "perhaps taken over", "no": "unchanged"}
        lines += [f"{entry['kind']}/{entry['name']}  {words[entry['written']]}" for entry in data["objects"]]
    keys = sum(move["field"] == "key" for entry in data["objects"] for move in entry["moves"])
    counted = f"{keys} key{'s' * (keys != 1)} of {count} object{'s' * (count != 1)}: " if count else ""
    lines.append(f"{counted}{RESULTS[result]}")
    for entry in data["objects"]:
        if entry["release"]:
            again = f"then run `bridge adopt {data['environment']}` again"
            lines.append(f"release {entry['kind']}/{entry['name']} from its operator, in this order; {again}:")
            lines += [f"  {line}" for line in entry["release"]]
    if result in ("written", "unchanged"):
        lines += [f"next: {step}" for step in data["next"]]
    return "\n".join(lines) + "\n"
