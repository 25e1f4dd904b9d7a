"""`bridge check --live`: read the sources and the cluster, without writing anything."""

from collections.abc import Iterable, Iterator, Sequence

from bridge.cluster.api import Api
from bridge.cluster.trial import Today, rehearse, written
from bridge.commands.check_build import Judged
from bridge.config.environment import Environment
from bridge.errors import BridgeError, Problem
from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import CURE, Finding, Verdict, shared
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.plan.admission import dropped, rewritten
from bridge.plan.controllers import may_interfere
from bridge.plan.model import Plan
from bridge.run.inputs import Run
from bridge.run.plan import inspect, read_environment, with_admission


class Looked(NamedTuple):
    """The plan from the cluster, and the build's findings based on it."""

    plan: Plan
    judged: Judged | None
    warnings: tuple[Problem, ...]
    errors: tuple[Problem, ...]


def look(environment: Environment, run: Run, judged: Judged | None) -> Looked:
    """Read every source and object as a sync would; raises what would stop a sync.

    Every source is treated as if no run had read it before, so that a provider checks whether reading it would consume
    it.
    """
    unanswered: list[tuple[str, Problem]] = []
    with read_environment(environment, run, fresh=True) as (wanted, cluster):
        plan = with_admission(inspect(wanted, cluster, run), cluster.objects, run)
        if judged:
            findings = tuple(_today(cluster.api, judged, unanswered))
            judged = judged._replace(findings=findings)
    deployers = (problem for change in plan.changes if change.live for problem in may_interfere(change.live))
    warnings = (*plan.warnings, *rewritten(plan), *deployers, *_grouped(unanswered))
    return Looked(plan, judged, warnings, (*plan.refusals, *dropped(plan)))


def _today(api: Api, judged: Judged, unanswered: list[tuple[str, Problem]]) -> Iterator[Finding]:
    """Yield the findings and what would happen now, without those that the cluster shows to be harmless."""
    owned = judged.owned
    harmless: set[str] = set()
    for built, id_ in shared(judged.build, owned):
        try:
            today = rehearse(api, owned.namespace, built, owned.keys[id_])
        except BridgeError as error:
            unanswered += (("the effect of an apply", problem) for problem in error.problems)
            continue
        if not today.endangered:
            harmless.add(built.place)
        yield from _described(built, today)
    for finding in judged.findings:
        if finding.verdict in {Verdict.EMPTIED, Verdict.SHRUNK} and finding.place in harmless:
            continue
        if not (finding.needs and _is_there(api, owned.namespace, finding.needs, unanswered)):
            yield finding


def _described(built: BuiltObject, today: Today) -> Iterator[Finding]:
    """Describe what would happen to one object now."""
    parts = [
        _part(today.client_side.overwritten, "`kubectl apply` would overwrite {}"),
        _part(today.client_side.deleted, "`kubectl apply` would delete {}"),
        _part(today.refused, "`kubectl apply --server-side` would be refused over {}"),
        _part(today.overwritten, "`kubectl apply --server-side` would overwrite {}"),
        "" if today.exists else "it is not in the cluster, and an apply would create it with the build's values",
    ]
    if what := "; ".join(filter(None, parts)):
        yield Finding(Verdict.TODAY, built.place, str(built), (), f"today: {what}", CURE)


def _part(keys: Sequence[str], text: str) -> str:
    return text.format(", ".join(keys)) if keys else ""


def _is_there(
    api: Api, namespace: str, needed: tuple[ObjectId, str | None], unanswered: list[tuple[str, Problem]]
) -> bool:
    """Whether the cluster already has the object that a pod needs, written by someone else."""
    id_, key = needed
    try:
        keys = written(api, namespace, id_)
    except BridgeError as error:
        unanswered += (("whether someone else has written it", problem) for problem in error.problems)
        return False
    return keys is not None and (key is None or key in keys)


def _grouped(unanswered: Iterable[tuple[str, Problem]]) -> Iterator[Problem]:
    """Yield one warning for each question that got no answer, whatever the number of objects."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for what, problem in unanswered:
        groups.setdefault((what, problem.what), []).append(problem)
    for (what, why), group in groups.items():
        where = ", ".join(dict.fromkeys(problem.where for problem in group))
        yield Problem(where, f"{what} is unknown: {why}", group[0].hint, warning=True)
