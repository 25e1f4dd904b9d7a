"""`bridge set --sync`: writes the value into the store, syncs the cluster, and restarts workloads if asked to."""

import argparse
from typing import TYPE_CHECKING, Any

from bridge.commands.arguments import run_of
from bridge.commands.cluster_binding import agree
from bridge.commands.new_value import NewValue, context_of, new_value_data, new_value_lines, question, write
from bridge.commands.prompts import can_ask, confirm
from bridge.commands.results import sync_result, with_workloads
from bridge.commands.sync import restart_asked
from bridge.commands.sync_after_write import plan_written, sync_written, unfinished
from bridge.config.environment import Environment
from bridge.errors import Problem, Refusal, Stopped
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import Plan
from bridge.report.cluster import namespace_in
from bridge.report.data import outcome_data, plan_data
from bridge.report.output import show_plan, write_report
from bridge.report.record import Record
from bridge.report.style import Style
from bridge.report.talk import say
from bridge.report.text import plan_text
from bridge.run.apply import Outcome
from bridge.stores.update import Written, changed_document, rehearse

if TYPE_CHECKING:
    from bridge.run.restart import Restart


def run(args: argparse.Namespace, new_value: NewValue, environment: Environment, record: Record) -> int:
    """Plan with the new value, ask, write and read back, then sync and restart.

    What a sync would refuse is refused before the store is written.
    """
    run_, documents = run_of(args, record), dict(new_value.documents)
    if new_value.edits:
        changed = changed_document(new_value.reference, new_value.location.document, new_value.edits)
        documents[new_value.reference] = changed
    outcome, first = plan_written(environment, run_, documents)
    plan = _plan(outcome)
    if plan.refusals:
        raise Refusal(*plan.refusals)
    shown: tuple[Problem, ...] = ()
    if new_value.edits and not args.yes:
        rehearse(new_value.provider, new_value.reference, new_value.edits, context_of(environment, run_))
        shown = _show(plan, record) if can_ask() else ()
    if first:
        agree(first, environment, record, yes=args.yes)
    if new_value.edits:
        where = namespace_in(plan.namespace, plan.cluster)
        confirm(question(new_value, f", and sync {where}{', then restart' if args.restart else ''}"), yes=args.yes)
    # The time limit starts now, because answering may have taken a while.
    run_ = run_of(args, record)._replace(agreed=first.agreed if first else frozenset())
    written = write(new_value, environment, run_)
    restart, then = restart_asked(args, environment, run_)
    try:
        sync_written(environment, run_, outcome, new_value.reference, written, then=then)
    except BaseException:
        _report(args, new_value, written, outcome, restart, "interrupted", record)
        if written:
            say(record, "error", [unfinished(environment.name, new_value.reference, written)])
        raise
    return _end(args, new_value, written, outcome, restart, record, shown)


def _plan(outcome: Outcome) -> Plan:
    assert outcome.plan is not None, "planned before the write"
    return outcome.plan


def _show(plan: Plan, record: Record) -> tuple[Problem, ...]:
    """Show the plan before the question, and return the warnings that were printed."""
    show_plan(outcome_data(plan_data(plan), "planned"))
    warnings = (*plan.warnings, *rewritten(plan))
    say(record, "warning", warnings)
    return warnings


def _end(  # noqa: PLR0913, PLR0917 - all that the report contains
    args: argparse.Namespace,
    new_value: NewValue,
    written: Written | None,
    outcome: Outcome,
    restart: "Restart | None",
    record: Record,
    shown: tuple[Problem, ...],
) -> int:
    """Report, and return the exit status."""
    plan = _plan(outcome)
    status, result = sync_result(plan, outcome, restart)
    if written and result == "unchanged":
        result = "written"
    if written and result in {"refused", "unfinished"}:
        status = Stopped.exit_status
    _report(args, new_value, written, outcome, restart, result, record)
    warnings = (*plan.warnings, *rewritten(plan), *(restart.warnings if restart else ()))
    say(record, "warning", [one for one in warnings if one not in shown])
    error = outcome.error or (restart.error if restart else None)
    say(record, "error", (*(error.problems if error else ()), *dropped(plan)))
    return status


def _report(  # noqa: PLR0913, PLR0917 - all that the report contains
    args: argparse.Namespace,
    new_value: NewValue,
    written: Written | None,
    outcome: Outcome,
    restart: "Restart | None",
    result: str,
    record: Record,
) -> None:
    error = outcome.error or (restart.error if restart else None)
    synced = outcome_data(plan_data(_plan(outcome)), result, outcome.written, outcome.begun, error)
    data = {"set": new_value_data(new_value, written), **with_workloads(synced, restart)}
    write_report(record, data, args.output, _text)


def _text(data: dict[str, Any], style: Style) -> str:
    lines = "".join(f"{line}\n" for line in new_value_lines(data["set"]))
    return f"{lines}\n{plan_text(data, style)}"
