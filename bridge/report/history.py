"""The report of `bridge history`: when each value last changed, and by whom."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.errors import Problem
from bridge.git_history import Commit
from bridge.named_tuple import NamedTuple
from bridge.provider import StoredVersion
from bridge.report.data import SCHEMA, problems
from bridge.report.style import Style, table
from bridge.review.value_history import Event
from bridge.review.variable_names import Named

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_UNCOMMITTED = "not committed"


class Row(NamedTuple):
    """A change of a value in a file; without an event, git does not know when it changed."""

    named: Named
    document: str
    file: str
    event: Event | None


class LastWrite(NamedTuple):
    """When bridge last changed keys of the cluster's objects, as the state ConfigMap says."""

    newest: str
    keys: Mapping[str, str]


class DocumentVersions(NamedTuple):
    """The versions of a document that its store lists, newest first."""

    document: str
    versions: tuple[StoredVersion, ...]


def history_data(
    environment: str,
    rows: Iterable[Row],
    stores: Iterable[DocumentVersions],
    cluster: LastWrite | None,
    warnings: Iterable[Problem],
) -> dict[str, Any]:
    """Return the report as data."""
    return {
        "schema": SCHEMA,
        "environment": environment,
        "changes": [_row(row) for row in rows],
        "stores": [
            {"document": one.document, "versions": [version._asdict() for version in one.versions]} for one in stores
        ],
        "cluster": None if cluster is None else {"last_write": cluster.newest, "keys": dict(cluster.keys)},
        "warnings": problems(warnings),
    }


def _row(row: Row) -> dict[str, Any]:
    event = row.event
    return {
        "value": row.named.label,
        "variables": list(row.named.variables),
        "document": row.document,
        "file": row.file,
        "change": str(event.what) if event else None,
        "committed": None if event is None else event.commit is not None,
        **commit_data(event.commit if event else None),
    }


def commit_data(commit: Commit | None) -> dict[str, Any]:
    """Return a commit as data."""
    return {
        "commit": commit.id if commit else None,
        "time": moment(commit.time) if commit else None,
        "author": commit.author if commit else None,
        "email": commit.email if commit else None,
    }


def moment(seconds: int) -> str:
    """Format a time in seconds since 1970 as RFC 3339; a damaged commit may have any number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime(_FORMAT)
    except (ValueError, OverflowError, OSError):
        return ""


def history_text(data: dict[str, Any], style: Style) -> str:
    """Return the report as tables."""
    return "\n".join(_tables(data, style))


def _tables(data: dict[str, Any], style: Style) -> Iterator[str]:
    if data["changes"]:
        head = ("VALUE", "CHANGED", "COMMIT", "AUTHOR", "CHANGE", "FILE")
        yield _table([head, *(_cells(row, style) for row in data["changes"])], style)
    for one in data["stores"]:
        lines = [
            (
                one["document"] if not number else "",
                version["id"],
                _time(version["time"], style),
                version["state"] or "-",
            )
            for number, version in enumerate(one["versions"])
        ]
        yield _table([("DOCUMENT", "VERSION", "WRITTEN", "STATE"), *lines], style)
    if cluster := data["cluster"]:
        lines2 = [(name, _time(time, style)) for name, time in cluster["keys"].items()]
        yield _table(
            [("IN THE CLUSTER", "WRITTEN"), *lines2, ("last write", _time(cluster["last_write"], style))], style
        )


def _table(rows: Sequence[Sequence[str]], style: Style) -> str:
    return table(rows, style.width)


def _time(text: str | None, style: Style) -> str:
    return style.time(text) if text else "-"


def _cells(row: dict[str, Any], style: Style) -> tuple[str, ...]:
    if row["change"] is None:
        return row["value"], "unknown", "-", "-", "-", row["file"]
    if not row["committed"]:
        return row["value"], _UNCOMMITTED, "-", "-", row["change"], row["file"]
    return row["value"], _time(row["time"], style), row["commit"][:10], row["author"], row["change"], row["file"]
