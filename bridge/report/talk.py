"""What goes to stderr: errors, warnings, hints and steps, one line each, as text or as JSON."""

import sys
from collections.abc import Iterable

from bridge.errors import Problem
from bridge.report.record import Record, current


def printable(text: str) -> str:
    """Escape what could steer a terminal or break the line; names can come from the cluster or a document."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def say(kind: str, problems: Iterable[Problem]) -> None:
    """Write each problem once, and a hint after the last of the problems that share it; as JSON with each of them."""
    found, record = list(dict.fromkeys(problems)), current()
    for index, problem in enumerate(found):
        if record.as_json:
            _write_json(record, kind, where=problem.where, message=problem.what, hint=problem.hint)
            continue
        print(f"bridge: {kind}: {printable(str(problem))}", file=sys.stderr)  # noqa: T201
        following = found[index + 1] if index + 1 < len(found) else None
        if problem.hint and (following is None or following.hint != problem.hint):
            print(f"bridge: hint: {printable(problem.hint)}", file=sys.stderr)  # noqa: T201


def tell(text: str, level: str = "info") -> None:
    """Write how something gets on; the level is for JSON alone."""
    record = current()
    if record.as_json:
        _write_json(record, level, message=text)
    else:
        print(f"bridge: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201


def tell_end(status: int) -> None:
    """Write the last line of a run's JSON log; a text log has none, for whoever reads it sees the report too."""
    record = current()
    if record.as_json:
        level = "error" if status else "info"
        _write_json(record, level, message="ended", status=status, seconds=round(record.seconds, 3))


def _write_json(record: Record, level: str, **fields: object) -> None:
    import json  # noqa: PLC0415 - start-up: most runs talk in text, if at all
    from datetime import UTC, datetime  # noqa: PLC0415

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": now, "level": level, "run": record.id, "environment": record.environment, **fields}
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201
