"""The report of many environments: a line for each, and everything that changes, differs or is refused."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from bridge.report import streams
from bridge.report.cluster import POD, Quote, binding_note, cluster_text
from bridge.report.output import printable_data, show, write_report, write_text
from bridge.report.own_flags import with_hints
from bridge.report.record import Record
from bridge.report.status import difference_text, has_difference, state_counts
from bridge.report.style import KINDS, Style, table
from bridge.report.text import WRONG, plan_text, summary

SCHEMA: Final = "bridge/fleet/v1"
NAMED: Final = 3
"""The number of environments that a message names."""


def fleet_data(entries: Sequence[dict[str, Any]], status: int, shard: str | None) -> dict[str, Any]:
    """Return the report as data.

    Each entry is an environment's `status_data`, or its `plan_data` with only the objects that change.
    """
    results = Counter(entry["result"] for entry in entries)
    return {
        "schema": SCHEMA,
        "status": status,
        "shard": shard,
        "summary": dict(sorted(results.items())),
        "environments": list(entries),
    }


def write_fleet(record: Record, data: dict[str, Any], form: str) -> None:
    """Write the report to stdout as `text`, `json` or `markdown`."""
    if form == "markdown":
        write_text(_markdown(printable_data(with_hints(record, data))))
    else:
        write_report(record, data, form, lambda shown, style: _text(with_hints(record, shown), style))


def show_fleet(data: dict[str, Any]) -> None:
    """Write the report to stderr, for the question that follows; stdout is for the final report."""
    show(data, _text, streams.talk())


def listed(names: Sequence[str]) -> str:
    """Format the first few names and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def _text(data: dict[str, Any], style: Style) -> str:
    blocks = [
        difference_text(entry, style) if _is_status(entry) else plan_text(entry, style)
        for entry in data["environments"]
        if _has_details(entry)
    ]
    clusters = "".join(f"{style.lines(f'cluster: {text}')}\n" for text in _cluster_texts(data["environments"]))
    blocks += [clusters] if clusters else []
    head, *rows = _rows(data["environments"])
    rows = [
        (name, style.paint(KINDS["error"] if result in WRONG else "", result), *rest) for name, result, *rest in rows
    ]
    blocks.append(table([head, *rows]))
    return "\n".join([*blocks, f"{_count(data)}\n", *(f"{style.lines(line)}\n" for line in _plan_file(data))])


def _markdown(data: dict[str, Any]) -> str:
    from bridge.report.markdown import bounded, cell, code, plain, plan_markdown  # noqa: PLC0415 - start-up

    lines = [f"## bridge: {_count(data)}", ""]
    for text in _cluster_texts(data["environments"], code):
        lines += [f"Cluster: {text}", ""]
    for line in _plan_file(data, code):
        lines += [line, ""]
    head, *rows = _rows(data["environments"])
    lines += [f"| {' | '.join(filter(None, head))} | |", "|---" * len(head) + "|"]
    for environment, result, *cluster, note in rows:
        lines.append(f"| {' | '.join((cell(environment), result, *map(cell, cluster), plain(note)))} |")
    for entry in data["environments"]:
        if _has_details(entry):
            lines += ["", *plan_markdown(entry).splitlines()]
    return bounded(lines)


def _plan_file(data: dict[str, Any], quote: Quote = str) -> Iterator[str]:
    """Yield the line about the plan's file, if there is one."""
    if "plan_file" in data:
        from bridge.report.plan_file import plan_file_text  # noqa: PLC0415 - start-up: only with --out or --plan

        yield plan_file_text(data["plan_file"], quote)


def _clusters(entries: Iterable[dict[str, Any]]) -> dict[tuple[str, str | None], list[dict[str, Any]]]:
    """Return the clusters by server and context with their environments' data; some environments may have none yet."""
    clusters: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for entry in entries:
        if "cluster" in entry:
            clusters.setdefault(_key(entry["cluster"]), []).append(entry["cluster"])
    return clusters


def _key(cluster: dict[str, Any]) -> tuple[str, str | None]:
    return cluster["server"], cluster["context"]


def _cluster_texts(entries: Iterable[dict[str, Any]], quote: Quote = str) -> Iterator[str]:
    """Yield a description of each cluster."""
    for several in _clusters(entries).values():
        yield cluster_text(several[0], note=binding_note(*several), quote=quote)


def _rows(entries: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the heading and a row for each environment; a column for the cluster only if there are several."""
    clusters = list(_clusters(entries))
    contexts = [context or POD for _, context in clusters]
    names = contexts if len(set(contexts)) == len(clusters) else [server for server, _ in clusters]
    short = dict(zip(clusters, names, strict=True))
    several = len(clusters) > 1
    yield ("environment", "result", *(["cluster"] if several else []), "")
    for entry in entries:
        cluster = short[_key(entry["cluster"])] if "cluster" in entry else "-"
        yield (entry["environment"], entry["result"], *([cluster] if several else []), _note(entry))


def _is_status(entry: dict[str, Any]) -> bool:
    return "in_sync" in entry


def _has_details(entry: dict[str, Any]) -> bool:
    if _is_status(entry):
        return has_difference(entry)
    return bool(entry.get("objects") or entry.get("refusals") or entry.get("workloads"))


def _note(entry: dict[str, Any]) -> str:
    """Describe what changes or differs, or the first problem and the number of the others."""
    if problem := first_problem(entry):
        return problem
    if _is_status(entry):
        return state_counts(entry)
    return summary(entry) if "summary" in entry else ""


def first_problem(entry: dict[str, Any]) -> str:
    """Describe the first problem of an environment and the number of the others; "" if there is none."""
    wrong = [*entry.get("refusals", ()), *entry["errors"]]
    if not wrong:
        return ""
    first = ": ".join(filter(None, (wrong[0]["where"], wrong[0]["what"])))
    return f"{first} (and {len(wrong) - 1} more)" if len(wrong) > 1 else first


def _count(data: dict[str, Any]) -> str:
    return ", ".join(_counts(data)) + (f" (shard {data['shard']})" if data["shard"] else "")


def _counts(data: dict[str, Any]) -> Iterator[str]:
    count = len(data["environments"])
    yield f"{count} environment{'' if count == 1 else 's'}"
    yield from (f"{number} {result}" for result, number in data["summary"].items())
