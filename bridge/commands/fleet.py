"""`sync`, `plan` and `status` with `--all`: every environment of the folder, or one shard of them, in one report."""

import argparse
import gc
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bridge import late_warnings
from bridge.commands.arguments import approval_of, environment_of, folder_of, run_of
from bridge.commands.cluster_binding import offer_all
from bridge.commands.prompts import ask, can_ask, not_confirmed
from bridge.commands.results import PENDING, plan_result, status_result, sync_result, with_workloads
from bridge.config.environment import Environment, load_all
from bridge.config.shard import Shard, parse_shard
from bridge.errors import BUG, BridgeError, ConfigError, Problem, Refusal, Stopped, Unavailable, combine
from bridge.named_tuple import NamedTuple
from bridge.plan.admission import dropped, rewritten
from bridge.plan.model import ClusterName
from bridge.report.cluster import cluster_field
from bridge.report.data import is_shown, outcome_data, plan_data, problems
from bridge.report.fleet import fleet_data, listed, show_fleet, write_fleet
from bridge.report.record import Record
from bridge.report.status import status_data
from bridge.report.talk import say
from bridge.run.apply import FirstWrite
from bridge.run.fleet import Fleet, Member
from bridge.run.inputs import Agreed, Run

if TYPE_CHECKING:
    from bridge.commands.approval import Approval

URGENCY: Final = (
    Stopped.exit_status,
    BUG,
    ConfigError.exit_status,
    Refusal.exit_status,
    Unavailable.exit_status,
    PENDING,
    0,
)
"""Exit statuses, most urgent first: unfinished writes, then what a person must fix."""


def run(args: argparse.Namespace, record: Record) -> int:
    """Plan, sync or compare each environment separately; a problem in one does not stop the others."""
    if args.all:
        record.environment = ""  # $K8_ENV may name an environment, but the log is about all of them
    _check(args)
    approval = approval_of(args)
    run_ = run_of(args, record)._replace(review=approval)
    shard = parse_shard(args.shard, os.environ) if args.shard else None
    folder = folder_of(args)
    # Reference cycles keep documents in memory; a run of one environment ends before that matters.
    gc.enable()
    environments = load_all(folder)
    if not environments:
        raise ConfigError(Problem(str(folder), "no environments found", "create one with `bridge init`"))
    names = _names(args, environments, shard)
    if approval and args.all and not shard:
        approval.check_complete(names)
    logbook = _Logbook(args, record)
    fleet = Fleet(environments, run_)
    try:
        if logbook.writes and can_ask() and (asked := answers(environments, names, run_)):
            for member in asked.left_out:
                logbook.finished(member)
            # The time limit starts now, because answering may have taken a while.
            fleet = Fleet(asked.environments, run_of(args, record)._replace(agreed=asked.agreed, review=approval))
        _carry_out(fleet, [name for name in names if name not in logbook.entries], logbook)
    except BaseException:
        logbook.cut_short(names, fleet.under_way())
        _report(args, names, shard, logbook, record, approval=approval)
        raise
    logbook.cut_short(names, fleet.under_way())
    status = _report(args, names, shard, logbook, record, approval=approval)
    for kind in ("warning", "error"):
        shown = _with_environments(logbook.problems[kind], logbook.clusters, prefixed=args.all)
        say(record, kind, shown, shown)
        late_warnings.mark_printed(problem for _, problem in logbook.problems[kind])  # printed with their environments
    return status


def _carry_out(fleet: Fleet, names: Sequence[str], logbook: "_Logbook") -> None:
    with fleet:
        if logbook.writes:
            fleet.sync(names, logbook.finished, restart=logbook.restarts)
        elif logbook.compares:
            fleet.status(names, logbook.finished)
        else:
            fleet.plan(names, logbook.finished)


def _names(
    args: argparse.Namespace, environments: Mapping[str, Environment | ConfigError], shard: Shard | None
) -> Sequence[str]:
    """Return the environments of this run: all of the folder, those of a shard, or only the one that is named."""
    if shard:
        return shard.members(environments)
    if args.all:
        return tuple(environments)
    name = args.environment or os.environ.get("K8_ENV", "")
    return (name if name in environments else environment_of(args).name,)


def _check(args: argparse.Namespace) -> None:
    if args.shard and not args.all:
        raise ConfigError(Problem("", "--shard can only be used with --all"))
    if args.all and args.environment:
        what = "--all cannot be combined with an environment name"
        raise ConfigError(Problem("", what, f"remove --all or {args.environment}"))
    if args.command == "sync" and args.restart and args.dry_run:
        what = "--dry-run with --restart cannot be combined with --all"
        raise ConfigError(Problem("", what, "remove --restart or --all"))
    if getattr(args, "wait", None):
        what = "--wait cannot be combined with --all"
        hint = "remove --wait, then run `bridge restart ENV --wait 10m` for each environment"
        raise ConfigError(Problem("", what, hint))


class _Logbook:
    """What is kept of each finished environment: its part of the report, without values."""

    def __init__(self, args: argparse.Namespace, record: Record) -> None:
        self._args: Final = args
        self._samples: Final = record.samples
        self._touched: Final[list[str]] = []
        record.touched.append(self._touched)
        self.writes: Final = args.command == "sync" and not args.dry_run
        self.compares: Final = args.command == "status"
        self.restarts: Final = self.writes and args.restart
        self.entries: Final[dict[str, dict[str, Any]]] = {}
        self.clusters: Final[dict[str, ClusterName | None]] = {}
        self.problems: Final[dict[str, list[tuple[str, Problem]]]] = {"warning": [], "error": []}

    def finished(self, member: Member) -> None:
        """Record a finished member."""
        self._touch(member)
        status, result = self._judge(member)
        self._enter(member, status, result)
        self._measure(member, status)

    def cut_short(self, names: Iterable[str], under_way: Iterable[Member]) -> None:
        """Record the members that were in progress when the run ended, and the members that were never started."""
        for member in under_way:
            if member.name not in self.entries:
                self._touch(member)
                status = Stopped.exit_status if member.touched else Unavailable.exit_status
                self._enter(member, status, "interrupted")
                self._measure(member, status)
        for name in names:
            if name not in self.entries:
                late = Problem("", "not reached in this run", "run it again, or raise --timeout")
                self._enter(Member(name, error=Unavailable(late)), Unavailable.exit_status, "not reached")

    @property
    def cluster(self) -> ClusterName | None:
        """The only cluster of all environments, or None if they have several."""
        return _shared(self.clusters.values())

    def _touch(self, member: Member) -> None:
        if member.touched:
            self._touched.append(member.name)

    def _judge(self, member: Member) -> tuple[int, str]:
        if member.error:
            return member.error.exit_status, "stopped" if isinstance(member.error, Stopped) else "failed"
        assert member.plan is not None
        if self.compares:
            return status_result(_status_data(member))
        if self.writes:
            return sync_result(member.plan, member.outcome, member.restart)
        return plan_result(member.plan, exit_code=getattr(self._args, "exit_code", False))

    def _enter(self, member: Member, status: int, result: str) -> None:
        error = combine(member.errors) if member.errors else None
        if member.plan and self.compares:
            data = _status_data(member)
            errors = problems(error.problems if error else ())
            data |= {"result": result, "errors": [*errors, *data["errors"]]}
        elif member.plan:
            data = plan_data(member.plan, show_config=getattr(self._args, "show_config", False))
            done = member.outcome
            data = outcome_data(data, result, done.written, done.begun, error)
            data["objects"] = [one for one in data["objects"] if is_shown(one)]
            data = with_workloads(data, member.restart)
        else:
            errors = problems(error.problems if error else ())
            data = {"environment": member.name, "result": result, "errors": errors} | cluster_field(member.cluster)
        self.entries[member.name] = data | {"status": status}
        self.clusters[member.name] = member.cluster
        self._remember(member, error)

    def _measure(self, member: Member, status: int) -> None:
        """Keep only the metrics of a member that was started, not its plan."""
        if getattr(self._args, "metrics", None):
            from bridge.report.metrics import samples  # noqa: PLC0415 - start-up: most runs have none

            self._samples[member.name] = list(samples(member.record, status, time.time()))

    def _remember(self, member: Member, error: BridgeError | None) -> None:
        by_kind: dict[str, list[Problem]] = {"warning": [], "error": []}
        if member.plan:
            by_kind["warning"] += (*member.plan.warnings, *rewritten(member.plan))
            by_kind["error"] += member.plan.refusals
        by_kind["warning"] += member.restart.warnings if member.restart else ()
        by_kind["error"] += error.problems if error else ()
        by_kind["error"] += dropped(member.plan) if member.plan else ()
        for kind, group in by_kind.items():
            self.problems[kind] += [(member.name, problem) for problem in group]


def _report(  # noqa: PLR0913 - everything that a report shows
    args: argparse.Namespace,
    names: Sequence[str],
    shard: Shard | None,
    logbook: _Logbook,
    record: Record,
    *,
    approval: "Approval | None",
) -> int:
    """Write the report, and return the exit status of the whole run."""
    entries = [logbook.entries[name] for name in names]
    statuses = {entry["status"] for entry in entries}
    status = next((status for status in URGENCY if status in statuses), 0)
    record.cluster = logbook.cluster
    data = fleet_data(entries, status, str(shard) if shard else None)
    data |= approval.report(is_in_order=status in {0, PENDING}) if approval else {}
    if args.output == "html":
        from bridge.report.status_page import write_page  # noqa: PLC0415 - start-up: only one form is used

        write_page(record, data)
    else:
        write_fleet(record, data, args.output)
    return status


def _status_data(member: Member) -> dict[str, Any]:
    assert member.plan is not None
    return status_data(member.plan, member.unused)


def _with_environments(
    named: Iterable[tuple[str, Problem]], clusters: Mapping[str, ClusterName | None], *, prefixed: bool
) -> dict[Problem, ClusterName | None]:
    """Prefix each distinct problem with its environments, and add the cluster that they share."""
    names: dict[Problem, list[str]] = {}
    for name, problem in sorted(named, key=lambda pair: pair[0]):
        names.setdefault(problem, []).append(name)
    return {
        problem._replace(where=_where(at if prefixed else (), problem.where)): _shared([clusters[name] for name in at])
        for problem, at in names.items()
    }


def _shared(clusters: Iterable[ClusterName | None]) -> ClusterName | None:
    """Return the known cluster if there is exactly one, else None."""
    known = {(cluster.server, cluster.context): cluster for cluster in clusters if cluster}
    return next(iter(known.values())) if len(known) == 1 else None


def _where(names: Sequence[str], where: str) -> str:
    return ": ".join(filter(None, (listed(names), where)))


class Answers(NamedTuple):
    """The operator's answers: where the run may write now, and the environments that it must leave out."""

    agreed: Agreed
    left_out: Sequence[Member]
    environments: Mapping[str, Environment | ConfigError]


class _First(NamedTuple):
    """An environment that would be written for the first time, and what is shown of it, without values."""

    member: Member
    cluster: ClusterName
    uid: str | None
    agreed: Agreed
    entry: dict[str, Any]


def answers(environments: Mapping[str, Environment | ConfigError], names: Sequence[str], run: Run) -> Answers | None:
    """Ask about all first writes of a run, or return None if there are none. Nothing is written to a cluster.

    Only unbound environments are read. They are read again before they are written, because answering may take a while.
    """
    unbound = [name for name in names if _may_be_first(environments[name])]
    if run.first or not unbound:
        return None
    firsts: dict[str, _First] = {}

    def keep(member: Member) -> None:
        if isinstance(member.error, FirstWrite):  # any other error comes up again when it is written
            firsts[member.name] = _first(member, member.error)
            member.error = None  # it contains the plan

    with Fleet(environments, run) as fleet:
        fleet.look_ahead(unbound, keep)
    return _asked(dict(firsts), environments, run.record) if firsts else None


def _first(member: Member, first: FirstWrite) -> _First:
    assert first.plan is not None, "only a restart has no plan"
    data = outcome_data(plan_data(first.plan), plan_result(first.plan, exit_code=False)[1])
    data["objects"] = [one for one in data["objects"] if is_shown(one)]
    return _First(member, first.cluster, first.uid, first.agreed, data | {"status": 0})


def _may_be_first(environment: Environment | ConfigError) -> bool:
    if not isinstance(environment, Environment):
        return False
    return not (environment.cluster.namespace_uid or environment.cluster.server)


def _asked(
    firsts: Mapping[str, _First], environments: Mapping[str, Environment | ConfigError], record: Record
) -> Answers:
    """Ask once for each server whether it is the right cluster, and offer to bind the environments to it."""
    servers: dict[str, dict[str, _First]] = {}
    for name, first in sorted(firsts.items()):
        servers.setdefault(first.cluster.server, {})[name] = first
    agreed: Agreed = frozenset()
    after = dict(environments)
    for server, group in servers.items():
        show_fleet(fleet_data([first.entry for first in group.values()], 0, None))
        if not ask(_question(server, group)):
            for first in group.values():
                first.member.error = not_confirmed()
            continue
        agreed = agreed.union(*(first.agreed for first in group.values()))
        for name, bound in offer_all(_bindable(group, environments), record).items():
            if isinstance(bound, Environment):
                after[name] = bound
            else:
                group[name].member.error = bound
    return Answers(agreed, [first.member for first in firsts.values() if first.member.error], after)


def _bindable(
    firsts: Mapping[str, _First], environments: Mapping[str, Environment | ConfigError]
) -> Mapping[str, tuple[Environment, str]]:
    """Return the environments with the UIDs of their namespaces, as far as bridge may read the UIDs."""
    pairs = ((name, environments[name], first.uid) for name, first in firsts.items())
    return {name: (loaded, uid) for name, loaded, uid in pairs if isinstance(loaded, Environment) and uid}


def _question(server: str, firsts: Mapping[str, _First]) -> str:
    names = list(firsts)
    count = f"{len(names)} environments" if len(names) > 1 else "1 environment"
    source = firsts[names[0]].cluster.source
    return f"First write of {count} ({listed(names)}) to {server} ({source}). Is this the right cluster?"
