"""`bridge status`: show which variables are used, where each comes from, and whether the cluster has it."""

import argparse

from bridge.commands.arguments import Opening, run_of
from bridge.commands.results import status_result
from bridge.plan.admission import dropped, rewritten
from bridge.report.output import write_report
from bridge.report.record import Record
from bridge.report.status import status_data, status_text
from bridge.report.talk import say
from bridge.run.plan import inspect, read_environment, with_admission


def run(args: argparse.Namespace, record: Record, opened: Opening | None = None) -> int:
    """Print the table, with --all the report of every environment.

    Return 1 if a sync would be refused, or if a key is missing because the cluster drops it.
    """
    if opened is None:
        # As the page of one environment is the page of all, it also shows why an environment cannot be read.
        from bridge.commands import fleet  # noqa: PLC0415 - start-up: most runs are of one environment

        return fleet.run(args, record)
    run_ = run_of(args, record, opened.deadline)._replace(every_age=True)
    with read_environment(opened.environment, run_, opened.line_to) as (wanted, cluster):
        plan = with_admission(inspect(wanted, cluster, run_), cluster.objects, run_)
    data = status_data(plan, dict(wanted.resolution.unused))
    write_report(record, data, args.output, status_text)
    say(record, "warning", (*plan.warnings, *rewritten(plan)))
    say(record, "error", (*plan.refusals, *dropped(plan)))
    return status_result(data)[0]
