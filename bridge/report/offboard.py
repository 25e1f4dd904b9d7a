"""The report of `bridge offboard`: what a recipient may still know, and the commands that cure it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.report.data import SCHEMA, problems
from bridge.report.history import commit_data
from bridge.report.style import Style, table
from bridge.review.exposure import Exposed, Exposure, KeyVerdict
from bridge.review.trails import Place, Trail
from bridge.review.variable_names import Named
from bridge.shell import command, word

_REASONS: Final = {
    KeyVerdict.READER: "still a recipient of the file",
    KeyVerdict.SAME_KEY: "the data key is still the same",
    KeyVerdict.SAME_VALUE: "the value itself was not changed",
    KeyVerdict.UNKNOWN: "unknown, which counts as open",
    KeyVerdict.DIFFERENT: "new value under a new data key",
}


class Report(NamedTuple):
    """What there is to report: `scope` says what was searched, and `name` gives the name of a place in a document."""

    environment: str
    recipients: Collection[str]
    scope: str
    found: Sequence[Exposed]
    name: Callable[[Trail, Place], Named]


def offboard_data(report: Report, warnings: Iterable[Problem]) -> dict[str, Any]:
    """Return the report as data."""
    values = [_value(report, exposure) for one in report.found for exposure in one.values]
    return {
        "schema": SCHEMA,
        "environment": report.environment,
        "recipients": sorted(report.recipients),
        "scope": report.scope,
        "open": [value for value in values if value["open"]],
        "closed": [value for value in values if not value["open"]],
        "removed": [
            {"value": report.name(one.trail, place).label, "file": one.trail.shown}
            for one in report.found
            for place in one.removed
        ],
        "first": list(_first(report)),
        "commands": list(_commands(report)),
        "warnings": problems(warnings),
    }


def _value(report: Report, exposure: Exposure) -> dict[str, Any]:
    trail, named = exposure.trail, report.name(exposure.trail, exposure.place)
    return {
        "value": named.label,
        "variables": list(named.variables),
        "document": str(trail.reference),
        "file": trail.shown,
        "open": exposure.verdict.is_open,
        "verdict": str(exposure.verdict),
        "reason": _REASONS[exposure.verdict],
        "readable": commit_data(exposure.commit),
    }


def _first(report: Report) -> Iterator[str]:
    """Yield the files with rules from which the recipient must be removed first."""
    rules = (one.trail.tracer.rules_file for one in report.found if KeyVerdict.READER in _verdicts(one))
    yield from dict.fromkeys(rules)


def _commands(report: Report) -> Iterator[str]:
    """Yield what cures the open values: first new data keys, then new values."""
    sets: dict[str, None] = {}
    for one in report.found:
        verdicts, cures = _verdicts(one), one.trail.tracer.cures(word(one.trail.shown))
        if KeyVerdict.READER in verdicts:
            yield cures.exclude
        if verdicts & {KeyVerdict.READER, KeyVerdict.SAME_KEY, KeyVerdict.UNKNOWN}:
            yield cures.renew
        for value in one.values:
            if value.verdict.is_open:
                names = report.name(one.trail, value.place).variables
                lines = [command(("bridge", "set", report.environment, name)) for name in names]
                sets |= dict.fromkeys(lines or [cures.edit])
    yield from sets


def _verdicts(exposed: Exposed) -> frozenset[KeyVerdict]:
    return frozenset(value.verdict for value in exposed.values)


def offboard_text(data: dict[str, Any], style: Style) -> str:
    """Return the report as text: the values, and the commands to run."""
    return "\n".join(_lines(data, style)) + "\n"


def _lines(data: dict[str, Any], style: Style) -> Iterator[str]:
    left, closed, removed = data["open"], data["closed"], data["removed"]
    yield style.bold(f"{data['environment']}: {', '.join(data['recipients'])}")
    if left:
        yield ""
        head = ("VALUE", "FILE", "READABLE IN", "STATE")
        rows = [(one["value"], one["file"], _when(one["readable"]), one["reason"]) for one in left]
        yield table([head, *rows], style.width)
        before = f"remove the recipient from {' and '.join(data['first'])}, then " if data["first"] else ""
        yield style.lines(f"To end this, {before}run:")
        yield ""
        yield from (f"  {one}" for one in data["commands"])
        yield ""
    count = len(left) + len(closed)
    values = f"{count} value{'s' * (count != 1)}"
    yield style.lines(f"{values} could be read; {len(left)} open, {len(closed)} replaced under a new data key")
    if removed:
        listed = ", ".join(f"{one['value']} ({one['file']})" for one in removed)
        yield style.lines(f"removed from the files, to revoke if still valid: {listed}")
    yield style.lines(f"searched: {data['scope']}")


def _when(commit: dict[str, Any]) -> str:
    return f"{commit['commit'][:10]} {commit['time'][:10]}" if commit["commit"] else "the working tree"
