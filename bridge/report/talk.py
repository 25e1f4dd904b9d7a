"""Writes errors, warnings, hints and progress to stderr, one line each, as text or as JSON."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bridge import late_warnings
from bridge.errors import Problem
from bridge.process import take_printed
from bridge.report import streams
from bridge.report.own_flags import completed
from bridge.report.record import Record

if TYPE_CHECKING:
    from bridge.plan.model import ClusterName


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
    for index, problem in enumerate(unique):
        if record.as_json:
            cluster = record.cluster if clusters is None else clusters.get(problem)
            hint = completed(record, problem.hint)
            _write_json(record, kind, cluster, where=problem.where, message=problem.what, hint=hint)
            continue
        print(f"bridge: {kind}: {printable(str(problem))}", file=streams.talk())
        following = unique[index + 1] if index + 1 < len(unique) else None
        if problem.hint and (following is None or following.hint != problem.hint):
            print(f"bridge: hint: {printable(completed(record, problem.hint))}", file=streams.talk())


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
