"""`bridge exec --as`: the environment that a container of a workload has in its pod, with the values of the sources."""

import argparse
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.exec_objects import LazyCluster, ObjectSearch
from bridge.commands.exec_start import revealed
from bridge.commands.exec_workload import built_pod, choose_container, live_pod, parse_workload
from bridge.errors import Problem, Refusal, combine
from bridge.kustomize.objects import load_build
from bridge.kustomize.overlap import here
from bridge.named_tuple import NamedTuple
from bridge.plan.container_env import PodContext, container_environment, container_uses
from bridge.report.record import Record
from bridge.run.inputs import gather_objects, sound_files
from bridge.secret import SecretValue

USAGE: Final = "pipe in a build: `kustomize build OVERLAY | bridge exec ENV --as KIND/NAME --manifests - -- CMD`"
KEPT: Final = frozenset(b"PATH HOME USER LOGNAME SHELL PWD TMPDIR TERM COLORTERM NO_COLOR LANG LANGUAGE TZ".split())
"""The caller's variables that the command gets, and LC_*: without them, few programs run."""


class Prepared(NamedTuple):
    """The command's environment, the values that it must not print, and the warnings about both."""

    environ: Mapping[bytes, bytes]
    secrets: tuple[tuple[str, SecretValue], ...]
    warnings: tuple[Problem, ...]

    def __repr__(self) -> str:
        return "Prepared(<hidden>)"


def prepare_as(args: argparse.Namespace, record: Record) -> Prepared:
    """Return the environment of a workload's container; one error lists everything that keeps it from starting."""
    workload = parse_workload(args.workload)
    environment, run = environment_of(args), run_of(args, record)
    files = sound_files(environment, run)
    assert files.namespace is not None
    with ExitStack() as stack:
        cluster = LazyCluster(environment, files.namespace, run, stack)
        build = None
        if args.manifests is None:
            pod = live_pod(workload, cluster.api, files.namespace)
        else:
            shown, objects = load_build(str(args.manifests), run.deadline, USAGE)
            build = here(objects, files.namespace)
            pod = built_pod(workload, build, shown, files.namespace)
        container, warnings = choose_container(pod, args.container, record)
        desired, managed = gather_objects(environment, files, run)
        search = ObjectSearch({one.id: one for one in desired}, build, cluster)
        found = search.keys(container_uses(container), str(pod))
    context = PodContext(files.namespace, search.looked_in, os.environ)
    made = container_environment(pod, container, found, context)
    errors = [*([Refusal(*made.problems)] if made.problems else []), *search.errors]
    if errors:
        raise combine(errors)
    environ = {**_kept(), **revealed(made.values, lambda _name: str(pod))}
    secrets = tuple(dict((*managed.secrets, *made.secrets)).items())
    warnings = (*cluster.warnings, *managed.warnings, *warnings, *search.warnings, *made.warnings)
    return Prepared(environ, secrets, warnings)


def _kept() -> dict[bytes, bytes]:
    """Return the caller's variables that the command gets."""
    return {name: value for name, value in os.environb.items() if name in KEPT or name.startswith(b"LC_")}
