"""Turns the parsed arguments into what a run needs."""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.config.environment import (
    DRAFT,
    ClusterFlags,
    Environment,
    environment_names,
    load_environment,
)
from bridge.config.folder import config_folder
from bridge.errors import ConfigError, Problem
from bridge.named_tuple import NamedTuple
from bridge.report.record import Record

if TYPE_CHECKING:
    from bridge.commands.approval import Approval
    from bridge.objects import ObjectId
    from bridge.plan.build import Allowed
    from bridge.run.inputs import Run
    from bridge.run.line import Dial


class Opening(NamedTuple):
    """What a run has before the rest of the program is imported: its environment, its deadline and its connections."""

    environment: Environment
    deadline: float
    line_to: "Dial"


@contextmanager
def opening(args: argparse.Namespace) -> Iterator[Opening]:
    """Load the environment and start to connect to its cluster; the run continues meanwhile."""
    from bridge.cluster.choice import Search  # noqa: PLC0415 - start-up: commands without a cluster do not need it
    from bridge.run.line import connecting  # noqa: PLC0415 - as above

    deadline = time.monotonic() + args.timeout
    environment = environment_of(args)
    choice = environment.cluster
    search = Search(choice.kubeconfig, choice.context, os.environ, _cluster(args), deadline, ahead=choice.server)
    with connecting(search) as line_to:
        yield Opening(environment, deadline, line_to)


def folder_of(args: argparse.Namespace) -> Path:
    """Return the folder of the environment files. The first environment of a repository does not need one above."""
    is_new = args.command == "init" and args.like is None and args.fix_kustomize is None and args.deploy is None
    return config_folder(getattr(args, "config", None), os.environ, is_new=is_new)


def environment_of(args: argparse.Namespace) -> Environment:
    """Load the environment that the argument or $K8_ENV names."""
    folder = folder_of(args)
    name = args.environment or os.environ.get("K8_ENV")
    if not name:
        from bridge.parser.mistakes import no_environment  # noqa: PLC0415 - start-up: only a mistake needs it

        raise ConfigError(Problem("", *no_environment(args, environment_names(folder), DRAFT)))
    return load_environment(folder, name)


def run_of(args: argparse.Namespace, record: Record, deadline: float | None = None) -> "Run":
    """Return the run that the flags describe; its time starts now, unless it already has a deadline."""
    from bridge.run.inputs import Run  # noqa: PLC0415 - start-up: a run connects before it imports the plan

    if deadline is None:
        deadline = time.monotonic() + args.timeout
    wait, first = getattr(args, "lock_wait", 0.0), getattr(args, "first", False)
    return Run(os.environ, deadline, record, allowed_of(args), wait, cluster=_cluster(args), first=first)


def allowed_of(args: argparse.Namespace) -> "Allowed":
    """Return what the flags allow."""
    from bridge.plan.build import Allowed  # noqa: PLC0415 - as above

    return Allowed(
        shrink=getattr(args, "allow_shrink", False),
        fallback=getattr(args, "allow_fallback", False),
        prune=getattr(args, "prune", False),
        older=getattr(args, "allow_older", False),
        recreate=frozenset(map(_object, getattr(args, "recreate", ()))),
    )


def approval_of(args: argparse.Namespace) -> "Approval | None":
    """Return the review that --out or --plan asks for, or None."""
    if not (getattr(args, "out", None) or getattr(args, "plan", None)):
        return None
    from bridge.commands.approval import PlanChecker, Recorder  # noqa: PLC0415 - start-up: most runs have no plan file

    if getattr(args, "out", None):
        return Recorder(args.out, args.expires, allowed_of(args))
    return PlanChecker(args.plan, args.plan_sha256, allowed_of(args))


def _cluster(args: argparse.Namespace) -> ClusterFlags:
    return ClusterFlags(
        getattr(args, "kubeconfig", None), getattr(args, "context", None), getattr(args, "in_cluster", False)
    )


def _object(text: str) -> "ObjectId":
    from bridge.objects import ObjectId  # noqa: PLC0415 - as above

    kind, _, name = text.partition("/")
    if kind not in {"Secret", "ConfigMap"} or not name:
        raise ConfigError(Problem("--recreate", "must be KIND/NAME", "write it as in --recreate Secret/registry"))
    return ObjectId(kind, name)
