"""Formats a plan or its outcome for a pipeline's summary page: problems first, then one table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.report.cluster import cluster_text
from bridge.report.data import is_shown
from bridge.report.talk import printable
from bridge.report.text import KEY_MARKS, MARKS, SECTIONS, action, last_line, place, reason

LIMIT: Final = 256 * 1024
"""Bytes; GitHub allows 1 MiB for a step's summary, which several environments may share."""
_SPECIAL: Final = str.maketrans({char: f"\\{char}" for char in "\\`*_[]|<>~#!&@$"})


def plan_markdown(data: dict[str, Any]) -> str:
    """Return the report as Markdown. It contains no value, and no name or message in it acts as markup."""
    return bounded(list(_lines(data)))


def bounded(everything: Sequence[str], command: str = "bridge plan") -> str:
    """Join lines; if they exceed the limit, replace the rest with a note on how many are missing."""
    lines: list[str] = []
    size = 0
    for line in everything:
        size += len(line.encode()) + 1
        if size > LIMIT:
            lines += ["", f"*{len(everything) - len(lines)} more lines: see `{command}`.*"]
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _lines(data: dict[str, Any]) -> Iterator[str]:
    yield f"### bridge: {code(data['environment'])} in namespace {code(data['namespace'])}"
    yield ""
    yield f"Cluster: {cluster_text(data['cluster'], quote=code)}"
    for name, urls in data.get("stores", {}).items():
        yield from ("", f"{code(name)}: {', '.join(code(printable(url)) for url in urls)}")
    yield ""
    yield f"**{last_line(data)}**"
    if "plan_file" in data:
        from bridge.report.plan_file import plan_file_text  # noqa: PLC0415 - start-up: only with --out or --plan

        yield from ("", plan_file_text(data["plan_file"], code))
    for title, key in (("Refused", "refusals"), ("Errors", "errors"), ("Warnings", "warnings")):
        if data[key]:
            yield from ("", f"**{title}**", "")
            yield from map(problem_line, data[key])
    objects = [entry for entry in data["objects"] if is_shown(entry)]
    if objects:
        yield from ("", "| | object | key | what | from |", "|---|---|---|---|---|")
        yield from (row for entry in objects for row in _rows(entry))
    if data.get("workloads"):
        yield from ("", "| workload | state | restarted |", "|---|---|---|")
        for workload in data["workloads"]:
            name = f"{workload['kind']}/{workload['name']}"
            yield f"| {cell(name)} | {workload['state']} | {workload['restarted']} |"
    yield from _sources(data["sources"])


def _sources(sources: Mapping[str, str]) -> Iterator[str]:
    """Yield the revision of each source that was read, whether or not one of its keys changes."""
    if sources:
        yield ""
        yield f"Read: {', '.join(code(f'{name} @ {revision}') for name, revision in sources.items())}"


def problem_line(problem: Mapping[str, str]) -> str:
    """Format a problem as an item of a list."""
    where = f"{code(problem['where'])}: " if problem["where"] else ""
    hint = f" ({plain(problem['hint'])})" if problem["hint"] else ""
    return f"- {where}{plain(problem['what'])}{hint}"


def _rows(entry: dict[str, Any]) -> Iterator[str]:
    """Yield a row for an object, and a row for each changed key, label and annotation."""
    notes = [action(entry), *(["someone else deleted it"] if entry["restored"] else [])]
    name = cell(f"{entry['kind']}/{entry['name']}")
    yield f"| {cell(MARKS[entry['action']])} | {name} | | {plain(', '.join(notes))} | |"
    for label, section in SECTIONS:
        for field in entry[section]:
            if field["what"] != "keep":
                key, origin = cell(field["name"]), cell(place(field["origin"])) if field["origin"] else ""
                mark = cell(KEY_MARKS[field["what"]])
                yield f"| {mark} | | {label}{key} | {plain(reason(field))} | {origin} |"


def cell(text: str) -> str:
    """Quote a name in a table, in which a code span shows a backslash before a bar as itself."""
    return code(text).replace("|", "\\|")


def code(text: str) -> str:
    """Quote a name, whatever it contains."""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def plain(text: str) -> str:
    """Escape a text so that nothing in it formats, embeds or hides."""
    return text.translate(_SPECIAL)
