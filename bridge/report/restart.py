"""Workloads and what became of them: as data, and for people."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from bridge.plan.restart import Reason, Step, Verdict
from bridge.plan.rollout import Rollout, Workload
from bridge.report.cluster import heading
from bridge.report.style import Style

RESULTS: Final = {
    "planned": "",
    "unchanged": "nothing to restart",
    "restarted": "restarted",
    "unfinished": "not every workload has the keys of now",
    "interrupted": "interrupted",
}

STATES: Final = {Step.ROLL.value: ("~", "to restart"), Step.HOLD.value: ("!", "behind, but paused")}


def workload_data(
    verdicts: Iterable[Verdict], rolled: Collection[str], begun: Collection[str], states: Mapping[str, Workload]
) -> list[dict[str, Any]]:
    """Return every consumer as data: it is restarted, not restarted, or perhaps (`begun`)."""
    found = []
    for one in verdicts:
        name = str(one.workload)
        found.append(
            {
                "kind": one.workload.kind,
                "name": one.workload.name,
                "state": one.step.value,
                "because": [_reason(reason) for reason in one.reasons],
                "restarted": "yes" if name in rolled else "perhaps" if name in begun else "no",
                "rollout": _rollout(states.get(name, one.workload).rollout),
            }
        )
    return found


def _reason(one: Reason) -> dict[str, Any]:
    return {"object": str(one.id), "key": one.key, "changed": one.changed}


def _rollout(one: Rollout) -> dict[str, Any]:
    return {
        "state": "failed" if one.failed else "finished" if one.finished else "running",
        "pods": one.wanted,
        "new": one.updated,
        "ready": one.ready,
        "old": one.old,
        "draining": one.draining,
    }


def restart_text(data: dict[str, Any], style: Style) -> str:
    """Return the report of a restart as text."""
    lines = list(workload_lines(data["workloads"], style))
    end = ": ".join(part for part in (summary(data["workloads"]), RESULTS[data["result"]]) if part)
    return "\n".join([*heading(data, style), *([""] if lines else []), *lines, "", end]) + "\n"


def workload_lines(workloads: Iterable[dict[str, Any]], style: Style) -> Iterator[str]:
    """Yield a line for each workload that is behind or was rolled, and one for each object that is why."""
    for one in workloads:
        if one["state"] not in STATES:
            continue
        mark, text = STATES[one["state"]]
        note = {"yes": " (restarted)", "perhaps": " (perhaps restarted)"}.get(one["restarted"], "")
        yield style.by_mark(mark, f"{mark} {one['kind']}/{one['name']}  {text}{note}")
        yield from (f"    {line}" for line in _because(one["because"]))


def _because(reasons: list[dict[str, Any]]) -> Iterator[str]:
    """Word the reasons, newest first, those of one object and one time together."""
    together: dict[tuple[str, str], list[str]] = {}
    for one in reasons:
        together.setdefault((one["object"], one["changed"]), []).append(one["key"] or "a key that is gone")
    for (name, changed), keys in together.items():
        yield f"{name} changed {changed}: {', '.join(keys)}"


def summary(workloads: Iterable[dict[str, Any]]) -> str:
    """Count the workloads by what becomes of them."""
    states = [one["state"] for one in workloads]
    counts = {step: states.count(step.value) for step in Step}
    words = {Step.ROLL: "to restart", Step.HOLD: "paused"}
    parts = [f"{counts[step]} {word}" for step, word in words.items() if counts[step]]
    return ", ".join([*parts, f"{counts[Step.NONE]} up to date"])
