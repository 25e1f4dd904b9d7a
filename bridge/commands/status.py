"""`bridge status`: which variables are used, where each comes from, whether the cluster has it."""

import argparse

from bridge.commands.arguments import environment_of, run_of
from bridge.opening import open_cluster
from bridge.prepare import collect, inspect
from bridge.report.status import status_data, status_text
from bridge.report.talk import say
from bridge.report.write import write_json, write_lines


def run(args: argparse.Namespace) -> int:
    """Print the table; 1 where a sync would be refused."""
    run_ = run_of(args)
    wanted = collect(environment_of(args), run_)
    with open_cluster(wanted.environment, wanted.namespace, run_) as cluster:
        plan = inspect(wanted, cluster, run_)
    data = status_data(plan, dict(wanted.resolution.unused))
    if args.output == "json":
        write_json(data)
    else:
        write_lines(status_text(data))
    say("warning", plan.warnings)
    say("error", plan.refusals)
    return 1 if plan.refusals else 0
