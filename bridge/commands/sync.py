"""`bridge sync`: make the cluster's objects equal to the sources."""

import argparse
from typing import TYPE_CHECKING

from bridge.commands import plan as plan_command
from bridge.commands.arguments import environment_of, run_of
from bridge.errors import ANYTHING, ConfigError, Problem, Stopped
from bridge.gather import Agreed, Run, Wanted
from bridge.opening import Cluster
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import Plan
from bridge.prepare import begin, prepare
from bridge.report.data import outcome_data, plan_data
from bridge.report.record import current
from bridge.report.talk import say
from bridge.report.write import write_report
from bridge.sync import FirstWrite, Outcome, note_on_objects, settle

if TYPE_CHECKING:
    from bridge.restart import Restart


def run(args: argparse.Namespace) -> int:
    """Plan, then write, then restart if asked to; with --dry-run only plan, with --all every environment."""
    if args.wait and not args.restart:
        raise ConfigError(Problem("", "--wait follows rollouts, so it needs --restart"))
    if args.all or args.shard:
        from bridge.commands import fleet  # noqa: PLC0415 - start-up: most runs are of one environment

        return fleet.run(args)
    if args.dry_run:
        return plan_command.run(args)
    try:
        return _sync(args)
    except FirstWrite as first:
        from bridge.commands.binding import agree  # noqa: PLC0415 - start-up: most environments were written before

        told = agree(first, environment_of(args), show=True)
        agreed = first.agreed
    return _sync(args, agreed, told)  # everything anew: somebody took their time to answer


def _sync(args: argparse.Namespace, agreed: Agreed = frozenset(), told: tuple[Problem, ...] = ()) -> int:
    run_ = run_of(args)._replace(agreed=agreed)
    outcome, restart, record = Outcome(), _asked(args), current()
    record.written, record.begun = outcome.written, outcome.begun
    if restart:
        record.touched += [restart.rolled, restart.begun]
    with begin(environment_of(args), run_) as (wanted, cluster):
        plan = record.plan = prepare(wanted, cluster, run_)
        try:
            plan = record.plan = settle(plan, wanted, cluster, run_, outcome)
            plan = plan._replace(warnings=(*plan.warnings, *note_on_objects(plan, cluster, outcome)))
            if restart and not (plan.refusals or outcome.error or dropped(plan)):
                _restart(args, wanted, cluster, run_, restart)
        except FirstWrite:
            raise
        except ANYTHING as error:
            outcome.fail(error)
        except BaseException:
            _report(args, plan, outcome, restart, "interrupted")
            raise
    status, result = judge(plan, outcome, restart)
    _report(args, plan, outcome, restart, result)
    warnings = (*plan.warnings, *rewritten(plan), *(restart.warnings if restart else ()))
    say("warning", [one for one in warnings if one not in told])
    say("error", (*plan.refusals, *_failure(outcome, restart), *dropped(plan)))
    return status


def _asked(args: argparse.Namespace) -> "Restart | None":
    if not args.restart:
        return None
    from bridge.restart import Restart  # noqa: PLC0415 - start-up: most runs restart nothing

    return Restart()


def _restart(args: argparse.Namespace, wanted: Wanted, cluster: Cluster, run_: Run, restart: "Restart") -> None:
    from bridge.restart import follow, survey_and_roll  # noqa: PLC0415

    survey_and_roll(cluster, restart)
    follow(wanted.environment, run_, restart, wanted.namespace, args.wait or 0)


def _failure(outcome: Outcome, restart: "Restart | None") -> tuple[Problem, ...]:
    error = outcome.error or (restart.error if restart else None)
    return error.problems if error else ()


def judge(plan: Plan, outcome: Outcome, restart: "Restart | None") -> tuple[int, str]:
    """Return the exit status and the report's word for what happened."""
    if plan.refusals:
        return 1, "refused"
    if outcome.error:
        return outcome.error.exit_status, "stopped" if isinstance(outcome.error, Stopped) else "failed"
    if restart and restart.error:
        return Stopped.exit_status if outcome.written else restart.error.exit_status, "unfinished"
    if dropped(plan):  # pods that start now would lack a key
        return 1, "altered"
    return 0, "written" if outcome.written else "restarted" if restart and restart.rolled else "unchanged"


def _report(args: argparse.Namespace, plan: Plan, outcome: Outcome, restart: "Restart | None", result: str) -> None:
    error = outcome.error or (restart.error if restart else None)
    data = outcome_data(plan_data(plan), result, outcome.written, outcome.begun, error)
    write_report(plan_command.with_workloads(data, restart), args.output)
