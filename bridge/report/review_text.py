"""Formats what `bridge diff` found as text."""

from collections.abc import Iterable, Iterator
from typing import Any

from bridge.report.review_lines import (
    MARKS,
    document_title,
    key_reasons,
    notes_of,
    range_text,
    recipient_text,
    rules_title,
    sides,
    summary,
    value_text,
    variable_reasons,
)
from bridge.report.style import KINDS, Style


def review_text(data: dict[str, Any], style: Style) -> str:
    """Return the whole report as text."""
    return "\n".join(_lines(data, style)) + "\n"


def _lines(data: dict[str, Any], style: Style) -> Iterator[str]:
    yield style.bold(f"{data['environment']}: {range_text(data)}")
    yield from _section(style, "settings", (_setting(one, style) for one in data["settings"]))
    yield from _section(style, "objects", (line for one in data["objects"] for line in _object(one, style)))
    yield from _section(style, "variables", (_variable(one, style) for one in data["variables"]))
    yield from _section(style, "documents", (line for one in data["documents"] for line in _document(one, style)))
    yield from _section(style, "not known", (style.lines(f"  {text}") for text in data["unknown"]))
    yield ""
    yield style.lines(summary(data))


def _section(style: Style, title: str, lines: Iterable[str]) -> Iterator[str]:
    listed = list(lines)
    if listed:
        yield from ("", style.bold(title), *listed)


def _line(style: Style, indent: int, what: str, *parts: str) -> str:
    mark = MARKS[what]
    return style.by_mark(mark, "  ".join([f"{' ' * indent}{mark} {parts[0]}", *filter(None, parts[1:])]))


def _setting(one: dict[str, Any], style: Style) -> str:
    return _line(style, 2, one["what"], one["name"], sides(one), f"({one['reason']})")


def _object(one: dict[str, Any], style: Style) -> Iterator[str]:
    yield _line(style, 2, one["what"], f"{one['kind']}/{one['name']}")
    yield from (_line(style, 6, field["what"], field["name"], sides(field)) for field in one["fields"])
    yield from (_line(style, 6, key["what"], key["name"], *key_reasons(key, one["kind"])) for key in one["keys"])


def _variable(one: dict[str, Any], style: Style) -> str:
    if one["replayed_from"]:
        return style.lines("  ".join([f"  ! {one['name']}", *variable_reasons(one)]), KINDS["error"])
    return _line(style, 2, one["what"], one["name"], *variable_reasons(one))


def _document(one: dict[str, Any], style: Style) -> Iterator[str]:
    yield _line(style, 2, one["what"], document_title(one))
    yield from (_value(value, style) for value in one["values"])
    yield from _rules(one, style)
    if one["new_files"]["recipients"] or one["new_files"]["settings"]:
        yield style.lines(f"      {rules_title(one)}:")
        yield from _rules(one["new_files"], style, 10)
    yield from (style.lines(f"      {style.paint(KINDS['warning'], 'note:')} {note}") for note in notes_of(one))


def _value(value: dict[str, Any], style: Style) -> str:
    if value["replayed_from"]:
        return style.lines(f"      ! {value['name']}  {value_text(value)}", KINDS["error"])
    return _line(style, 6, value["what"], value["name"], value_text(value))


def _rules(rules: dict[str, Any], style: Style, indent: int = 6) -> Iterator[str]:
    yield from (_line(style, indent, one["what"], f"recipient {recipient_text(one)}") for one in rules["recipients"])
    yield from (_line(style, indent, one["what"], one["name"], sides(one)) for one in rules["settings"])
