"""`bridge sync`: updates the cluster's objects from the sources."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from bridge.commands.arguments import Opening, approval_of, opening, run_of
from bridge.commands.results import sync_result, with_workloads
from bridge.config.environment import Environment
from bridge.errors import ANYTHING, Problem
from bridge.plan.admission import dropped, rewritten
from bridge.report.data import outcome_data, plan_data
from bridge.report.output import write_plan
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.apply import FirstWrite, Outcome, sync_environment
from bridge.run.inputs import Agreed, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.commands.approval import Approval
    from bridge.run.restart import Restart
    from bridge.run.view import Cluster


def run(args: argparse.Namespace, record: Record, opened: Opening | None = None) -> int:
    """Plan, write, and restart if asked to; with --dry-run only plan, with --all do so for every environment."""
    if opened is None:
        from bridge.commands import fleet  # noqa: PLC0415 - start-up: most runs are of one environment

        return fleet.run(args, record)
    if args.dry_run:
        from bridge.commands import plan as plan_command  # noqa: PLC0415 - start-up: most runs write

        return plan_command.run(args, record, opened)
    try:
        return _sync(args, record, opened)
    except FirstWrite as first:
        from bridge.commands.cluster_binding import agree  # noqa: PLC0415 - start-up: most environments were written before

        shown = agree(first, opened.environment, record, show=True)
        agreed = first.agreed
    with opening(args) as again:  # start over, because answering may have taken a while
        return _sync(args, record, again, agreed, shown)


def _sync(
    args: argparse.Namespace,
    record: Record,
    opened: Opening,
    agreed: Agreed = frozenset(),
    shown: tuple[Problem, ...] = (),
) -> int:
    approval, environment = approval_of(args), opened.environment
    run_ = run_of(args, record, opened.deadline)
    run_ = run_._replace(agreed=agreed, review=approval)
    outcome = Outcome()
    restart, then = restart_asked(args, environment, run_)
    try:
        sync_environment(environment, run_, outcome, line_to=opened.line_to, then=then)
    except BaseException as stop:
        if outcome.plan and not isinstance(stop, ANYTHING):
            _report(args, outcome, restart, "interrupted", record, approval=approval)
        raise
    plan = outcome.plan
    assert plan is not None
    status, result = sync_result(plan, outcome, restart)
    _report(args, outcome, restart, result, record, approval=approval)
    warnings = (*plan.warnings, *rewritten(plan), *(restart.warnings if restart else ()))
    say(record, "warning", [one for one in warnings if one not in shown])
    say(record, "error", (*plan.refusals, *_failure(outcome, restart), *dropped(plan)))
    return status


def restart_asked(
    args: argparse.Namespace, environment: Environment, run: Run
) -> "tuple[Restart | None, Callable[[Cluster], None] | None]":
    """Return the outcome of the restart that --restart asks for, and the function that restarts after the sync."""
    if not args.restart:
        return None, None
    from bridge.run.restart import Restart, restart_after_sync  # noqa: PLC0415 - start-up: most runs restart nothing

    restart = Restart()
    run.record.touched += [restart.rolled, restart.begun]
    return restart, partial(restart_after_sync, environment, run, restart, args.wait or 0)


def _failure(outcome: Outcome, restart: "Restart | None") -> tuple[Problem, ...]:
    error = outcome.error or (restart.error if restart else None)
    return error.problems if error else ()


def _report(  # noqa: PLR0913 - everything that a report shows
    args: argparse.Namespace,
    outcome: Outcome,
    restart: "Restart | None",
    result: str,
    record: Record,
    *,
    approval: "Approval | None",
) -> None:
    assert outcome.plan is not None
    error = outcome.error or (restart.error if restart else None)
    data = outcome_data(plan_data(outcome.plan), result, outcome.written, outcome.begun, error)
    data |= approval.report() if approval else {}
    write_plan(record, with_workloads(data, restart), args.output)
