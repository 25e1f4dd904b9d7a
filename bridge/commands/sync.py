"""`bridge sync`: make the cluster's objects equal to the sources."""

import argparse

from bridge.commands import plan as plan_command
from bridge.commands.arguments import environment_of, run_of
from bridge.errors import BridgeError, Stopped
from bridge.plan.model import Plan
from bridge.report.data import outcome_data, plan_data
from bridge.report.talk import say
from bridge.report.write import write_report
from bridge.sync import Outcome, collect, open_cluster, prepare, settle


def run(args: argparse.Namespace) -> int:
    """Plan, then write; with --dry-run only plan."""
    if args.dry_run:
        return plan_command.run(args)
    run_ = run_of(args)
    wanted = collect(environment_of(args), run_)
    outcome = Outcome()
    with open_cluster(wanted.environment, wanted.namespace, run_) as cluster:
        plan = prepare(wanted, cluster, run_)
        try:
            if not plan.refusals:
                plan = settle(plan, wanted, cluster, run_, outcome)
        except BridgeError as error:
            outcome.error = error
        except BaseException:
            _report(args, plan, outcome, "interrupted")
            raise
    say("warning", plan.warnings)
    status, result = _judge(plan, outcome)
    _report(args, plan, outcome, result)
    say("error", (*plan.refusals, *(outcome.error.problems if outcome.error else ())))
    return status


def _judge(plan: Plan, outcome: Outcome) -> tuple[int, str]:
    """Return the exit status and the report's word for what happened."""
    if plan.refusals:
        return 1, "refused"
    if outcome.error:
        return outcome.error.exit_status, "stopped" if isinstance(outcome.error, Stopped) else "failed"
    return 0, "written" if outcome.written else "unchanged"


def _report(args: argparse.Namespace, plan: Plan, outcome: Outcome, result: str) -> None:
    data = outcome_data(plan_data(plan), result, outcome.written, outcome.begun, outcome.error)
    write_report(data, args.output)
