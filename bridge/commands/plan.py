"""`bridge plan`: what a sync would do."""

import argparse
from typing import TYPE_CHECKING, Any

from bridge.commands.arguments import environment_of, run_of
from bridge.opening import Cluster, open_cluster
from bridge.plan.admission import dropped, rewritten
from bridge.plan.build import remember
from bridge.plan.model import Plan
from bridge.prepare import collect, prepare
from bridge.report.data import outcome_data, plan_data
from bridge.report.talk import say
from bridge.report.write import write_report

if TYPE_CHECKING:
    from bridge.restart import Restart

PENDING = 4


def run(args: argparse.Namespace) -> int:
    """Print the plan; 1 if something speaks against it or a key would be missing, 4 with --exit-code for any change."""
    if args.all or args.shard:
        from bridge.commands import fleet  # noqa: PLC0415 - start-up: most runs are of one environment

        return fleet.run(args)
    run_ = run_of(args)
    wanted = collect(environment_of(args), run_)
    with open_cluster(wanted.environment, wanted.namespace, run_) as cluster:
        plan = prepare(wanted, cluster, run_)
        asked = getattr(args, "restart", False) and not (plan.refusals or dropped(plan))  # a sync restarts nothing then
        restart = _restart(plan, cluster) if asked else None
    status, result = judge(plan, exit_code=getattr(args, "exit_code", False))
    data = outcome_data(plan_data(plan, show_config=getattr(args, "show_config", False)), result)
    write_report(with_workloads(data, restart), args.output)
    say("warning", (*plan.warnings, *rewritten(plan)))
    say("error", (*plan.refusals, *dropped(plan)))
    return status


def judge(plan: Plan, *, exit_code: bool) -> tuple[int, str]:
    """Return the exit status and the report's word for a plan."""
    if plan.refusals:
        return 1, "refused"
    if dropped(plan):
        return 1, "altered"
    return (PENDING if exit_code else 0, "planned") if plan.pending else (0, "unchanged")


def _restart(plan: Plan, cluster: Cluster) -> "Restart":
    """Judge the workloads as if the plan were carried out now."""
    from bridge.restart import Restart, survey  # noqa: PLC0415 - start-up: most runs restart nothing

    return Restart(survey(cluster, remember(plan, {}, cluster.now())))


def with_workloads(data: dict[str, Any], restart: "Restart | None") -> dict[str, Any]:
    """Add what becomes of the workloads to a report's data, where they were asked for."""
    if restart is None:
        return data
    from bridge.report.restart import workload_data  # noqa: PLC0415

    return data | {"workloads": workload_data(restart.verdicts, restart.rolled, restart.begun, restart.states)}
