"""Formats a rollback: what it does to the store's document, and then to the cluster."""

from collections.abc import Iterator
from typing import Any

from bridge.report.style import Style
from bridge.report.text import plan_text

_STORIES = (
    ("changed", "~", "changes"),
    ("added", "+", "is restored"),
    ("removed", "-", "is removed: the revision does not have it"),
)


def rollback_text(data: dict[str, Any], style: Style) -> str:
    """Return the whole report as text."""
    return "\n".join([*_store(data["rollback"], style), "", plan_text(data, style)])


def _store(rollback: dict[str, Any], style: Style) -> Iterator[str]:
    source, to, before, after = (rollback[name] for name in ("source", "to", "before", "after"))
    if not rollback["needed"]:
        yield style.bold(f"{source}: unchanged, revision {before} has the same content as {to}")
        return
    step = f"written, revision {before or 'none'} -> {after}" if after else f"now at revision {before or 'none'}"
    yield style.bold(f"{source}: {step}, with the content of {to}")
    for name, mark, story in _STORIES:
        yield from (style.by_mark(mark, f"    {mark} {key}  {story}") for key in rollback[name])
