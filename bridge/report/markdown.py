"""A plan for a pipeline's summary page."""

from collections.abc import Iterator
from typing import Any

from bridge.report.text import ACTIONS, place


def plan_markdown(data: dict[str, Any]) -> str:
    """Return the report as Markdown: one table of the objects and keys that do not stay as they are."""
    return "\n".join(_lines(data)) + "\n"


def _lines(data: dict[str, Any]) -> Iterator[str]:
    yield f"### bridge: {_code(data['environment'])} in namespace {_code(data['namespace'])}"
    yield ""
    rows = [row for one in data["objects"] if one["action"] != "keep" for row in _rows(one)]
    if rows:
        yield "| object | | key | | from |"
        yield "|---|---|---|---|---|"
        yield from rows
    else:
        yield "Nothing to do."
    if data.get("workloads"):
        yield ""
        yield "| workload | state | restarted |"
        yield "|---|---|---|"
        for one in data["workloads"]:
            name = f"{one['kind']}/{one['name']}"
            yield f"| {_code(name)} | {one['state']} | {one['restarted']} |"
    for title, key in (("Refused", "refusals"), ("Warnings", "warnings")):
        if data[key]:
            yield ""
            yield f"**{title}**"
            yield ""
            yield from (f"- {_code(one['where'])}: {_plain(one['what'])}" for one in data[key])


def _rows(one: dict[str, Any]) -> Iterator[str]:
    name = _code(f"{one['kind']}/{one['name']}")
    fields = [field for field in one["keys"] if field["what"] != "keep"]
    if not fields:
        yield f"| {name} | {ACTIONS[one['action']]} | | | |"
    for field in fields:
        origin = _plain(place(field["origin"])) if field["origin"] else ""
        yield f"| {name} | {one['action']} | {_code(field['name'])} | {field['what']} | {origin} |"


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`".replace("|", "\\|")


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
