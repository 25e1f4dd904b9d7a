"""Asks whether a cluster is the right one, and binds an environment to it."""

import argparse
from collections.abc import Mapping

from bridge.cluster.identity import namespace_uid
from bridge.commands.arguments import environment_of
from bridge.commands.prompts import ask, can_ask, confirm
from bridge.commands.results import plan_result
from bridge.config.environment import Environment, load_environment
from bridge.config.environment_edits import bind
from bridge.errors import BridgeError, Problem
from bridge.plan.admission import rewritten
from bridge.plan.model import Plan, place
from bridge.report.data import outcome_data, plan_data
from bridge.report.fleet import listed
from bridge.report.output import show_plan
from bridge.report.record import Record
from bridge.report.talk import say, tell
from bridge.run.apply import FirstWrite
from bridge.run.inputs import Run, find_namespace
from bridge.run.view import open_cluster


def agree(
    first: FirstWrite, environment: Environment, record: Record, *, yes: bool = False, show: bool = False
) -> tuple[Problem, ...]:
    """Ask whether this is the right cluster for a first write, and offer to bind the environment to it.

    With `show`, print the plan first, as `bridge plan` does, and return the warnings that were printed.
    Raise `first` if bridge cannot ask, and Refusal if the answer is no. `yes` agrees to what a command does, but not
    to the cluster where it does it.
    """
    if yes or not can_ask():
        raise first
    warned = _show(first.plan, record) if show and first.plan else ()
    where = place(first.namespace, first.cluster)
    confirm(f"First write of {first.environment} to {where}. Is this the right cluster?", yes=False)
    offer(environment, first.uid, record)
    return warned


def _show(plan: Plan, record: Record) -> tuple[Problem, ...]:
    """Show a plan before a question, and return its warnings."""
    show_plan(outcome_data(plan_data(plan), plan_result(plan, exit_code=False)[1]))
    warnings = (*plan.warnings, *rewritten(plan))
    quiet, record.quiet = record.quiet, False  # the answer depends on them
    say(record, "warning", warnings)
    record.quiet = quiet
    return warnings


def offer(environment: Environment, uid: str | None, record: Record) -> None:
    """Offer to write the namespace's UID, if it is known, into the environment's file."""
    if uid and ask(_offered(environment, uid)):
        _bind(environment, uid, record)


def offer_all(unbound: Mapping[str, tuple[Environment, str]], record: Record) -> dict[str, Environment | BridgeError]:
    """Offer to bind each environment to the UID of its namespace; return the bound environments, or their errors.

    The result is empty if the answer is no.
    """
    if not unbound:
        return {}
    pairs = list(unbound.values())
    files = listed([environment.shown(environment.file) for environment, _ in pairs])
    question = f"Bind these {len(pairs)} environments: write `cluster.namespace_uid` into {files}?"
    if not ask(question if len(pairs) > 1 else _offered(*pairs[0])):
        return {}
    return {name: _bound(environment, uid, record) for name, (environment, uid) in unbound.items()}


def _bound(environment: Environment, uid: str, record: Record) -> Environment | BridgeError:
    try:
        _bind(environment, uid, record)
        return load_environment(environment.base, environment.name)
    except BridgeError as error:
        return error


def _offered(environment: Environment, uid: str) -> str:
    file = environment.shown(environment.file)
    return f"Bind {environment.name} to this namespace: write `cluster.namespace_uid: {uid}` into {file}?"


def rebind(args: argparse.Namespace, environment: Environment, run: Run) -> Environment:
    """Bind an environment to its current namespace, and return it; with --dry-run only report the change."""
    namespace, choice = find_namespace(environment, run), environment.cluster
    unbound = environment._replace(cluster=choice._replace(namespace_uid=()))
    with open_cluster(unbound, namespace, run) as cluster:
        uid = namespace_uid(cluster.api, namespace)
    if uid in choice.namespace_uid:
        return environment
    now = f"namespace_uid {uid} of {place(namespace, cluster.name)}"
    if args.dry_run:
        tell(run.record, f"{environment.shown(environment.file)}: would be bound to {now}")
        return unbound
    before = f", replacing {choice.namespace_uid[0]}" if len(choice.namespace_uid) == 1 else ""
    if args.yes:  # --yes accepts any cluster that the run reaches, so name it
        tell(run.record, f"binding {environment.name} to {now}{before}, because of --yes")
    else:
        confirm(f"Bind {environment.name} to {now}{before}?", yes=False)
    _bind(environment, uid, run.record)
    return environment_of(args)


def _bind(environment: Environment, uid: str, record: Record) -> None:
    bind(environment, uid)
    record.touched.append([environment.file])
    tell(record, f"{environment.shown(environment.file)}: cluster.namespace_uid is now {uid}")
