"""`bridge restart`: roll the workloads whose pods run with keys that have changed since."""

import argparse
import sys
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.errors import ANYTHING
from bridge.gather import find_namespace
from bridge.opening import open_cluster
from bridge.report.cluster import cluster_data
from bridge.report.data import SCHEMA, problems
from bridge.report.record import current
from bridge.report.restart import restart_text, workload_data
from bridge.report.style import style_of
from bridge.report.talk import say
from bridge.report.write import printable_data, write_json
from bridge.restart import Restart, follow, known, roll, survey


def run(args: argparse.Namespace) -> int:
    """Judge, roll, and with --wait follow; 1 where a workload keeps older keys, 5 where others are restarted."""
    environment, run_ = environment_of(args), run_of(args)
    namespace = find_namespace(environment, run_)
    restart = Restart()
    current().touched += [restart.rolled, restart.begun]
    with open_cluster(environment, namespace, run_) as cluster:
        say("warning", cluster.warnings)
        restart.verdicts = survey(cluster, known(cluster, everything=args.all), everything=args.all)
        head = {
            "schema": SCHEMA,
            "environment": environment.name,
            "namespace": namespace,
            "manager": cluster.objects.manager,
            "cluster": cluster_data(cluster.name),
        }
        try:
            if not args.dry_run:
                roll(cluster, restart)
                follow(environment, run_, restart, namespace, args.wait or 0)
        except ANYTHING as error:
            restart.fail(error)
        except BaseException:
            _report(args, head, restart, "interrupted")
            raise
    _report(args, head, restart, result_of(restart) if not args.dry_run else "planned")
    say("warning", restart.warnings)
    say("error", restart.problems)
    return restart.error.exit_status if restart.error else 0


def result_of(restart: Restart) -> str:
    """Return the report's word for what happened."""
    if restart.problems:
        return "unfinished"
    return "restarted" if restart.rolled else "unchanged"


def _report(args: argparse.Namespace, head: dict[str, Any], restart: Restart, result: str) -> None:
    data = head | {
        "workloads": workload_data(restart.verdicts, restart.rolled, restart.begun, restart.states),
        "result": result,
        "warnings": problems(restart.warnings),
        "errors": problems(restart.problems),
    }
    if args.output == "json":
        write_json(data)
        return
    sys.stdout.write(restart_text(printable_data(data), style_of(sys.stdout)))
    sys.stdout.flush()
