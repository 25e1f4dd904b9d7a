"""Writes a report to stdout in the chosen form."""

import json
from collections.abc import Callable
from typing import Any, TextIO, TypeAlias

from bridge.report import streams
from bridge.report.own_flags import with_hints
from bridge.report.record import Record
from bridge.report.style import Style, style_of
from bridge.report.talk import printable

AsText: TypeAlias = Callable[[dict[str, Any], Style], str]
"""Formats a report's data for people."""


def write_plan(record: Record, data: dict[str, Any], form: str) -> None:
    """Write a plan or an outcome as `text`, `json` or `markdown`."""
    if form == "markdown":
        from bridge.report.markdown import plan_markdown  # noqa: PLC0415 - start-up: only one form is used

        write_text(plan_markdown(printable_data(with_hints(record, data))))
    else:
        from bridge.report.text import plan_text  # noqa: PLC0415 - start-up

        write_report(record, data, form, plan_text)


def write_report(record: Record, data: dict[str, Any], form: str, as_text: AsText) -> None:
    """Write a report to stdout as `text` or `json`."""
    if form == "json":
        write_json(record, data)
    else:
        show(data, as_text, streams.report())


def show(data: dict[str, Any], as_text: AsText, stream: TextIO) -> None:
    """Write a report to a stream as text, in the stream's style."""
    stream.write(as_text(printable_data(data), style_of(stream)))
    stream.flush()


def show_plan(data: dict[str, Any]) -> None:
    """Write a plan to stderr as text, for the question that follows; stdout is for the final report."""
    from bridge.report.text import plan_text  # noqa: PLC0415 - start-up: few runs ask

    show(data, plan_text, streams.talk())


def write_lines(text: str) -> None:
    """Write lines of text. Terminal control characters are escaped, because names can come from anywhere."""
    write_text("\n".join(map(printable, text.split("\n"))))


def write_text(text: str) -> None:
    """Write a text as it is."""
    streams.report().write(text)
    streams.report().flush()


def write_json(record: Record, data: dict[str, Any]) -> None:
    """Write data as JSON with the run's id. Non-ASCII characters are escaped, so that no name controls the terminal."""
    write_text(json.dumps({**with_hints(record, data), "run": record.id}, indent=2) + "\n")


def printable_data(data: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    """Escape the texts in the data before they become coloured lines, because names can come from anywhere.

    Excluded are a ConfigMap's `value`, which the report quotes, and the keys, which are ours or validated references.
    """
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {key: value if key == "value" else printable_data(value) for key, value in data.items()}
    if isinstance(data, list):
        return [printable_data(item) for item in data]
    return data
