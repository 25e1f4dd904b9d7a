"""The table of variables: what uses each, where it comes from, whether the cluster has it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.config.durations import in_short
from bridge.objects import ObjectId
from bridge.plan.admission import dropped, rewritten
from bridge.plan.ages import ValueAge, urgency
from bridge.plan.model import Change, FieldChange, Plan, What
from bridge.report.cluster import heading
from bridge.report.data import ALTERED, origin_data, plan_head, problems
from bridge.report.folding import columns, fold, padded
from bridge.report.style import COLOURS, GAP, INDENT, USUAL_WIDTH, Style, table

STATES: Final = {
    What.KEEP: "in sync",
    What.ADD: "missing",
    What.CHANGE: "outdated",
    What.DRIFT: "drifted",
    What.RESTORE: "removed by hand",
    What.RECLAIM: "not ours alone",
}
IN_SYNC: Final = STATES[What.KEEP]
LEFT: Final = "not in any template, but still exists"
OTHER: Final = "every key is in sync, but the objects differ in something else"


def status_data(plan: Plan, unused: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return one row for every key of every object, and the sources' other content.

    `in_sync` means that a sync would be allowed and would write nothing, and that the cluster has what was sent.
    """
    ages = _most_urgent(plan.ages)
    keys = [row for change in plan.changes if change.desired for row in _rows(change, plan, ages)]
    states = Counter(row["state"] for row in keys)
    return {
        **plan_head(plan),
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


def _most_urgent(ages: Iterable[ValueAge]) -> Mapping[tuple[ObjectId | None, str], ValueAge]:
    """Return the age of each key; of several variables in a key, the age of the most urgent one."""
    return {(age.object, age.key): age for age in sorted(ages, key=urgency, reverse=True)}


def age_data(age: ValueAge) -> dict[str, Any]:
    """Return an age as data."""
    return {
        "seconds": age.seconds,
        "at_least": age.at_least,
        "limit": age.limit,
        "expires": age.expires or None,
        "expires_in": age.expires_in,
        "overdue": age.overdue,
        "soon": age.soon,
    }


def _rows(change: Change, plan: Plan, ages: Mapping[tuple[ObjectId | None, str], ValueAge]) -> list[dict[str, Any]]:
    return [
        {
            "object": str(change.id),
            "key": field_change.field.name,
            "origin": origin_data(field_change.origin),
            "state": ALTERED if field_change.altered else STATES[field_change.what],
            "changed": _changed(plan, change.id, field_change),
            "age": age_data(age) if (age := ages.get((change.id, field_change.field.name))) else None,
        }
        for field_change in change.fields
        if field_change.field.section == "data" and field_change.origin
    ]


def _changed(plan: Plan, id_: ObjectId, field_change: FieldChange) -> str | None:
    memory = plan.memory.objects.get(id_)
    known = memory.keys.get(field_change.field.name) if memory else None
    return known.changed if known else None


def status_text(data: dict[str, Any], style: Style) -> str:
    """Return the keys by object, and the table of sources, as text that fits a terminal."""
    width = style.width or USUAL_WIDTH
    narrow = style._replace(width=width)
    sources = [("SOURCE", "REVISION", "WRITTEN LAST", "ORDER", "UNUSED FIELDS")]
    sources += [
        (
            row["reference"],
            row["revision"],
            "same" if row["written"] == row["revision"] else row["written"] or "-",
            "known" if row["ordered"] else "none",
            ", ".join(row["unused"]) or "-",
        )
        for row in data["sources"]
    ]
    return "\n".join((_head(data, style), _keys(data["keys"], narrow), table(sources, width))) + _left(data, width)


def difference_text(data: dict[str, Any], style: Style) -> str:
    """Return only the keys and objects that differ from what a sync would write, or are overdue."""
    width = style.width or USUAL_WIDTH
    rows = [row for row in data["keys"] if not _is_fine(row)]
    keys = _keys(rows, style._replace(width=width)) if rows else ""
    is_other = not (data["in_sync"] or data["refusals"] or any(row["state"] != IN_SYNC for row in rows))
    other = f"{INDENT}{OTHER}\n" if is_other else ""
    return _head(data, style) + keys + other + _left(data, width)


def has_difference(data: dict[str, Any]) -> bool:
    """Whether anything differs from what a sync would write, or a value is overdue."""
    return not data["in_sync"] or bool(data["left"]) or not all(map(_is_fine, data["keys"]))


def state_counts(data: dict[str, Any]) -> str:
    """Count the keys of an environment that are overdue, and those in each state, those in sync last."""
    counts = {"overdue": sum(map(is_overdue, data["keys"])), **data["summary"]}
    counts[IN_SYNC] = counts.pop(IN_SYNC)
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number)


def is_overdue(row: Mapping[str, Any]) -> bool:
    """Whether a key's value is over its limit or has expired."""
    return bool(row["age"] and row["age"]["overdue"])


def _is_fine(row: dict[str, Any]) -> bool:
    return row["state"] == IN_SYNC and not is_overdue(row)


def _head(data: dict[str, Any], style: Style) -> str:
    return "".join(f"{line}\n" for line in heading(data, style))


def _left(data: dict[str, Any], width: int) -> str:
    return "".join(f"{line}\n" for name in data["left"] for line in fold(f"{name}  {LEFT}", width))


def _keys(rows: list[dict[str, Any]], style: Style) -> str:
    """Return a line for each key, below its object.

    If the widest line does not fit, the origin is left out of the lines and comes once before all keys that have it.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["object"], []).append(row)
    cells = [("KEY", "STATE", "LAST CHANGE", "AGE", "FROM"), *(_cells(row, style) for row in rows)]
    widths = [max(columns(row[index]) for row in cells) for index in range(5)]
    fits = sum(widths) + len(INDENT) + 4 * len(GAP) <= (style.width or USUAL_WIDTH)
    blocks = [_block(name, group, widths, style, fits=fits) for name, group in groups.items()]
    head = INDENT + _line(cells[0] if fits else cells[0][:4], widths)
    return "\n".join([style.lines(head), *(line for block in blocks for line in block)]) + "\n"


def _cells(row: dict[str, Any], style: Style) -> tuple[str, str, str, str, str]:
    changed = style.time(row["changed"]) if row["changed"] else "-"
    return row["key"], row["state"], changed, age_text(row["age"]) if row["age"] else "-", _origin(row)


def age_text(age: dict[str, Any]) -> str:
    """Describe how old a value is, with the limit if it is over or nearly over, or when the value expires."""
    seconds, limit, expires_in = age["seconds"], age["limit"], age["expires_in"]
    known = "-" if seconds is None else f"{'at least ' if age['at_least'] else ''}{in_short(seconds)}"
    left = None if limit is None or seconds is None else limit - seconds
    if left is not None and (age["overdue"] or age["soon"]) and (expires_in is None or left <= expires_in):
        return f"{known}, limit {in_short(limit)}"
    if expires_in is not None:
        return f"expires in {in_short(expires_in)}" if expires_in > 0 else f"expired {in_short(-expires_in)} ago"
    return known


def _origin(row: dict[str, Any]) -> str:
    """Return where a value comes from, and the variables that give it unless they have the key's name."""
    origin = row["origin"]
    places = " and ".join(origin["places"]) or str(origin["place"])
    other = "" if origin["variables"] in ([], [row["key"]]) else f" ({', '.join(origin['variables'])})"
    return places + other


def _block(name: str, rows: list[dict[str, Any]], widths: Sequence[int], style: Style, *, fits: bool) -> Iterator[str]:
    """Yield the lines of one object."""
    yield style.lines(name)
    origins: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        origins.setdefault("" if fits else _origin(row), []).append(row)
    for origin, group in origins.items():
        if origin:
            yield style.lines(f"  from {origin}")
        for row in group:
            cells = _cells(row, style) if fits else _cells(row, style)[:4]
            code = "" if _is_fine(row) else COLOURS["!"]
            yield style.lines(INDENT + _line(cells, widths), code)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(padded(cell, width) for cell, width in zip(cells, widths, strict=False)).rstrip()
