"""`bridge sync`: make the cluster's objects equal to the sources."""

import argparse

from bridge.commands import plan
from bridge.commands.arguments import environment_of, run_of
from bridge.report.data import outcome_data, plan_data
from bridge.report.talk import say
from bridge.report.write import write_report
from bridge.sync import Outcome, Prepared, apply, gather, prepare


def run(args: argparse.Namespace) -> int:
    """Plan, then write; with --dry-run only plan."""
    if args.dry_run:
        return plan.run(args)
    run_ = run_of(args)
    prepared = prepare(gather(environment_of(args), run_), run_)
    say("warning", prepared.plan.warnings)
    outcome = Outcome()
    try:
        if not prepared.plan.refusals:
            apply(prepared, outcome)
    except BaseException:
        _report(args, prepared, outcome, "interrupted")
        raise
    status, result = _judge(prepared, outcome)
    _report(args, prepared, outcome, result)
    say("error", prepared.plan.refusals)
    if outcome.error:
        say("error", outcome.error.problems)
    return status


def _judge(prepared: Prepared, outcome: Outcome) -> tuple[int, str]:
    """Return the exit status and the report's word for what happened."""
    if prepared.plan.refusals:
        return 1, "refused"
    if outcome.error:
        return outcome.error.exit_status, "stopped" if outcome.written else "failed"
    return 0, "written" if outcome.written else "unchanged"


def _report(args: argparse.Namespace, prepared: Prepared, outcome: Outcome, result: str) -> None:
    data = plan_data(prepared.plan)
    write_report(outcome_data(data, outcome.written, outcome.error, result), args.output)
