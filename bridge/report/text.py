"""Formats a plan and its outcome as text: a block per object, a line per key."""

from collections.abc import Iterator
from typing import Any, Final

from bridge.report.cluster import heading
from bridge.report.data import is_shown
from bridge.report.style import Style

MARKS: Final = {"create": "+", "update": "~", "recreate": "~", "keep": "!", "delete": "-", "leave": "?"}
KEY_MARKS: Final = {
    "add": "+",
    "change": "~",
    "drift": "!",
    "restore": "!",
    "reclaim": "!",
    "remove": "-",
    "release": "-",
    "altered": "!",
}
ACTIONS: Final = {
    "create": "to create",
    "update": "to update",
    "keep": "stays as changed by an admission rule",
    "recreate": "to delete and create again",
    "delete": "to delete",
    "leave": "no longer in the templates, stays in the cluster (--prune deletes it)",
}
RESULTS: Final = {
    "planned": "",
    "unchanged": "nothing to do",
    "written": "written",
    "refused": "refused; nothing was written",
    "failed": "failed; nothing was written",
    "stopped": "stopped between writes; run again",
    "restarted": "nothing to write; workloads restarted",
    "unfinished": "some workloads do not have the current keys yet",
    "interrupted": "interrupted",
    "altered": "a key is missing in the cluster",
}


def plan_text(data: dict[str, Any], style: Style) -> str:
    """Return the whole report as text."""
    return "\n".join(_lines(data, style)) + "\n"


def _lines(data: dict[str, Any], style: Style) -> Iterator[str]:
    yield from heading(data, style)
    for source, revision in data["sources"].items():
        yield f"  {source} @ {revision}"
    for entry in data["objects"]:
        if is_shown(entry):
            yield ""
            yield from _object(entry, style)
    if data.get("workloads"):
        from bridge.report.restart import workload_lines  # noqa: PLC0415 - start-up: only with --restart

        lines = list(workload_lines(data["workloads"], style))
        yield from (["", *lines] if lines else [])
    yield ""
    yield ": ".join(part for part in (summary(data["summary"]), RESULTS[data["result"]]) if part)


def _object(entry: dict[str, Any], style: Style) -> Iterator[str]:
    written = {"yes": " (written)", "perhaps": " (perhaps written)"}.get(entry["written"], "")
    note = ", someone else deleted it" if entry["restored"] else ""
    title = f"{MARKS[entry['action']]} {entry['kind']}/{entry['name']}"
    yield style.by_mark(MARKS[entry["action"]], f"{title}  {ACTIONS[entry['action']]}{note}{written}")
    fields = [(label, field) for label, name in SECTIONS for field in entry[name] if field["what"] != "keep"]
    width = max((len(label + field["name"]) for label, field in fields), default=0)
    for label, field in fields:
        mark = KEY_MARKS[field["what"]]
        name = f"{label}{field['name']}"
        yield style.by_mark(mark, f"    {mark} {name:<{width}}  {_field_text(field)}".rstrip())


SECTIONS: Final = (("", "keys"), ("label ", "labels"), ("annotation ", "annotations"), ("", "fields"))
ALTERATIONS: Final = {"dropped": "drops", "rewritten": "rewrites"}


def reason(field: dict[str, Any]) -> str:
    """Describe what happens to a key and why."""
    by = " and ".join(dict.fromkeys(manager_text(manager) for manager in field["by"]))
    reasons: dict[str, str] = {
        "add": "new",
        "change": "changed",
        "drift": f"drift, changed by {by}",
        "restore": "drift, someone else removed it",
        "reclaim": f"value is right, but owned by {by}" if by else "value is right, but not owned by bridge",
        "remove": "no longer in any template",
        "release": f"no longer in any template; kept because {by} also owns it",
        "altered": f"altered: an admission rule {ALTERATIONS.get(field['altered'], '')} it",
    }
    return reasons[field["what"]]


def _field_text(field: dict[str, Any]) -> str:
    """Describe what happens to a key and why, and where its value comes from."""
    origin = field["origin"]
    parts = [reason(field)]
    if origin:
        parts.append(f"from {' and '.join(origin['places'])}")
    if "value" in field:
        parts.append(f"= {field['value']!r}")
    return "  ".join(parts)


def manager_text(manager: dict[str, Any]) -> str:
    """Format a manager with its operation and time."""
    return f"{manager['manager']} ({manager['operation']}{', ' + manager['time'] if manager['time'] else ''})"


def place(origin: dict[str, Any]) -> str:
    """Format where a value comes from, with its revision."""
    if len(origin["places"]) > 1:
        return " and ".join(origin["places"])
    return f"{origin['place']} @ {origin['revision']}" if origin["revision"] else str(origin["place"])


def summary(counts: dict[str, int]) -> str:
    """Count the objects by what happens to them."""
    words = (
        ("create", "to create"),
        ("update", "to update"),
        ("recreate", "to recreate"),
        ("delete", "to delete"),
        ("leave", "no longer in the templates"),
    )
    parts = [f"{counts[action]} {word}" for action, word in words if counts[action]]
    altered = [f"{counts['altered']} altered"] if counts["altered"] else []
    return ", ".join([*parts, f"{counts['keep']} unchanged", *altered])
