"""What `bridge init --fix-kustomize` has done, for people and for machines."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bridge.errors import Problem
from bridge.kustomize.patches import Cure
from bridge.kustomize.read import Patch
from bridge.report import streams
from bridge.report.data import SCHEMA, problems
from bridge.report.record import Record
from bridge.report.talk import printable
from bridge.report.write import write_json


def fixed_data(  # noqa: PLR0913, PLR0917 - all that the report tells
    environment: str,
    overlay: str,
    removed: Sequence[Patch],
    cures: Sequence[Cure],
    holding: Sequence[str],
    missing: Sequence[Path],
) -> dict[str, Any]:
    """Return what was changed as data; `holding` are the overlays that build objects of bridge still.

    `missing` are patches that no longer exist, and lost their reference.
    """
    return {
        "schema": SCHEMA,
        "environment": environment,
        "overlay": overlay,
        "result": "written" if removed or cures or missing else "unchanged",
        "removed": [str(patch.file) for patch in removed],
        "missing": [str(path) for path in missing],
        "patches": [{"object": str(one.id), "keys": [key for _, keys in one.keys for key in keys]} for one in cures],
        "holding": list(holding),
    }


def write_fixed(record: Record, data: dict[str, Any], warnings: Iterable[Problem], form: str) -> None:
    """Write the report to stdout."""
    if form == "json":
        write_json(record, data | {"warnings": problems(warnings)})
    else:
        streams.report().write("".join(f"{printable(line)}\n" for line in _lines(data)))
        streams.report().flush()


def _lines(data: dict[str, Any]) -> list[str]:
    if data["result"] == "unchanged":
        lines = [f"{data['overlay']}: builds nothing that bridge writes; unchanged"]
    else:
        lines = [f"{data['overlay']}: changed, and builds the same as before without what bridge writes"]
        lines += [f"  {one['object']}  {_gone(one['keys'])}" for one in data["patches"]]
        lines += [f"  {file}  no longer used; delete it once its values are imported" for file in data["removed"]]
        lines += [f"  {file}  missing, and no longer named" for file in data["missing"]]
    if data["holding"]:
        lines.append(f"the base stays as it is: {', '.join(data['holding'])} still needs these objects in it")
    else:
        lines.append(
            "no overlay builds these objects any more: the base's kustomization may let its templates go, "
            "then the overlays their patches of them"
        )
    return lines


def _gone(keys: Sequence[str]) -> str:
    return f"no longer built: {', '.join(keys)}" if keys else "no longer built"
