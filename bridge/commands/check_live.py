"""`bridge check --live`: the sources and the cluster are read; nothing is written."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bridge.cluster.api import Api
from bridge.cluster.trial import Today, rehearse, written
from bridge.commands.check_build import Judged
from bridge.config.environment import Environment
from bridge.errors import BridgeError, Problem
from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import CURE, Finding, Verdict, shared
from bridge.objects import ObjectId
from bridge.plan.admission import dropped, rewritten
from bridge.plan.controllers import may_interfere
from bridge.plan.model import Plan
from bridge.run.inputs import Run
from bridge.run.plan import inspect, read_environment, with_admission


class Looked(NamedTuple):
    """What the cluster has, and the build judged by it."""

    plan: Plan
    judged: Judged | None
    warnings: tuple[Problem, ...]
    errors: tuple[Problem, ...]


def look(environment: Environment, run: Run, judged: Judged | None) -> Looked:
    """Read every source and object as a sync would; raises what a sync would be stopped by.

    Every source is taken for one that no run has read before: a provider then looks whether reading it would burn it.
    """
    untold: list[tuple[str, Problem]] = []
    with read_environment(environment, run, fresh=True) as (wanted, cluster):
        plan = with_admission(inspect(wanted, cluster, run), cluster.objects, run)
        if judged:
            findings = tuple(_today(cluster.api, judged, untold))
            judged = judged._replace(findings=findings)
    deployers = (problem for change in plan.changes if change.live for problem in may_interfere(change.live))
    warnings = (*plan.warnings, *rewritten(plan), *deployers, *_grouped(untold))
    return Looked(plan, judged, warnings, (*plan.refusals, *dropped(plan)))


def _today(api: Api, judged: Judged, untold: list[tuple[str, Problem]]) -> Iterator[Finding]:
    """Yield the findings and what would happen today, without those that the cluster shows to be harmless."""
    owned = judged.owned
    harmless: set[str] = set()
    for one, id_ in shared(judged.build, owned):
        try:
            today = rehearse(api, owned.namespace, one, owned.keys[id_])
        except BridgeError as error:
            untold += (("what an apply would do to it today", problem) for problem in error.problems)
            continue
        if not today.endangered:
            harmless.add(one.place)
        yield from _told(one, today)
    for finding in judged.findings:
        if finding.verdict in {Verdict.EMPTIED, Verdict.SHRUNK} and finding.place in harmless:
            continue
        if not (finding.needs and _is_there(api, owned.namespace, finding.needs, untold)):
            yield finding


def _told(one: BuiltObject, today: Today) -> Iterator[Finding]:
    """Put into words what would happen today to one object."""
    parts = [
        _part(today.client_side.overwritten, "`kubectl apply` would overwrite {}"),
        _part(today.client_side.deleted, "`kubectl apply` would delete {}"),
        _part(today.refused, "`kubectl apply --server-side` would be refused over {}"),
        _part(today.overwritten, "`kubectl apply --server-side` would overwrite {}"),
        "" if today.exists else "it is not in the cluster, and an apply would create it with what the build has",
    ]
    if what := "; ".join(filter(None, parts)):
        yield Finding(Verdict.TODAY, one.place, str(one), (), f"today: {what}", CURE)


def _part(keys: Sequence[str], text: str) -> str:
    return text.format(", ".join(keys)) if keys else ""


def _is_there(api: Api, namespace: str, needed: tuple[ObjectId, str | None], untold: list[tuple[str, Problem]]) -> bool:
    """Say whether the cluster has what a pod asks for, because somebody else wrote it."""
    id_, key = needed
    try:
        keys = written(api, namespace, id_)
    except BridgeError as error:
        untold += (("whether somebody else has written it", problem) for problem in error.problems)
        return False
    return keys is not None and (key is None or key in keys)


def _grouped(untold: Iterable[tuple[str, Problem]]) -> Iterator[Problem]:
    """Yield one warning for each thing that could not be asked, whatever the number of objects."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for what, problem in untold:
        groups.setdefault((what, problem.what), []).append(problem)
    for (what, why), found in groups.items():
        where = ", ".join(dict.fromkeys(problem.where for problem in found))
        yield Problem(where, f"{what} could not be asked: {why}", found[0].hint, warning=True)
