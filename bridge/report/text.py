"""Formats a plan and its outcome as text: a block per object, a line per key."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from bridge.report.cluster import heading
from bridge.report.data import is_shown
from bridge.report.folding import columns, padded
from bridge.report.style import COLOURS, KINDS, PLAIN, Style

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
DONE: Final = {"create": "created", "update": "updated", "recreate": "deleted and created again", "delete": "deleted"}
RESULTS: Final = {
    "planned": "",
    "unchanged": "nothing to do",
    "written": "",
    "refused": "refused; nothing was written",
    "failed": "failed; nothing was written",
    "stopped": "stopped between writes; run again",
    "restarted": "nothing to write; workloads restarted",
    "unfinished": "some workloads do not have the current keys yet",
    "interrupted": "interrupted",
    "altered": "a key is missing in the cluster",
}
WRONG: Final = frozenset({"refused", "failed", "stopped", "unfinished", "interrupted", "altered"})
"""The results that are shown in the colour of an error."""


def plan_text(data: dict[str, Any], style: Style) -> str:
    """Return the whole report as text."""
    return "\n".join(_lines(data, style)) + "\n"


def _lines(data: dict[str, Any], style: Style) -> Iterator[str]:
    yield from heading(data, style)
    for source, revision in data["sources"].items():
        yield style.lines(f"  {source} @ {revision}")
    for entry in data["objects"]:
        if is_shown(entry):
            yield ""
            yield from _object(entry, style)
    if data.get("workloads"):
        from bridge.report.restart import workload_lines  # noqa: PLC0415 - start-up: only with --restart

        lines = list(workload_lines(data["workloads"], style))
        yield from (["", *lines] if lines else [])
    yield ""
    yield style.lines(last_line(data, style), indent=4)
    if "plan_file" in data:
        from bridge.report.plan_file import plan_file_text  # noqa: PLC0415 - start-up: only with --out or --plan

        yield style.lines(plan_file_text(data["plan_file"]), indent=4)


def last_line(data: dict[str, Any], style: Style = PLAIN) -> str:
    """Return the counts and the result."""
    result = RESULTS[data["result"]]
    shown = style.paint(KINDS["error"], result) if data["result"] in WRONG else result
    return ": ".join(filter(None, (summary(data, style), shown)))


def action(entry: dict[str, Any]) -> str:
    """Describe what happens to an object, or what has been done."""
    perhaps = {"yes": "", "perhaps": "perhaps "}.get(entry.get("written", "no"))
    todo = ACTIONS[entry["action"]]
    return todo if perhaps is None else perhaps + DONE.get(entry["action"], todo)


def _object(entry: dict[str, Any], style: Style) -> Iterator[str]:
    note = ", someone else deleted it" if entry["restored"] else ""
    title = f"{MARKS[entry['action']]} {entry['kind']}/{entry['name']}"
    yield style.by_mark(MARKS[entry["action"]], f"{title}  {action(entry)}{note}")
    fields = [(label, field) for label, name in SECTIONS for field in entry[name] if field["what"] != "keep"]
    width = max((columns(label + field["name"]) for label, field in fields), default=0)
    for label, field in fields:
        mark = KEY_MARKS[field["what"]]
        name = padded(label + field["name"], width)
        yield style.by_mark(mark, f"    {mark} {name}  {_field_text(field, style)}".rstrip())


SECTIONS: Final = (("", "keys"), ("label ", "labels"), ("annotation ", "annotations"), ("", "fields"))
ALTERATIONS: Final = {"dropped": "drops", "rewritten": "rewrites"}


def reason(field: dict[str, Any], style: Style = PLAIN) -> str:
    """Describe what happens to a key and why."""
    by = " and ".join(dict.fromkeys(manager_text(manager, style) for manager in field["by"]))
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


def _field_text(field: dict[str, Any], style: Style) -> str:
    """Describe what happens to a key and why, and where its value comes from."""
    origin = field["origin"]
    parts = [reason(field, style)]
    if origin:
        parts.append(f"from {' and '.join(origin['places'])}")
    if "value" in field:
        parts.append(f"= {field['value']!r}")
    return "  ".join(parts)


def manager_text(manager: dict[str, Any], style: Style = PLAIN) -> str:
    """Format a manager with its operation and time."""
    time = f", {style.time(manager['time'])}" if manager["time"] else ""
    return f"{manager['manager']} ({manager['operation']}{time})"


def place(origin: dict[str, Any]) -> str:
    """Format where a value comes from, with its revision."""
    if len(origin["places"]) > 1:
        return " and ".join(origin["places"])
    return f"{origin['place']} @ {origin['revision']}" if origin["revision"] else str(origin["place"])


WORDS: Final = (
    ("create", "to create", "created"),
    ("update", "to update", "updated"),
    ("recreate", "to recreate", "recreated"),
    ("delete", "to delete", "deleted"),
)


def summary(data: dict[str, Any], style: Style = PLAIN) -> str:
    """Count the objects of a report by what happens to them, or by what has been done."""
    counts, parts = data["summary"], []
    for name, todo, done in WORDS:
        entries = [entry for entry in data["objects"] if entry["action"] == name]
        for written, word in (("yes", done), ("perhaps", f"perhaps {done}"), ("no", todo)):
            group = [entry for entry in entries if entry.get("written", "no") == written]
            parts += [f"{len(group)} {word}{_removed(group, style)}"] if group else []
    parts += [f"{counts['leave']} no longer in the templates"] if counts["leave"] else []
    altered = [f"{counts['altered']} altered"] if counts["altered"] else []
    return ", ".join([*parts, f"{counts['keep']} unchanged", *altered])


def _removed(entries: Iterable[dict[str, Any]], style: Style) -> str:
    """Count the keys that disappear from objects that stay."""
    count = sum(key["what"] == "remove" for entry in entries if entry["action"] == "update" for key in entry["keys"])
    return style.paint(COLOURS["-"], f" ({count} key{'s' * (count > 1)} removed)") if count else ""
