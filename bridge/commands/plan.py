"""`bridge plan`: shows what a sync would do."""

import argparse
from typing import TYPE_CHECKING

from bridge.commands.arguments import Opening, approval_of, run_of
from bridge.commands.results import PENDING, plan_result, with_workloads
from bridge.plan.admission import dropped, rewritten
from bridge.plan.build import remember
from bridge.plan.model import Plan
from bridge.report.data import outcome_data, plan_data
from bridge.report.output import write_plan
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.plan import plan_only, read_environment
from bridge.run.view import Cluster

if TYPE_CHECKING:
    from bridge.run.restart import Restart


def run(args: argparse.Namespace, record: Record, opened: Opening | None = None) -> int:
    """Print the plan; return 1 if it is refused or a key would be missing, 4 for changes with --exit-code."""
    if opened is None:
        from bridge.commands import fleet  # noqa: PLC0415 - start-up: most runs are of one environment

        return fleet.run(args, record)
    approval = approval_of(args)
    run_ = run_of(args, record, opened.deadline)._replace(review=approval)
    with read_environment(opened.environment, run_, opened.line_to) as (wanted, cluster):
        plan = plan_only(wanted, cluster, run_)
        asked = getattr(args, "restart", False) and not (plan.refusals or dropped(plan))  # a sync restarts nothing then
        restart = _restart(plan, cluster) if asked else None
    status, result = plan_result(plan, exit_code=getattr(args, "exit_code", False))
    data = outcome_data(plan_data(plan, show_config=getattr(args, "show_config", False)), result)
    data |= approval.report(is_in_order=status in {0, PENDING}) if approval else {}
    write_plan(record, with_workloads(data, restart), args.output)
    say(record, "warning", (*plan.warnings, *rewritten(plan)))
    say(record, "error", (*plan.refusals, *dropped(plan)))
    return status


def _restart(plan: Plan, cluster: Cluster) -> "Restart":
    """Return what would happen to the workloads if the plan were applied now."""
    from bridge.run.restart import Restart, survey  # noqa: PLC0415 - start-up: most runs restart nothing

    return Restart(survey(cluster, remember(plan, {}, cluster.now())))
