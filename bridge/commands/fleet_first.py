"""The first writes of `sync --all`: found, shown and asked about before anything is written."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bridge.commands.binding import offer_all
from bridge.commands.confirm import ask, not_confirmed
from bridge.commands.results import plan_result
from bridge.config.environment import Environment
from bridge.errors import ConfigError
from bridge.plan.model import ClusterName
from bridge.report.data import is_shown, outcome_data, plan_data
from bridge.report.fleet import fleet_data, listed, show_fleet
from bridge.report.record import Record
from bridge.run.apply import FirstWrite
from bridge.run.fleet import Fleet, Member
from bridge.run.inputs import Agreed, Run


class Answers(NamedTuple):
    """What a person has answered: where a run may write now, and the environments that it must leave out."""

    agreed: Agreed
    left_out: Sequence[Member]
    environments: Mapping[str, Environment | ConfigError]


class _First(NamedTuple):
    """An environment whose first write this would be, and what is shown of it: no value is kept."""

    member: Member
    cluster: ClusterName
    uid: str | None
    agreed: Agreed
    entry: dict[str, Any]


def answers(environments: Mapping[str, Environment | ConfigError], names: Sequence[str], run: Run) -> Answers | None:
    """Ask about all first writes of a run at a terminal; None if there are none. Nothing is written to a cluster.

    Only environments that are not bound are looked at, and they are read once more when they are written: a person
    takes their time.
    """
    unbound = [name for name in names if _may_be_first(environments[name])]
    if run.first or not unbound:
        return None
    found: dict[str, _First] = {}

    def keep(member: Member) -> None:
        if isinstance(member.error, FirstWrite):  # what is wrong with another one is met when it is written
            found[member.name] = _first(member, member.error)
            member.error = None  # it holds the plan

    with Fleet(environments, run) as fleet:
        fleet.look_ahead(unbound, keep)
    return _asked(dict(found), environments, run.record) if found else None


def _first(member: Member, first: FirstWrite) -> _First:
    assert first.plan is not None, "only a restart has none"
    data = outcome_data(plan_data(first.plan), plan_result(first.plan, exit_code=False)[1])
    data["objects"] = [one for one in data["objects"] if is_shown(one)]
    return _First(member, first.cluster, first.uid, first.agreed, data | {"status": 0})


def _may_be_first(environment: Environment | ConfigError) -> bool:
    if not isinstance(environment, Environment):
        return False
    return not (environment.cluster.namespace_uid or environment.cluster.server)


def _asked(
    found: Mapping[str, _First], environments: Mapping[str, Environment | ConfigError], record: Record
) -> Answers:
    """Ask once for each server whether it is the right one, and offer to bind the environments to their namespaces."""
    servers: dict[str, dict[str, _First]] = {}
    for name, first in sorted(found.items()):
        servers.setdefault(first.cluster.server, {})[name] = first
    agreed: Agreed = frozenset()
    after = dict(environments)
    for server, firsts in servers.items():
        show_fleet(fleet_data([first.entry for first in firsts.values()], 0, None))
        if not ask(_question(server, firsts)):
            for first in firsts.values():
                first.member.error = not_confirmed()
            continue
        agreed = agreed.union(*(first.agreed for first in firsts.values()))
        for name, bound in offer_all(_bindable(firsts, environments), record).items():
            if isinstance(bound, Environment):
                after[name] = bound
            else:
                firsts[name].member.error = bound
    return Answers(agreed, [first.member for first in found.values() if first.member.error], after)


def _bindable(
    firsts: Mapping[str, _First], environments: Mapping[str, Environment | ConfigError]
) -> Mapping[str, tuple[Environment, str]]:
    """Return the environments with the uids of their namespaces, if those may be read."""
    found = {name: (environments[name], first.uid) for name, first in firsts.items()}
    return {name: (one, uid) for name, (one, uid) in found.items() if isinstance(one, Environment) and uid}


def _question(server: str, firsts: Mapping[str, _First]) -> str:
    names = list(firsts)
    count = f"{len(names)} environments" if len(names) > 1 else "1 environment"
    source = firsts[names[0]].cluster.source
    return f"First write of {count} ({listed(names)}) to {server} ({source}). Is this the right cluster?"
