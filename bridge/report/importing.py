"""Reports an import as text: one line per value, then what was written and what may be deleted."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from bridge.report.cluster import cluster_text
from bridge.report.style import table
from bridge.report.talk import printable


def intake_text(data: dict[str, Any]) -> str:
    """Return the table of all values."""
    rows = [("VALUE", "VARIABLE", "PLACE", "STATE")]
    rows += [
        (printable(row["value"]), row["variable"] or "-", row["place"] or "-", _state(row["state"], row["reason"]))
        for row in data["values"]
    ]
    counts = Counter(row["state"] for row in data["values"])
    summary = ", ".join(f"{counts[state]} {state}" for state in ("new", "different", "same", "left") if counts[state])
    head = f"{data['environment']}: from {data['file'] or 'the cluster'} into {data['to']}\n"
    head += f"  cluster: {cluster_text(data['cluster'])}\n" if "cluster" in data else ""
    return f"{head}\n{table(rows)}\n{summary or 'no values'}\n{_listed(data, 'to be listed')}"


def _listed(data: dict[str, Any], what: str) -> str:
    """Describe which source replaces the drafted source."""
    listed = data["listed"]
    return f"{listed['file']}: {listed['source']} {what}, replacing {listed['instead_of']}\n" if listed else ""


def _state(state: str, reason: str) -> str:
    return f"{state}: it {reason}" if reason else state


def outcome_text(data: dict[str, Any]) -> str:
    """Return the outcome as text."""
    lines = []
    document, template = data["document"], data["template"]
    if document:
        lines.append(f"{data['to']}: written, revision {document['before'] or 'none'} -> {document['after']}")
    if template:
        lines.append(f"{template}: written")
    if data["listed"] and data["result"] == "written":
        lines.append(_listed(data, "is listed").rstrip())
    if data["result"] == "unchanged":
        lines.append("nothing to do")
    if data["deletable"]:
        lines.append(f"{data['file']} can be deleted: all its values exist elsewhere now")
    elif data["file"] and data["result"] in {"written", "unchanged"}:
        lines += [*_removable(data), *_stays(data)]
    return "".join(f"{line}\n" for line in lines)


def _stays(data: dict[str, Any]) -> Iterator[str]:
    """Yield why the file may not be deleted, or not yet."""
    file = data["file"]
    if data["first"]:
        yield f"{file} is still needed: {', '.join(data['used_by'])} builds from it"
        yield from (f"first: {step}" for step in data["first"])
    if data["read_differently"]:
        yield f"{file} is still needed: other programs read some values differently (see the warnings)"
    is_left = any(row["state"] == "left" for row in data["values"])
    if is_left or not (data["first"] or data["read_differently"]):
        yield f"{file} is still needed: some of its values exist nowhere else"


def _removable(data: dict[str, Any]) -> Iterator[str]:
    """Yield which lines of an env file can be removed, and the command for it."""
    if data["removable"]:
        yield f"{data['file']}: these lines can be removed: {', '.join(data['removable'])}"
    if data["removal"]:
        yield f"next: {data['removal']}"
