"""`bridge status`: which variables are used, where each comes from, whether the cluster has it."""

import argparse

from bridge.commands.arguments import environment_of, run_of
from bridge.opening import open_cluster
from bridge.plan.admission import dropped, rewritten
from bridge.prepare import collect, inspect, with_admission
from bridge.report import streams
from bridge.report.status import status_data, status_text
from bridge.report.style import style_of
from bridge.report.talk import say
from bridge.report.write import printable_data, write_json


def run(args: argparse.Namespace) -> int:
    """Print the table; 1 if a sync would be refused, or if a key is missing because the cluster drops it."""
    run_ = run_of(args)
    wanted = collect(environment_of(args), run_)
    with open_cluster(wanted.environment, wanted.namespace, run_) as cluster:
        plan = with_admission(inspect(wanted, cluster, run_), cluster.objects, run_)
    data = status_data(plan, dict(wanted.resolution.unused))
    if args.output == "json":
        write_json(data)
    else:
        streams.report().write(status_text(printable_data(data), style_of(streams.report())))
        streams.report().flush()
    say("warning", (*plan.warnings, *rewritten(plan)))
    say("error", (*plan.refusals, *dropped(plan)))
    return 1 if plan.refusals or dropped(plan) else 0
