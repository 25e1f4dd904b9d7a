"""Reports workloads and their restarts: as data, and as text."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from bridge.plan.workloads import RestartReason, RestartStep, RestartVerdict, Rollout, Workload
from bridge.report.cluster import heading
from bridge.report.style import Style

RESULTS: Final = {
    "planned": "",
    "unchanged": "nothing to restart",
    "restarted": "restarted",
    "unfinished": "some workloads do not have the current keys yet",
    "interrupted": "interrupted",
}

STATES: Final = {RestartStep.ROLL.value: ("~", "to restart"), RestartStep.HOLD.value: ("!", "outdated, but paused")}


def workload_data(
    verdicts: Iterable[RestartVerdict], rolled: Collection[str], begun: Collection[str], states: Mapping[str, Workload]
) -> list[dict[str, Any]]:
    """Return every consumer as data: it was restarted, not restarted, or perhaps restarted (`begun`)."""
    entries = []
    for verdict in verdicts:
        name = str(verdict.workload)
        entries.append(
            {
                "kind": verdict.workload.kind,
                "name": verdict.workload.name,
                "state": verdict.step.value,
                "because": [_reason(reason) for reason in verdict.reasons],
                "restarted": "yes" if name in rolled else "perhaps" if name in begun else "no",
                "rollout": _rollout(states.get(name, verdict.workload).rollout),
            }
        )
    return entries


def _reason(reason: RestartReason) -> dict[str, Any]:
    return {"object": str(reason.id), "key": reason.key, "changed": reason.changed}


def _rollout(rollout: Rollout) -> dict[str, Any]:
    return {
        "state": "failed" if rollout.failed else "finished" if rollout.finished else "running",
        "pods": rollout.wanted,
        "new": rollout.updated,
        "ready": rollout.ready,
        "old": rollout.old,
        "draining": rollout.draining,
    }


def restart_text(data: dict[str, Any], style: Style) -> str:
    """Return the report of a restart as text."""
    lines = list(workload_lines(data["workloads"], style))
    end = ": ".join(part for part in (summary(data["workloads"]), RESULTS[data["result"]]) if part)
    return "\n".join([*heading(data, style), *([""] if lines else []), *lines, "", end]) + "\n"


def workload_lines(workloads: Iterable[dict[str, Any]], style: Style) -> Iterator[str]:
    """Yield a line for each outdated or restarted workload, and a line for each object that is the reason."""
    for workload in workloads:
        if workload["state"] not in STATES:
            continue
        mark, text = STATES[workload["state"]]
        note = {"yes": " (restarted)", "perhaps": " (perhaps restarted)"}.get(workload["restarted"], "")
        yield style.by_mark(mark, f"{mark} {workload['kind']}/{workload['name']}  {text}{note}")
        yield from (style.lines(f"    {line}") for line in _because(workload["because"], style))


def _because(reasons: list[dict[str, Any]], style: Style) -> Iterator[str]:
    """Describe the reasons, newest first, grouped by object and time."""
    together: dict[tuple[str, str], list[str]] = {}
    for reason in reasons:
        together.setdefault((reason["object"], reason["changed"]), []).append(reason["key"] or "a removed key")
    for (name, changed), keys in together.items():
        yield f"{name} changed {style.time(changed)}: {', '.join(keys)}"


def summary(workloads: Iterable[dict[str, Any]]) -> str:
    """Count the workloads by what happens to them."""
    states = [workload["state"] for workload in workloads]
    counts = {step: states.count(step.value) for step in RestartStep}
    words = {RestartStep.ROLL: "to restart", RestartStep.HOLD: "paused"}
    parts = [f"{counts[step]} {word}" for step, word in words.items() if counts[step]]
    return ", ".join([*parts, f"{counts[RestartStep.NONE]} up to date"])
