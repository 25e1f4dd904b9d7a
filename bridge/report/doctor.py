"""The report of `bridge doctor`: groups of lines, each of which is ok, a warning or an error with its cure."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

from bridge.errors import BridgeError, Problem
from bridge.named_tuple import NamedTuple
from bridge.report.data import SCHEMA
from bridge.report.style import COLOURS, KINDS, USUAL_WIDTH, Style

Level: TypeAlias = Literal["ok", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("ok", "warning", "error")
_COLOURS: Final = {**KINDS, "ok": COLOURS["+"]}
_ANYTHING_ELSE: Final = "look the message up with `bridge help troubleshooting`"
_NAME_WIDTH: Final = 24
_INDENT: Final = " " * 11
_NO_BREAK: Final = "\0"


class DoctorLine(NamedTuple):
    """One finding. `hint` is the cure of a warning or an error. No field ever contains a value."""

    level: Level
    name: str
    what: str
    hint: str = ""


class DoctorReport:
    """Everything that `bridge doctor` has found so far, by group, and the errors that decide the exit status."""

    def __init__(self) -> None:
        self.groups: Final[dict[str, list[DoctorLine]]] = {}
        self.errors: Final[list[BridgeError]] = []

    def ok(self, group: str, name: str, what: str) -> None:
        """Add something that works, or that was looked for and is not needed."""
        self._add(group, DoctorLine("ok", name, what))

    def warn(self, group: str, problem: Problem) -> None:
        """Add something that may be wrong."""
        self._add(group, DoctorLine("warning", problem.where, problem.what, problem.hint or _ANYTHING_ELSE))

    def fail(self, group: str, error: BridgeError, cure: str = _ANYTHING_ELSE) -> None:
        """Add an error with all its problems; `cure` is for those without a hint."""
        self.errors.append(error)
        for problem in error.problems:
            self._add(group, DoctorLine("error", problem.where, problem.what, problem.hint or cure))

    def _add(self, group: str, line: DoctorLine) -> None:
        lines = self.groups.setdefault(group, [])
        if line not in lines:
            lines.append(line)


def doctor_data(report: DoctorReport, environment: str | None) -> dict[str, Any]:
    """Return the report as data."""
    lines = [line for group in report.groups.values() for line in group]
    return {
        "schema": SCHEMA,
        "environment": environment,
        "groups": [
            {"name": name, "lines": [line._asdict() for line in group]} for name, group in report.groups.items()
        ],
        "summary": {level: sum(line.level == level for line in lines) for level in LEVELS},
    }


def doctor_text(data: dict[str, Any], style: Style) -> str:
    """Return the report as text, wrapped to the terminal's width or 80 columns; no command is broken."""
    return "\n".join(_lines(data, style, max(style.width or USUAL_WIDTH, 40))) + "\n"


def _lines(data: dict[str, Any], style: Style, width: int) -> Iterator[str]:
    for group in data["groups"]:
        yield style.bold(group["name"])
        names = [len(line["name"]) for line in group["lines"] if len(line["name"]) <= _NAME_WIDTH]
        for line in group["lines"]:
            yield from _line(line, max(names, default=0), style, width)
        yield ""
    yield _summary(data["summary"])


def _line(line: dict[str, str], column: int, style: Style, width: int) -> Iterator[str]:
    """Yield a finding: its name in a column, or if it is too long in front of the text, and the cure below."""
    name, text = line["name"], line["what"]
    if len(name) > column:
        first, rest = f"{name}: {text}", _INDENT
    else:
        first, rest = f"{name:<{column}}  {text}" if column else text, _INDENT + " " * (column + 2 if column else 0)
    label = style.paint(_COLOURS[line["level"]], f"  {line['level']:<9}")
    head, *others = _wrapped(first, _INDENT, rest, width)
    yield f"{label}{head.removeprefix(_INDENT)}"
    yield from others
    if line["hint"]:
        yield from _wrapped(f"-> {line['hint']}", _INDENT, f"{_INDENT}   ", width)


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    """Wrap text between words, but never inside a command in backticks, which is to be pasted."""
    glued = re.sub(r"`[^`]*`", lambda match: match[0].replace(" ", _NO_BREAK), text)
    glued = re.sub(r" {2,}", lambda match: _NO_BREAK * len(match[0]), glued)
    lines = textwrap.wrap(
        glued, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_NO_BREAK, " ") for line in lines] or [first]


def _summary(counts: dict[str, int]) -> str:
    errors, warnings = counts["error"], counts["warning"]
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}, {counts['ok']} ok"
