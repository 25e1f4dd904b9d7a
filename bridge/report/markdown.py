"""A plan or its outcome for a pipeline's summary page: what speaks against it first, then one table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.report.cluster import cluster_text
from bridge.report.data import is_shown
from bridge.report.talk import printable
from bridge.report.text import ACTIONS, KEY_MARKS, MARKS, RESULTS, SECTIONS, place, reason, summary

LIMIT: Final = 256 * 1024
"""Bytes; GitHub takes 1 MiB for a step's summary, and several environments may share one."""
_SPECIAL: Final = str.maketrans({char: f"\\{char}" for char in "\\`*_[]|<>~#!&@$"})


def plan_markdown(data: dict[str, Any]) -> str:
    """Return the report as Markdown: no value is in it, nor does a name or a message in it act as markup."""
    return bounded(list(_lines(data)))


def bounded(everything: Sequence[str]) -> str:
    """Join lines, and say how many are left out where they are more than a page takes."""
    lines: list[str] = []
    size = 0
    for line in everything:
        size += len(line.encode()) + 1
        if size > LIMIT:
            lines += ["", f"*{len(everything) - len(lines)} more lines: see `bridge plan`.*"]
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
    yield f"**{': '.join(part for part in (summary(data['summary']), RESULTS[data['result']]) if part)}**"
    for title, key in (("Refused", "refusals"), ("Errors", "errors"), ("Warnings", "warnings")):
        if data[key]:
            yield from ("", f"**{title}**", "")
            yield from map(_problem, data[key])
    objects = [one for one in data["objects"] if is_shown(one)]
    if objects:
        yield from ("", "| | object | key | what | from |", "|---|---|---|---|---|")
        yield from (row for one in objects for row in _rows(one))
    if data.get("workloads"):
        yield from ("", "| workload | state | restarted |", "|---|---|---|")
        for one in data["workloads"]:
            yield f"| {cell(one['kind'] + '/' + one['name'])} | {one['state']} | {one['restarted']} |"
    yield from _sources(data["sources"])


def _sources(sources: Mapping[str, str]) -> Iterator[str]:
    """Tell which revision of each source was read, whether or not a key of it changes."""
    if sources:
        yield ""
        yield f"Read: {', '.join(code(f'{name} @ {revision}') for name, revision in sources.items())}"


def _problem(one: Mapping[str, str]) -> str:
    where = f"{code(one['where'])}: " if one["where"] else ""
    hint = f" ({plain(one['hint'])})" if one["hint"] else ""
    return f"- {where}{plain(one['what'])}{hint}"


def _rows(one: dict[str, Any]) -> Iterator[str]:
    """Yield a row for an object, and one for each key, label and annotation that does not stay."""
    notes = [ACTIONS[one["action"]]]
    notes += ["somebody deleted it"] if one["restored"] else []
    notes += [{"yes": "written", "perhaps": "perhaps written"}[one["written"]]] if one["written"] != "no" else []
    name = cell(f"{one['kind']}/{one['name']}")
    yield f"| {cell(MARKS[one['action']])} | {name} | | {plain(', '.join(notes))} | |"
    for label, section in SECTIONS:
        for field in one[section]:
            if field["what"] != "keep":
                key, origin = cell(field["name"]), cell(place(field["origin"])) if field["origin"] else ""
                mark = cell(KEY_MARKS[field["what"]])
                yield f"| {mark} | | {label}{key} | {plain(reason(field))} | {origin} |"


def cell(text: str) -> str:
    """Quote a name in a table, where a code span gives the backslash before a bar up again."""
    return code(text).replace("|", "\\|")


def code(text: str) -> str:
    """Quote a name, whatever it holds."""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def plain(text: str) -> str:
    """Escape a text so that nothing in it formats, embeds or hides."""
    return text.translate(_SPECIAL)
