"""Writes errors, warnings, hints and progress to stderr, one line each, as text or as JSON."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from bridge import late_warnings, progress
from bridge.errors import Problem
from bridge.process import take_printed
from bridge.report import streams
from bridge.report.own_flags import completed
from bridge.report.record import Record
from bridge.report.style import KINDS, USUAL_WIDTH, style_of, width_of

if TYPE_CHECKING:
    from bridge.plan.model import ClusterName

KEY: Final = " key "
"""Precedes the key in the place of a problem that is about one key of an object."""


def printable(text: str) -> str:
    """Escape characters that could control a terminal or break the line: names may come from outside."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def say(
    record: Record,
    kind: str,
    problems: Iterable[Problem],
    clusters: "Mapping[Problem, ClusterName | None] | None" = None,
) -> None:
    """Write each problem once. In text, a hint follows the last problem that has it; in JSON, every problem has one.

    `clusters` gives the cluster of each problem, if they are not all about the run's own cluster.
    """
    unique = list(dict.fromkeys(problems))
    late_warnings.mark_printed(unique)
    if _is_silent(record, kind):
        return
    if not record.as_json:
        unique = _by_object(unique)
    for index, problem in enumerate(unique):
        if record.as_json:
            cluster = record.cluster if clusters is None else clusters.get(problem)
            hint = completed(record, problem.hint)
            _write_json(record, kind, cluster, where=problem.where, message=problem.what, hint=hint)
            continue
        out = streams.talk()
        style = style_of(out)
        print(f"bridge: {style.paint(KINDS.get(kind, ''), f'{kind}:')} {printable(str(problem))}", file=out)
        following = unique[index + 1] if index + 1 < len(unique) else None
        if problem.hint and (following is None or following.hint != problem.hint):
            hint = style.paint(KINDS["hint"], "hint:")
            print(f"bridge: {hint} {printable(completed(record, problem.hint))}", file=out)


def _by_object(problems: Iterable[Problem]) -> list[Problem]:
    """Join the problems that differ only in the key of one object, so that one cause takes one line."""
    joined: dict[tuple[str, Problem], list[str]] = {}
    for problem in problems:
        where, separator, key = problem.where.rpartition(KEY)
        is_key = bool(separator) and " " not in key
        joined.setdefault((where if is_key else "", problem._replace(where="") if is_key else problem), []).append(key)
    found = []
    for (where, problem), (key, *others) in joined.items():
        also = f" (also {', '.join(others)})" if others else ""
        found.append(problem._replace(where=f"{where}{KEY}{key}{also}") if where else problem)
    return found


def begin_progress(record: Record) -> None:
    """Show progress on stderr if it is a terminal that a person reads, and only if no JSON is printed."""
    out, args = streams.talk(), record.args
    is_read = out.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    is_json = record.as_json or getattr(args, "output", "") == "json"
    if not is_read or is_json or record.quiet:
        return

    def write(text: str) -> None:
        out.write(text)
        out.flush()

    progress.begin(write, lambda: width_of(out) or USUAL_WIDTH)


def printed() -> list[Problem]:
    """Return a warning for each package that has printed something since the last call."""
    what = "printed something; bridge discarded it, as it may contain a value"
    hint = "report it to the maintainers of this package"
    return [Problem(name or "a library", what, hint if name else "") for name in take_printed()]


def tell(record: Record, text: str, level: str = "info") -> None:
    """Write a progress message; `level` appears only in JSON."""
    if record.as_json:
        _write_json(record, level, record.cluster, message=text)
    elif not _is_silent(record, level):
        print(f"bridge: {printable(text)}", file=streams.talk(), flush=True)


def _is_silent(record: Record, kind: str) -> bool:
    """Whether --quiet drops these lines. JSON is for machines, and stays complete."""
    return record.quiet and not record.as_json and kind != "error"


def tell_end(record: Record, status: int) -> None:
    """Write the last line of a run's JSON log. A text log has none, because its readers also see the report."""
    if record.as_json:
        level = "error" if status else "info"
        seconds = round(record.seconds, 3)
        _write_json(record, level, record.cluster, message="ended", status=status, seconds=seconds)


def _write_json(record: Record, level: str, cluster: "ClusterName | None", **fields: object) -> None:
    import json  # noqa: PLC0415 - start-up: most runs write text, or nothing
    from datetime import UTC, datetime  # noqa: PLC0415 - start-up

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": now, "level": level, "run": record.id, "environment": record.environment}
    where = {"cluster": {"server": cluster.server, "context": cluster.context}} if cluster else {}
    print(json.dumps({**line, **where, **fields}), file=streams.talk(), flush=True)
