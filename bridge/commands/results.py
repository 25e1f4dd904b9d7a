"""The exit status and the report's `result` of a plan and of a sync, for one environment or several."""

from typing import TYPE_CHECKING, Any, Final

from bridge.errors import Stopped
from bridge.plan.admission import dropped
from bridge.plan.model import Plan

if TYPE_CHECKING:
    from bridge.run.apply import Outcome
    from bridge.run.restart import Restart

PENDING: Final = 4
"""The exit status of `plan --exit-code` if there is something to do."""


def plan_result(plan: Plan, *, exit_code: bool) -> tuple[int, str]:
    """Return a plan's exit status and `result`."""
    if plan.refusals:
        return 1, "refused"
    if dropped(plan):
        return 1, "altered"
    return (PENDING if exit_code else 0, "planned") if plan.pending else (0, "unchanged")


def status_result(data: dict[str, Any]) -> tuple[int, str]:
    """Return the exit status and the `result` of a `status`, from its data."""
    if data["refusals"]:
        return 1, "refused"
    if data["errors"]:  # the keys that an admission rule drops
        return 1, "altered"
    return 0, "in sync" if data["in_sync"] else "out of sync"


def sync_result(plan: Plan, outcome: "Outcome", restart: "Restart | None") -> tuple[int, str]:
    """Return a sync's exit status and `result`."""
    if plan.refusals:
        return 1, "refused"
    if outcome.error:
        return outcome.error.exit_status, "stopped" if isinstance(outcome.error, Stopped) else "failed"
    if restart and restart.error:
        return Stopped.exit_status if outcome.written else restart.error.exit_status, "unfinished"
    if dropped(plan):  # pods that start now would lack a key
        return 1, "altered"
    return 0, "written" if outcome.written else "restarted" if restart and restart.rolled else "unchanged"


def with_workloads(data: dict[str, Any], restart: "Restart | None") -> dict[str, Any]:
    """Add the workloads to a report's data if the run restarts any."""
    if restart is None:
        return data
    from bridge.report.restart import workload_data  # noqa: PLC0415 - start-up: most runs restart nothing

    return data | {"workloads": workload_data(restart.verdicts, restart.rolled, restart.begun, restart.states)}
