"""Reports what `bridge init --fix-kustomize` has changed, as text and as data."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bridge.errors import Problem
from bridge.kustomize.patches import RemovalPatch
from bridge.kustomize.read import Patch
from bridge.report.data import SCHEMA, problems
from bridge.report.output import write_json, write_text
from bridge.report.record import Record
from bridge.report.talk import printable


def fixed_data(  # noqa: PLR0913, PLR0917 - everything in the report
    environment: str,
    overlay: str,
    removed: Sequence[Patch],
    added: Sequence[RemovalPatch],
    holding: Sequence[str],
    missing: Sequence[Path],
) -> dict[str, Any]:
    """Return what was changed as data; `holding` are the overlays that still build bridge's objects.

    `missing` are patches that no longer exist, and lost their reference.
    """
    return {
        "schema": SCHEMA,
        "environment": environment,
        "overlay": overlay,
        "result": "written" if removed or added or missing else "unchanged",
        "removed": [str(patch.file) for patch in removed],
        "missing": [str(path) for path in missing],
        "patches": [
            {"object": str(patch.id), "keys": [key for _, keys in patch.keys for key in keys]} for patch in added
        ],
        "holding": list(holding),
    }


def write_fixed(record: Record, data: dict[str, Any], warnings: Iterable[Problem], form: str) -> None:
    """Write the report to stdout."""
    if form == "json":
        write_json(record, data | {"warnings": problems(warnings)})
    else:
        write_text("".join(f"{printable(line)}\n" for line in _lines(data)))


def _lines(data: dict[str, Any]) -> list[str]:
    if data["result"] == "unchanged":
        lines = [f"{data['overlay']}: unchanged; its build has none of bridge's objects"]
    else:
        lines = [f"{data['overlay']}: changed; its build is the same as before, without bridge's objects"]
        lines += [f"  {patch['object']}  {_gone(patch['keys'])}" for patch in data["patches"]]
        lines += [f"  {file}  no longer used; delete it once its values are imported" for file in data["removed"]]
        lines += [f"  {file}  missing; its reference was removed" for file in data["missing"]]
    if data["holding"]:
        lines.append(f"the base is unchanged: {', '.join(data['holding'])} still needs its objects")
    else:
        lines.append(
            "no overlay builds these objects now: remove the templates from the base's kustomization, "
            "then their patches from the overlays"
        )
    return lines


def _gone(keys: Sequence[str]) -> str:
    return f"no longer built: {', '.join(keys)}" if keys else "no longer built"
