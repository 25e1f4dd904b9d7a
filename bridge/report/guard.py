"""What the guard tells of a build: data for machines, and the cure to paste."""

from collections.abc import Iterable, Sequence
from typing import Any

from bridge.kustomize.overlap import Finding


def guard_data(shown: str, count: int, findings: Iterable[Finding], cure: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return what was found in a build as data; no value is in it. `notes` are about the names in the cure."""
    return {
        "source": shown,
        "objects": count,
        "findings": [
            {
                "verdict": one.verdict.value,
                "severity": "warning" if one.warning else "error",
                "place": one.place,
                "object": one.object,
                "keys": list(one.keys),
                "what": one.what,
                "hint": one.hint,
            }
            for one in findings
        ],
        "cure": cure or None,
        "notes": list(notes),
    }


def guard_text(data: dict[str, Any], cure: str) -> str:
    """Return the text for stdout: the cure, or that there is nothing to cure."""
    count, found = data["objects"], len(data["findings"])
    summary = f"{data['source']}: {count} object{'s' * (count != 1)}"
    if not data["findings"]:
        return f"{summary}, nothing undoes what bridge writes\n"
    summary = f"{summary}, {found} finding{'s' * (found != 1)}\n"
    if cure:
        what = "For the overlay's kustomization.yaml, in place of the patches that give these objects their values:"
        summary += f"# {what}\n"
    return summary + "".join(f"# {note}\n" for note in data["notes"]) + cure
