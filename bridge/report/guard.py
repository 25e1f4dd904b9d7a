"""Reports the guard's findings about a build: as data, and with the patches to paste."""

from collections.abc import Iterable, Sequence
from typing import Any

from bridge.kustomize.overlap import Finding


def guard_data(shown: str, count: int, findings: Iterable[Finding], cure: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return the findings about a build as data, without values. `notes` are about the names in the patches."""
    return {
        "source": shown,
        "objects": count,
        "findings": [
            {
                "verdict": finding.verdict.value,
                "severity": "warning" if finding.warning else "error",
                "place": finding.place,
                "object": finding.object,
                "keys": list(finding.keys),
                "what": finding.what,
                "hint": finding.hint,
            }
            for finding in findings
        ],
        "cure": cure or None,
        "notes": list(notes),
    }


def guard_text(data: dict[str, Any], cure: str) -> str:
    """Return the text for stdout: the patches, or that none are needed."""
    count, found = data["objects"], len(data["findings"])
    summary = f"{data['source']}: {count} object{'s' * (count != 1)}"
    if not data["findings"]:
        return f"{summary}, nothing in it conflicts with bridge\n"
    summary = f"{summary}, {found} finding{'s' * (found != 1)}\n"
    if cure:
        what = "For the overlay's kustomization.yaml, instead of the patches with these objects' values:"
        summary += f"# {what}\n"
    return summary + "".join(f"# {note}\n" for note in data["notes"]) + cure
