"""`bridge rollback`: writes an earlier revision of a source as its newest, and syncs the cluster."""

import argparse
from dataclasses import dataclass
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.cluster_binding import agree
from bridge.commands.new_value import context_of
from bridge.commands.prompts import can_ask, confirm
from bridge.commands.sync_after_write import plan_written, sync_written, unfinished
from bridge.config.environment import Environment
from bridge.config.reference import Reference, parse_reference
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, Stopped, combine
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import Plan
from bridge.provider import Provider, Revision
from bridge.report import streams
from bridge.report.cluster import namespace_in
from bridge.report.data import outcome_data, plan_data
from bridge.report.output import show, write_report
from bridge.report.record import Record
from bridge.report.rollback import rollback_text
from bridge.report.talk import say
from bridge.run.apply import FirstWrite, Outcome
from bridge.run.inputs import Agreed, Run
from bridge.sources.providers import build_providers
from bridge.stores.update import Written, look_back, put_back
from bridge.stores.whole_document import Whole


@dataclass(eq=False)
class _Rollback:
    """The planned change of the store and the cluster, and its progress so far."""

    source: Reference
    to: str
    whole: Whole
    outcome: Outcome
    result: str = "unchanged"
    written: Written | None = None
    first: FirstWrite | None = None
    shown: tuple[Problem, ...] = ()  # the warnings printed above the question

    @property
    def plan(self) -> Plan:
        """The latest plan."""
        assert self.outcome.plan is not None
        return self.outcome.plan


def run(args: argparse.Namespace, record: Record) -> int:
    """Show what would change in the store and in the cluster, ask, write to the store, read it back, and sync."""
    environment, run_ = environment_of(args), run_of(args, record)
    rollback = _prepare(args, environment, run_)
    agreed: Agreed = frozenset()
    if rollback.plan.refusals or args.dry_run:
        return _end(args, rollback, record)
    if rollback.result == "planned":
        if args.output == "text":
            show(_data(rollback), rollback_text, streams.report())
        elif not args.yes and can_ask():  # the operator must see it before the question, and stdout is for the report
            show(_data(rollback), rollback_text, streams.talk())
        rollback.shown = (*rollback.plan.warnings, *rewritten(rollback.plan))
        say(record, "warning", rollback.shown)
        if rollback.first:
            agree(rollback.first, environment, record, yes=args.yes)
            agreed = rollback.first.agreed
        confirm(_question(rollback), yes=args.yes)
    # The time limit starts now, because answering may have taken a while.
    run_ = run_of(args, record)._replace(agreed=agreed)
    if rollback.whole.is_needed:
        provider, context = _provider(environment, rollback.source), context_of(environment, run_)
        rollback.written = put_back(provider, rollback.source, rollback.whole, context)
        record.touched.append([rollback.source])
    try:
        _sync(environment, run_, rollback)
    except BaseException:
        rollback.result = "interrupted"
        _end(args, rollback, record)
        raise
    return _end(args, rollback, record)


def _prepare(args: argparse.Namespace, environment: Environment, run: Run) -> _Rollback:
    """Read everything, and plan as if the store contained the earlier document. Nothing is written."""
    source = _document(args.source, environment)
    whole = look_back(_provider(environment, source), source, args.to, context_of(environment, run))
    # Without an order, no guard takes it for an old revision: once written, it will be the newest.
    documents = {source: whole.wanted._replace(revision=Revision(whole.wanted.revision.id))} if whole.is_needed else {}
    outcome, first = plan_written(environment, run, documents, is_trial=args.dry_run)
    rollback = _Rollback(source, args.to, whole, outcome, first=first)
    if rollback.plan.refusals:
        rollback.result = "refused"
    elif whole.is_needed or rollback.plan.pending:
        rollback.result = "planned"
    return rollback


def _document(argument: str, environment: Environment) -> Reference:
    """Return the environment's document that --source names."""
    reference, file = parse_reference(argument, "--source"), environment.shown(environment.file)
    documents = dict.fromkeys(one.document for one in environment.references)
    plain = reference._replace(revision=None, field=None)
    if reference in documents and reference.revision is None:
        return reference
    if plain in documents:
        what, hint = "must name a document without a field or revision", f"use {plain}, and give the revision with --to"
        raise ConfigError(Problem("--source", what, hint))
    pinned = next((one for one in documents if one._replace(revision=None) == plain), None)
    if pinned:
        what = f"is pinned to revision {pinned.revision} in {file}, so a rollback would have no effect"
        raise Refusal(Problem(str(pinned), what, "change the revision there, then run `bridge sync`"))
    listed = ", ".join(map(str, documents)) or "none"
    raise ConfigError(Problem("--source", f"{plain} is not a document of {file}", f"the documents are: {listed}"))


def _provider(environment: Environment, reference: Reference) -> Provider:
    errors: list[BridgeError] = []
    built = build_providers(environment, [reference.provider], errors)
    if errors:
        raise combine(errors)
    return built[reference.provider]


def _question(rollback: _Rollback) -> str:
    where = namespace_in(rollback.plan.namespace, rollback.plan.cluster)
    if not rollback.whole.is_needed:
        return f"{rollback.source} already has this content. Sync {where}?"
    return f"Write revision {rollback.to} to {rollback.source} as its newest revision, and sync {where}?"


def _sync(environment: Environment, run: Run, rollback: _Rollback) -> None:
    """Sync from the current content of the store, and set the result."""
    outcome = rollback.outcome
    sync_written(environment, run, outcome, rollback.source, rollback.written)
    if outcome.error:
        rollback.result = "stopped" if isinstance(outcome.error, Stopped) else "failed"
    elif dropped(rollback.plan):
        rollback.result = "altered"
    else:
        rollback.result = "written" if rollback.written or outcome.written else "unchanged"


def _end(args: argparse.Namespace, rollback: _Rollback, record: Record) -> int:
    """Report, and return the exit status."""
    error = rollback.outcome.error or (Refusal(*rollback.plan.refusals) if rollback.plan.refusals else None)
    write_report(record, _data(rollback), args.output, rollback_text)
    warnings, missing = (*rollback.plan.warnings, *rewritten(rollback.plan)), dropped(rollback.plan)
    say(record, "warning", [one for one in warnings if one not in rollback.shown])
    say(record, "error", (*(error.problems if error else ()), *missing))
    if rollback.written and rollback.result == "interrupted":
        say(record, "error", [unfinished(rollback.plan.environment, rollback.source, rollback.written)])
    return error.exit_status if error else 1 if missing else 0


def _data(rollback: _Rollback) -> dict[str, Any]:
    whole, written, outcome = rollback.whole, rollback.written, rollback.outcome
    store = {
        "source": str(rollback.source),
        "to": rollback.to,
        "needed": whole.is_needed,
        "before": whole.seen.revision.id if whole.seen else None,
        "after": written.after.id if written else None,
        **whole.difference._asdict(),
    }
    data = outcome_data(plan_data(rollback.plan), rollback.result, outcome.written, outcome.begun, outcome.error)
    return {"rollback": store, **data}
