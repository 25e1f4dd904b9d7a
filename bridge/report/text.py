"""A plan and its outcome for people: one block an object, one line a key."""

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
    "keep": "stays as an admission rule of the cluster has it",
    "recreate": "to delete and create again",
    "delete": "to delete",
    "leave": "left the templates, stays in the cluster (--prune deletes it)",
}
RESULTS: Final = {
    "planned": "",
    "unchanged": "nothing to do",
    "written": "written",
    "refused": "refused, nothing was written",
    "failed": "failed, nothing was written",
    "stopped": "stopped between writes; run again",
    "restarted": "nothing to write, workloads restarted",
    "unfinished": "not every workload has the keys of now",
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
    for one in data["objects"]:
        if is_shown(one):
            yield ""
            yield from _object(one, style)
    if data.get("workloads"):
        from bridge.report.restart import workload_lines  # noqa: PLC0415 - start-up: only with --restart

        lines = list(workload_lines(data["workloads"], style))
        yield from (["", *lines] if lines else [])
    yield ""
    yield ": ".join(part for part in (summary(data["summary"]), RESULTS[data["result"]]) if part)


def _object(one: dict[str, Any], style: Style) -> Iterator[str]:
    written = {"yes": " (written)", "perhaps": " (perhaps written)"}.get(one["written"], "")
    note = ", somebody deleted it" if one["restored"] else ""
    title = f"{MARKS[one['action']]} {one['kind']}/{one['name']}"
    yield style.by_mark(MARKS[one["action"]], f"{title}  {ACTIONS[one['action']]}{note}{written}")
    fields = [(label, field) for label, name in SECTIONS for field in one[name] if field["what"] != "keep"]
    width = max((len(label + field["name"]) for label, field in fields), default=0)
    for label, field in fields:
        mark = KEY_MARKS[field["what"]]
        name = f"{label}{field['name']}"
        yield style.by_mark(mark, f"    {mark} {name:<{width}}  {_story(field)}".rstrip())


SECTIONS: Final = (("", "keys"), ("label ", "labels"), ("annotation ", "annotations"), ("", "fields"))
ALTERATIONS: Final = {"dropped": "drops", "rewritten": "rewrites"}


def reason(field: dict[str, Any]) -> str:
    """Say what happens to a key and why."""
    by = " and ".join(dict.fromkeys(manager_text(one) for one in field["by"]))
    told: dict[str, str] = {
        "add": "new",
        "change": "changed",
        "drift": f"drift, changed by {by}",
        "restore": "drift, somebody removed it",
        "reclaim": f"value is right, but owned by {by}" if by else "value is right, but not owned by bridge",
        "remove": "no template names it any more",
        "release": f"no template names it any more; it stays, as {by} owns it too",
        "altered": f"altered: an admission rule of the cluster {ALTERATIONS.get(field['altered'], '')} it",
    }
    return told[field["what"]]


def _story(field: dict[str, Any]) -> str:
    """Say what happens to a key and why, and where its value comes from."""
    origin = field["origin"]
    parts = [reason(field)]
    if origin:
        parts.append(f"from {' and '.join(origin['places'])}")
    if "value" in field:
        parts.append(f"= {field['value']!r}")
    return "  ".join(parts)


def manager_text(one: dict[str, Any]) -> str:
    """Name a manager with its operation and time."""
    return f"{one['manager']} ({one['operation']}{', ' + one['time'] if one['time'] else ''})"


def place(origin: dict[str, Any]) -> str:
    """Name where a value comes from, with its revision."""
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
        ("leave", "left the templates"),
    )
    parts = [f"{counts[action]} {word}" for action, word in words if counts[action]]
    altered = [f"{counts['altered']} altered"] if counts["altered"] else []
    return ", ".join([*parts, f"{counts['keep']} unchanged", *altered])
