"""The report of many environments: a line for each, and all that changes or is refused."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bridge.report.style import Style, style_of
from bridge.report.table import table
from bridge.report.text import plan_text, summary
from bridge.report.write import printable_data, write_json

SCHEMA: Final = "bridge/fleet/v1"


def fleet_data(entries: Sequence[dict[str, Any]], status: int, shard: str | None) -> dict[str, Any]:
    """Return the report as data. Of each environment's objects only those are there that do not stay as they are."""
    results = Counter(entry["result"] for entry in entries)
    return {
        "schema": SCHEMA,
        "status": status,
        "shard": shard,
        "summary": dict(sorted(results.items())),
        "environments": list(entries),
    }


def write_fleet(data: dict[str, Any], form: str) -> None:
    """Write the report to stdout as `text`, `json` or `markdown`."""
    if form == "json":
        write_json(data)
        return
    data = printable_data(data)
    sys.stdout.write(_markdown(data) if form == "markdown" else _text(data, style_of(sys.stdout)))
    sys.stdout.flush()


def _text(data: dict[str, Any], style: Style) -> str:
    blocks = [plan_text(entry, style) for entry in data["environments"] if _has_details(entry)]
    rows = [(entry["environment"], entry["result"], _note(entry)) for entry in data["environments"]]
    blocks.append(table([("environment", "result", ""), *rows]))
    return "\n".join([*blocks, f"{_count(data)}\n"])


def _markdown(data: dict[str, Any]) -> str:
    from bridge.report.markdown import bounded, cell, plain, plan_markdown  # noqa: PLC0415 - start-up: one form is used

    lines = [f"## bridge: {_count(data)}", "", "| environment | result | |", "|---|---|---|"]
    rows = ((cell(one["environment"]), one["result"], plain(_note(one))) for one in data["environments"])
    lines += [f"| {' | '.join(row)} |" for row in rows]
    for entry in data["environments"]:
        if _has_details(entry):
            lines += ["", *plan_markdown(entry).splitlines()]
    return bounded(lines)


def _has_details(entry: dict[str, Any]) -> bool:
    return bool(entry.get("objects") or entry.get("refusals") or entry.get("workloads"))


def _note(entry: dict[str, Any]) -> str:
    """Say what changes, or the first thing that is wrong and how many more there are."""
    wrong = [*entry.get("refusals", ()), *entry["errors"]]
    if not wrong:
        return summary(entry["summary"]) if "summary" in entry else ""
    first = ": ".join(filter(None, (wrong[0]["where"], wrong[0]["what"])))
    return f"{first} (and {len(wrong) - 1} more)" if len(wrong) > 1 else first


def _count(data: dict[str, Any]) -> str:
    return ", ".join(_counts(data)) + (f" (shard {data['shard']})" if data["shard"] else "")


def _counts(data: dict[str, Any]) -> Iterator[str]:
    count = len(data["environments"])
    yield f"{count} environment{'' if count == 1 else 's'}"
    yield from (f"{number} {result}" for result, number in data["summary"].items())
