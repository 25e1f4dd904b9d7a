"""Formats what `bridge diff` found for a pull request. Nothing in a name or a text acts as markup."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bridge.report.markdown import bounded, cell, code, plain, problem_line
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


def review_markdown(data: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    return bounded(list(_lines(data)), "bridge diff")


def _lines(data: dict[str, Any]) -> Iterator[str]:
    yield from (f"### bridge: {code(data['environment'])}", "", f"{plain(range_text(data))}", "")
    yield f"**{plain(summary(data))}**"
    if replays := list(_replays(data)):
        yield from ("", "**Old values are back**", "", *replays)
    if data["errors"]:
        yield from ("", "**Errors**", "", *map(problem_line, data["errors"]))
    yield from _table(("setting", "change", "why it matters"), map(_setting, data["settings"]))
    yield from _table(("object", "key", "change"), (row for one in data["objects"] for row in _object(one)))
    yield from _table(("variable", "change", "used by"), map(_variable, data["variables"]))
    yield from _table(("document", "what", "change"), (row for one in data["documents"] for row in _document(one)))
    if data["unknown"]:
        yield from ("", "**Not known**", "", *(f"- {plain(text)}" for text in data["unknown"]))


def _replays(data: dict[str, Any]) -> Iterator[str]:
    for one in data["documents"]:
        for value in one["values"]:
            if value["replayed_from"]:
                yield f"- {code(one['reference'])} {code(value['name'])}: {plain(value_text(value))}"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    listed = list(rows)
    if listed:
        yield from ("", f"| | {' | '.join(heading)} |", f"|---{'|---' * len(heading)}|")
        yield from (f"| {' | '.join(row)} |" for row in listed)


def _setting(one: dict[str, Any]) -> Sequence[str]:
    return cell(MARKS[one["what"]]), cell(one["name"]), _text(sides(one)), plain(one["reason"])


def _text(text: str) -> str:
    return cell(text) if text else ""


def _object(one: dict[str, Any]) -> Iterator[Sequence[str]]:
    yield cell(MARKS[one["what"]]), cell(f"{one['kind']}/{one['name']}"), "", ""
    for field in one["fields"]:
        yield cell(MARKS[field["what"]]), "", cell(field["name"]), _text(sides(field))
    for key in one["keys"]:
        reasons = key_reasons(key, one["kind"])
        yield cell(MARKS[key["what"]]), "", cell(key["name"]), ", ".join(map(plain, reasons))


def _variable(one: dict[str, Any]) -> Sequence[str]:
    reasons = ", ".join(map(plain, variable_reasons(one)))
    return (
        cell("!" if one["replayed_from"] else MARKS[one["what"]]),
        cell(one["name"]),
        reasons,
        ", ".join(map(plain, one["used_by"])),
    )


def _document(one: dict[str, Any]) -> Iterator[Sequence[str]]:
    yield cell(MARKS[one["what"]]), cell(document_title(one)), "", ""
    for value in one["values"]:
        mark = "!" if value["replayed_from"] else MARKS[value["what"]]
        yield cell(mark), "", cell(value["name"]), plain(value_text(value))
    yield from _rules(one, "")
    yield from _rules(one["new_files"], rules_title(one))
    yield from (("", "", "note", plain(note)) for note in notes_of(one))


def _rules(rules: dict[str, Any], where: str) -> Iterator[Sequence[str]]:
    place = f" ({where})" if where else ""
    for reader in rules["recipients"]:
        yield cell(MARKS[reader["what"]]), "", plain(f"recipient{place}"), cell(recipient_text(reader))
    for setting in rules["settings"]:
        name = f"{cell(setting['name'])}{plain(place)}"
        yield cell(MARKS[setting["what"]]), "", name, _text(sides(setting))
