"""Finds the workload that `bridge exec --as` names, and its container."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from bridge.cluster.api import Api, ObjectNotFound
from bridge.config.names import suggestion
from bridge.config.problems import Findings
from bridge.errors import ConfigError, Problem, Refusal
from bridge.kustomize.objects import BuiltObject, parse_object
from bridge.named_tuple import NamedTuple
from bridge.plan.container_env import PodTemplate, pod_template, text_at
from bridge.plan.workloads import SPECS
from bridge.report.record import Record
from bridge.report.talk import tell

DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_GROUPS: Final[Mapping[str, str]] = {"Pod": "", "Job": "batch", "CronJob": "batch"}
"""The API groups of the kinds that are not in `apps`."""
_SHORT: Final[Mapping[str, str]] = {
    "po": "Pod", "deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "rs": "ReplicaSet", "cj": "CronJob",
}  # fmt: skip
_KINDS: Final[Mapping[str, str]] = {
    **{word: kind for kind in SPECS for word in (kind.lower(), f"{kind.lower()}s")},
    **_SHORT,
}
"""The kinds by the words that kubectl has for them."""


class WorkloadName(NamedTuple):
    """A kind that has pods, and a name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def parse_workload(text: str) -> WorkloadName:
    """Parse KIND/NAME; ConfigError if the kind has no pods."""
    kind, _, name = text.partition("/")
    if kind.lower() not in _KINDS:
        hint = f"use one of {', '.join(SPECS)}, as in --as Deployment/agent"
        raise ConfigError(Problem("--as", f"{kind} is not a kind that has pods", hint))
    return WorkloadName(_KINDS[kind.lower()], name)


def built_pod(workload: WorkloadName, build: Sequence[BuiltObject], shown: str, namespace: str) -> PodTemplate:
    """Return the workload's pods as the build has them; the one with the environment's namespace if there are two."""
    candidates = [
        built for built in build if built.kind in SPECS and _group_of(built) == _GROUPS.get(built.kind, "apps")
    ]
    named = [built for built in candidates if (built.kind, built.name) == workload]
    for built in sorted(named, key=lambda one: one.namespace != namespace):
        return _pod(workload, built)
    names = [str(built) for built in candidates]
    hint = suggestion(str(workload), names) if names else "pass the build of an overlay that has the workload"
    raise ConfigError(Problem(shown, f"no {workload} in namespace {namespace}", hint))


def live_pod(workload: WorkloadName, api: Api, namespace: str) -> PodTemplate:
    """Return the workload's pods as the cluster has them; Refusal if it does not exist."""
    group, plural = _GROUPS.get(workload.kind, "apps"), f"{workload.kind.lower()}s"
    place = f"apis/{group}/v1" if group else "api/v1"
    target = f"{workload} in namespace {namespace}"
    path = f"/{place}/namespaces/{quote(namespace)}/{plural}/{quote(workload.name, safe='')}"
    try:
        raw = api.request("get", path, target=target)
    except ObjectNotFound:
        hint = f"list them with `kubectl get {plural} -n {namespace}`, or pass a build with --manifests"
        raise Refusal(Problem(target, "not found", hint)) from None
    findings = Findings(target)
    built = parse_object(raw, "", findings)
    if built is None or findings:
        findings.fail()
    return _pod(workload, built)


def _group_of(built: BuiltObject) -> str:
    return built.version.rpartition("/")[0]


def _pod(workload: WorkloadName, built: BuiltObject) -> PodTemplate:
    pod = pod_template(workload.kind, workload.name, built.content)
    if pod is None:
        raise Refusal(Problem(str(workload), "has no pod template", "correct the workload"))
    return pod


def choose_container(
    pod: PodTemplate, name: str | None, record: Record
) -> tuple[Mapping[str, object], tuple[Problem, ...]]:
    """Return the container with this name, or else the one that kubectl would take, with warnings."""
    usual = _named(pod, "containers")
    known = {**_named(pod, "ephemeralContainers"), **_named(pod, "initContainers"), **usual}
    if name is not None and name not in known:
        raise ConfigError(Problem(str(pod), f"no container {name}", suggestion(name, known) if known else ""))
    if name is None and not usual:
        raise Refusal(Problem(str(pod), "has no containers", "correct the workload"))
    if name is not None:
        return known[name], ()
    default = text_at(pod.metadata, "annotations", DEFAULT_CONTAINER)
    if default in usual:
        return usual[default], ()
    first = next(iter(usual))
    if default:
        return usual[first], (Problem(str(pod), f"its default container does not exist; {first} is used instead"),)
    if len(usual) > 1:
        tell(record, f"using container {first} of {pod}; --container selects another one")
    return usual[first], ()


def _named(pod: PodTemplate, section: str) -> dict[str, Mapping[str, object]]:
    items = pod.spec.get(section)
    containers = [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
    return {text_at(one, "name"): one for one in containers}
