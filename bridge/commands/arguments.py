"""Turns the parsed arguments into what a run needs."""

import argparse
import os
import time

from bridge.config.environment import (
    DRAFT,
    ClusterFlags,
    Environment,
    config_folder,
    environment_names,
    load_environment,
)
from bridge.errors import ConfigError, Problem
from bridge.objects import ObjectId
from bridge.plan.build import Allowed
from bridge.report.record import Record
from bridge.run.inputs import Run


def environment_of(args: argparse.Namespace) -> Environment:
    """Load the environment that the argument or $K8_ENV names."""
    folder = config_folder(args.config, os.environ)
    name = args.environment or os.environ.get("K8_ENV")
    if not name:
        names = ", ".join(environment_names(folder))
        hint = f"name one, or set K8_ENV; {folder} has {names}" if names else DRAFT
        raise ConfigError(Problem("", "no environment is named", hint))
    return load_environment(folder, name)


def run_of(args: argparse.Namespace, record: Record) -> Run:
    """Return the run that the flags ask for; its time starts now."""
    allowed = Allowed(
        shrink=getattr(args, "allow_shrink", False),
        fallback=getattr(args, "allow_fallback", False),
        prune=getattr(args, "prune", False),
        older=getattr(args, "allow_older", False),
        recreate=frozenset(map(_object, getattr(args, "recreate", ()))),
    )
    deadline, wait = time.monotonic() + args.timeout, getattr(args, "lock_wait", 0.0)
    first = getattr(args, "first", False)
    return Run(os.environ, deadline, record, allowed, wait, cluster=_cluster(args), first=first)


def _cluster(args: argparse.Namespace) -> ClusterFlags:
    return ClusterFlags(
        getattr(args, "kubeconfig", None), getattr(args, "context", None), getattr(args, "in_cluster", False)
    )


def _object(text: str) -> ObjectId:
    kind, _, name = text.partition("/")
    if kind not in {"Secret", "ConfigMap"} or not name:
        raise ConfigError(Problem("--recreate", "must be KIND/NAME", "such as Secret/registry"))
    return ObjectId(kind, name)
