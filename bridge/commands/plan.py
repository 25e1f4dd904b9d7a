"""`bridge plan`: what a sync would do."""

import argparse

from bridge.commands.arguments import environment_of, run_of
from bridge.report.data import outcome_data, plan_data
from bridge.report.talk import say
from bridge.report.write import write_report
from bridge.sync import collect, open_cluster, prepare

PENDING = 4


def run(args: argparse.Namespace) -> int:
    """Print the plan; 1 where something speaks against it, 4 with --exit-code where something would change."""
    run_ = run_of(args)
    wanted = collect(environment_of(args), run_)
    with open_cluster(wanted.environment, wanted.namespace, run_) as cluster:
        plan = prepare(wanted, cluster, run_)
    result = "refused" if plan.refusals else "planned" if plan.pending else "unchanged"
    data = plan_data(plan, show_config=getattr(args, "show_config", False))
    write_report(outcome_data(data, result), args.output)
    say("warning", plan.warnings)
    say("error", plan.refusals)
    if plan.refusals:
        return 1
    return PENDING if getattr(args, "exit_code", False) and plan.pending else 0
