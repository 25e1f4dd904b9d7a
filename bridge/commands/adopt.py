"""`bridge adopt`: take over the templates' keys from their previous writers."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from datetime import UTC, datetime

from bridge.cluster.adopt import take_over
from bridge.cluster.identity import readable_uid
from bridge.cluster.objects import Objects
from bridge.commands.arguments import environment_of, run_of
from bridge.commands.cluster_binding import agree, offer, rebind
from bridge.commands.prompts import can_ask, confirm
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal, Stopped, Unavailable, combine
from bridge.plan.adoption import Adoption, adoptions, next_change, refusals, remembering, warnings
from bridge.plan.build import lost
from bridge.plan.model import Plan
from bridge.report import streams
from bridge.report.adoption import adoption_data, adoption_text, result_text
from bridge.report.cluster import namespace_in
from bridge.report.data import mark_written, problems
from bridge.report.output import printable_data, show, write_json, write_text
from bridge.report.own_flags import with_flags
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.apply import Outcome, first_write
from bridge.run.inputs import Run
from bridge.run.plan import inspect, read_environment
from bridge.run.view import Cluster, open_cluster
from bridge.shell import command


def run(args: argparse.Namespace, record: Record) -> int:
    """Show what will be taken over, ask, then do it; with --dry-run only show it."""
    run_, environment = run_of(args, record), environment_of(args)
    if args.rebind:
        environment = rebind(args, environment, run_)
        run_ = run_of(args, record)  # its time starts now, after a person was asked
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with read_environment(environment, run_) as (wanted, cluster):
        plan = inspect(wanted, cluster, run_)
        adopted = adoptions(plan)
        refused = _refused(adopted, cluster.objects, now)
        first = first_write(plan, environment, cluster, run_) if adopted and not args.dry_run else None
        asks = can_ask() and not (args.yes or args.dry_run)
        uid = readable_uid(cluster.api, plan.namespace) if asks and not plan.cluster.binding else None
    if first and not asks:
        refused = (*refused, *first.problems)
    warned = (*cluster.warnings, *wanted.resolution.warnings, *lost(plan.memory), *warnings(adopted))
    report = _Report(args, plan, adopted, now, warned, record)
    report.show()
    say(record, "warning", warned)
    if refused or not adopted or args.dry_run:
        report.end("refused" if refused else "planned" if adopted else "unchanged", Outcome(), refused)
        say(record, "error", refused)
        if not refused:
            offer(environment, uid, record)
        return 1 if refused else 0
    if first:
        agree(first, environment, record)
    else:
        offer(environment, uid, record)
    confirm(f"Take over the listed fields in {namespace_in(plan.namespace, plan.cluster)}?", yes=args.yes)
    # A run of its own: the time that someone took to answer does not count.
    run_ = run_of(args, record)
    with open_cluster(wanted.environment, wanted.namespace, run_) as again:
        _check_same(cluster, again, plan.namespace, first.uid if first else uid)
        store = copy(cluster.store)
        store.api, store.turn = again.api, again.lease.check
        return _do(adopted, again, run_, lambda: store.write(remembering(plan.memory, adopted, now)), report)


def _check_same(shown: Cluster, now: Cluster, namespace: str, uid: str | None) -> None:
    """Raise Unavailable if this is not the cluster that was shown; `uid` is the namespace's UID, if known."""
    same = (now.name.server, now.name.context) == (shown.name.server, shown.name.context)
    if not same or (uid and readable_uid(now.api, namespace) != uid):
        what = f"no longer leads to the cluster that was shown, but to {now.name.server}"
        raise Unavailable(Problem(now.name.source, what, "nothing was done; run again and check the cluster"))


def _do(
    found: Sequence[Adoption],
    cluster: Cluster,
    run_: Run,
    remember: Callable[[], None],
    report: "_Report",
) -> int:
    """Carry out the adoption, report the outcome, and return the exit status."""
    outcome = Outcome()
    report.record.touched += [outcome.written, outcome.begun]
    try:
        with cluster.lease.held(run_.lock_wait):
            _carry_out(found, cluster, remember, outcome)
    except ANYTHING as error:
        outcome.fail(error)
    except BaseException:
        report.end("interrupted", outcome)
        raise
    failed = outcome.error
    result = "stopped" if isinstance(failed, Stopped) else "failed" if failed else "written"
    report.end(result, outcome, failed.problems if failed else ())
    say(report.record, "error", failed.problems if failed else ())
    return failed.exit_status if failed else 0


def _refused(found: Sequence[Adoption], objects: Objects, now: str) -> tuple[Problem, ...]:
    """Dry-run everything and return all problems; raises temporary failures."""
    pure = tuple(refusals(found, now))
    errors: list[BridgeError] = [Refusal(*pure)] if pure else []
    for adoption in found:
        try:
            if adoption.writes:
                take_over(objects, adoption, dry_run=True)
        except BridgeError as error:
            errors.append(error)
    if not errors:
        return ()
    whole = combine(errors)
    if isinstance(whole, Unavailable):
        raise whole
    return whole.problems


def _carry_out(found: Sequence[Adoption], cluster: Cluster, remember: Callable[[], None], outcome: Outcome) -> None:
    """Write the state, then the objects one by one; `outcome` is always up to date, and a failure stops the rest.

    If a run dies after writing the state, nothing is lost: the state gives no right to a field.
    """
    try:
        remember()
        outcome.written += [adoption.id for adoption in found if not adoption.writes]
        for adoption in found:
            if adoption.writes:
                outcome.begun.add(adoption.id)
                take_over(cluster.objects, adoption, dry_run=False)
                outcome.written.append(adoption.id)
                outcome.begun.discard(adoption.id)
    except ANYTHING as error:
        if isinstance(error, BridgeError) and not isinstance(error, Stopped):
            outcome.begun.clear()
        outcome.fail(error)


class _Report:
    """The output on stdout: as text first the list, then the result; as JSON one document at the end."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that the report contains
        self,
        args: argparse.Namespace,
        plan: Plan,
        found: Sequence[Adoption],
        now: str,
        warned: Sequence[Problem],
        record: Record,
    ) -> None:
        changes = [(adoption, next_change(adoption, now)) for adoption in found]
        self.record = record
        self._json = args.output == "json"
        self._asks = bool(found) and not (args.yes or args.dry_run)
        self._data = adoption_data(plan, changes, list(_next(plan, record)), record)
        self._warned = warned

    def show(self) -> None:
        """Write the list; before a question it must always be visible."""
        if not self._json:
            show(self._data, adoption_text, streams.report())
        elif self._asks:
            show(self._data, adoption_text, streams.talk())

    def end(self, result: str, outcome: Outcome, errors: Sequence[Problem] = ()) -> None:
        """Write the outcome."""
        mark_written(self._data, outcome.written, outcome.begun)
        if self._json:
            findings = {"warnings": problems(self._warned), "errors": problems(errors)}
            write_json(self.record, self._data | {"result": result} | findings)
            return
        write_text(result_text(printable_data(self._data), result))


def _next(plan: Plan, record: Record) -> Iterator[str]:
    """Yield the next commands (`bridge help migrating`)."""
    name = plan.environment
    yield with_flags(record, command(["bridge", "plan", name]))
    yield with_flags(record, command(["bridge", "sync", name]))
    yield with_flags(record, command(["bridge", "init", name, "--fix-kustomize"]))
