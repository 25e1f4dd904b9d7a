"""`bridge restart`: restarts the workloads whose pods still use old values of changed keys."""

import argparse
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.prompts import can_ask
from bridge.errors import ANYTHING
from bridge.plan.workloads import RestartStep
from bridge.report import streams
from bridge.report.cluster import cluster_data
from bridge.report.data import SCHEMA, problems
from bridge.report.output import show, write_report
from bridge.report.record import Record
from bridge.report.restart import restart_text, workload_data
from bridge.report.talk import say
from bridge.run.apply import FirstWrite
from bridge.run.inputs import Agreed, find_namespace
from bridge.run.restart import Restart, first_restart, follow, known, roll, survey
from bridge.run.view import open_cluster


def run(args: argparse.Namespace, record: Record) -> int:
    """Restart workloads, and follow them with --wait; return 1 if one keeps old keys, 5 if others were restarted."""
    try:
        return _restart(args, record)
    except FirstWrite as first:
        from bridge.commands.cluster_binding import agree  # noqa: PLC0415 - start-up: most environments were written before

        agree(first, environment_of(args), record)
        agreed = first.agreed
    return _restart(args, record, agreed)  # start over, because answering may have taken a while


def _restart(args: argparse.Namespace, record: Record, agreed: Agreed = frozenset()) -> int:
    environment, run_ = environment_of(args), run_of(args, record)._replace(agreed=agreed)
    namespace = find_namespace(environment, run_)
    restart = Restart()
    record.touched += [restart.rolled, restart.begun]
    with open_cluster(environment, namespace, run_) as cluster:
        say(record, "warning", cluster.warnings)
        state = known(cluster, everything=args.all)
        restart.verdicts = survey(cluster, state, everything=args.all)
        head = {
            "schema": SCHEMA,
            "environment": environment.name,
            "namespace": namespace,
            "manager": cluster.objects.manager,
            "cluster": cluster_data(cluster.name),
        }
        rolls = not args.dry_run and any(one.step is RestartStep.ROLL for one in restart.verdicts)
        if rolls and (first := first_restart(environment, namespace, cluster, state, run_)):
            if can_ask():  # the operator must see it before the question
                show(_data(head, restart, "planned"), restart_text, streams.talk())
            raise first
        try:
            if not args.dry_run:
                roll(cluster, restart)
                follow(environment, run_, restart, namespace, args.wait or 0)
        except ANYTHING as error:
            restart.fail(error)
        except BaseException:
            _report(args, head, restart, "interrupted", record)
            raise
    _report(args, head, restart, result_of(restart) if not args.dry_run else "planned", record)
    say(record, "warning", restart.warnings)
    say(record, "error", restart.problems)
    return restart.error.exit_status if restart.error else 0


def result_of(restart: Restart) -> str:
    """Return the report's `result`."""
    if restart.problems:
        return "unfinished"
    return "restarted" if restart.rolled else "unchanged"


def _report(args: argparse.Namespace, head: dict[str, Any], restart: Restart, result: str, record: Record) -> None:
    write_report(record, _data(head, restart, result), args.output, restart_text)


def _data(head: dict[str, Any], restart: Restart, result: str) -> dict[str, Any]:
    return head | {
        "workloads": workload_data(restart.verdicts, restart.rolled, restart.begun, restart.states),
        "result": result,
        "warnings": problems(restart.warnings),
        "errors": problems(restart.problems),
    }
