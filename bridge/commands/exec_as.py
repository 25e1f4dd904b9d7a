"""`bridge exec --as`: the environment that a container of a workload has in its pod, with the values of the sources."""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple
from urllib.parse import quote

from bridge.cluster.api import ObjectNotFound
from bridge.commands.arguments import environment_of, run_of
from bridge.commands.exec_start import revealed
from bridge.config.environment import Environment
from bridge.config.names import quoted, suggestion
from bridge.config.problems import Findings
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.kustomize.build_input import load_build
from bridge.kustomize.objects import BuiltObject, parse_object, without_hash
from bridge.kustomize.overlap import built_value, here
from bridge.objects import Desired, Field, Live, ObjectId
from bridge.plan.container_env import (
    PodContext,
    PodTemplate,
    container_environment,
    container_uses,
    pod_template,
    text_at,
)
from bridge.plan.workloads import SPECS, Use
from bridge.report.record import Record
from bridge.report.talk import tell
from bridge.run.inputs import Run, gather_objects, sound_files
from bridge.run.view import Cluster, open_cluster
from bridge.secret import SecretValue

USAGE: Final = "pipe in a build: `kustomize build OVERLAY | bridge exec ENV --as KIND/NAME --manifests - -- CMD`"
DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
KEPT: Final = frozenset(b"PATH HOME USER LOGNAME SHELL PWD TMPDIR TERM COLORTERM NO_COLOR LANG LANGUAGE TZ".split())
"""The caller's variables that the command gets, and LC_*: without them, few programs run."""
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

Keys = dict[str, SecretValue]


class Prepared(NamedTuple):
    """The command's environment, the values that it must not print, and the warnings about both."""

    environ: Mapping[bytes, bytes]
    secrets: tuple[tuple[str, SecretValue], ...]
    warnings: tuple[Problem, ...]

    def __repr__(self) -> str:
        return "Prepared(<hidden>)"


class Workload(NamedTuple):
    """A kind that has pods, and a name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def prepare_as(args: argparse.Namespace, record: Record) -> Prepared:
    """Return the environment of a workload's container; one error lists everything that keeps it from starting."""
    workload = _workload(args.workload)
    environment, run = environment_of(args), run_of(args, record)
    files = sound_files(environment, run)
    assert files.namespace is not None
    with ExitStack() as stack:
        cluster = _LazyCluster(environment, files.namespace, run, stack)
        build = None
        if args.manifests is None:
            pod = cluster.pod(workload)
        else:
            shown, objects = load_build(args.manifests, run.deadline, USAGE)
            build = here(objects, files.namespace)
            pod = _built_pod(workload, build, shown, files.namespace)
        container, warnings = _container(pod, args.container, record)
        desired, managed = gather_objects(environment, files, run)
        search = _Search({one.id: one for one in desired}, build, cluster)
        found = search.keys(container_uses(container), str(pod))
    context = PodContext(files.namespace, search.looked_in, os.environ)
    made = container_environment(pod, container, found, context)
    errors = [*search.errors, *([Refusal(*made.problems)] if made.problems else [])]
    if errors:
        raise combine(errors)
    environ = {**_kept(), **revealed(made.values, lambda _name: str(pod))}
    secrets = tuple(dict((*managed.secrets, *made.secrets)).items())
    return Prepared(environ, secrets, (*managed.warnings, *warnings, *search.warnings, *made.warnings))


def _workload(text: str) -> Workload:
    kind, _, name = text.partition("/")
    if kind.lower() not in _KINDS:
        hint = f"use one of {', '.join(SPECS)}, as in --as Deployment/agent"
        raise ConfigError(Problem("--as", f"{quoted(kind)} is not a kind that has pods", hint))
    return Workload(_KINDS[kind.lower()], name)


def _kept() -> dict[bytes, bytes]:
    """Return the caller's variables that the command gets."""
    return {name: value for name, value in os.environb.items() if name in KEPT or name.startswith(b"LC_")}


def _built_pod(workload: Workload, build: Sequence[BuiltObject], shown: str, namespace: str) -> PodTemplate:
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


def _group_of(built: BuiltObject) -> str:
    return built.version.rpartition("/")[0]


def _pod(workload: Workload, built: BuiltObject) -> PodTemplate:
    pod = pod_template(workload.kind, workload.name, built.content)
    if pod is None:
        raise Refusal(Problem(str(workload), "has no pod template", "correct the workload"))
    return pod


def _container(pod: PodTemplate, name: str | None, record: Record) -> tuple[Mapping[str, object], tuple[Problem, ...]]:
    """Return the container with this name, or else the one that kubectl would take, with warnings."""
    usual = _named(pod, "containers")
    known = {**_named(pod, "ephemeralContainers"), **_named(pod, "initContainers"), **usual}
    if name is not None and name not in known:
        raise ConfigError(Problem(str(pod), f"no container {quoted(name)}", suggestion(name, known) if known else ""))
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


class _LazyCluster:
    """The environment's cluster, opened once something has to be read from it."""

    def __init__(self, environment: Environment, namespace: str, run: Run, stack: ExitStack) -> None:
        self._environment: Final = environment
        self._namespace: Final = namespace
        self._run: Final = run
        self._stack: Final = stack
        self._opened: Cluster | BridgeError | None = None

    def pod(self, workload: Workload) -> PodTemplate:
        """Return the pods of a workload in the cluster."""
        group = _GROUPS.get(workload.kind, "apps")
        place = f"{f'apis/{group}' if group else 'api'}/v1/namespaces/{quote(self._namespace)}"
        target = f"{workload} in namespace {self._namespace}"
        path = f"/{place}/{workload.kind.lower()}s/{quote(workload.name, safe='')}"
        try:
            raw = self._open().api.request("get", path, target=target)
        except ObjectNotFound:
            plural = f"{workload.kind.lower()}s"
            hint = f"list them with `kubectl get {plural} -n {self._namespace}`, or pass a build with --manifests"
            raise Refusal(Problem(target, "not found", hint)) from None
        findings = Findings(target)
        built = parse_object(raw, "", findings)
        if built is None or findings:
            findings.fail()
        return _pod(workload, built)

    def get(self, id_: ObjectId) -> Live | None:
        """Return an object, or None if it does not exist."""
        return self._open().objects.get(id_)

    @property
    def manager(self) -> str:
        """The field manager that bridge writes under."""
        return f"bridge/{self._environment.id}"

    def _open(self) -> Cluster:
        if self._opened is None:
            try:
                self._opened = self._stack.enter_context(open_cluster(self._environment, self._namespace, self._run))
            except BridgeError as error:
                self._opened = error
        if isinstance(self._opened, BridgeError):
            raise self._opened
        return self._opened


class _Search:
    """Finds the keys of the objects that a container uses.

    A key of a template has the value that a sync would write. Everything else is taken from the build, or else from the
    cluster. `looked_in` names these places.
    """

    def __init__(
        self, desired: Mapping[ObjectId, Desired], build: Sequence[BuiltObject] | None, cluster: _LazyCluster
    ) -> None:
        self.errors: list[BridgeError] = []
        self.warnings: list[Problem] = []
        self._desired: Final = desired
        self._build: Final = build
        self._cluster: Final = cluster

    @property
    def looked_in(self) -> str:
        """The places that were searched."""
        places = ["the templates", *(["the build"] if self._build is not None else [])]
        places += [] if self.errors else ["the cluster"]
        return " or ".join(filter(None, [", ".join(places[:-1]), places[-1]]))

    def keys(self, uses: Iterable[Use], user: str) -> Mapping[ObjectId, Keys | None]:
        """Return the keys of each object, or None for an object that does not exist."""
        by_id: dict[ObjectId, list[Use]] = {}
        for use in uses:
            by_id.setdefault(use.id, []).append(use)
        return {id_: self._keys(id_, uses_, user) for id_, uses_ in by_id.items()}

    def _keys(self, id_: ObjectId, uses: Sequence[Use], user: str) -> Keys | None:
        desired = self._desired_for(id_, user)
        own = dict(_visible(id_.kind, ((key, entry.value) for key, entry in desired.keys.items()))) if desired else None
        built = self._built(id_)
        known = {**(built or {}), **(own or {})} if own is not None or built is not None else None
        missing = [use for use in uses if known is None or (use.key is not None and use.key not in known)]
        # A build shows which other keys an object has; without one, only the cluster does.
        others = own is not None and self._build is None and any(use.key is None for use in uses)
        if not missing and not others:
            return known
        try:
            live = self._cluster.get(id_)
        except BridgeError as error:
            self._unanswered(id_, error, missing)
            return known
        return known if live is None else {**_live_keys(live, self._cluster.manager, known), **(known or {})}

    def _unanswered(self, id_: ObjectId, error: BridgeError, missing: Sequence[Use]) -> None:
        """Report that the cluster cannot be asked: an error if the pod would not start without the object."""
        if any(not use.optional for use in missing):
            self.errors.append(error)
            return
        what = "whether it exists in the cluster is unknown" if missing else "keys that others wrote are unknown"
        self.warnings += (Problem(str(id_), f"{what}: {problem}", problem.hint) for problem in error.problems)

    def _desired_for(self, id_: ObjectId, user: str) -> Desired | None:
        original = ObjectId(id_.kind, without_hash(id_.name) or id_.name)
        if id_ in self._desired or original not in self._desired:
            return self._desired.get(id_)
        what = f"uses {id_}, a generated copy of {original}; its keys get the values of the sources here"
        self.warnings.append(Problem(user, what, "remove the object from the kustomization's generators"))
        return self._desired[original]

    def _built(self, id_: ObjectId) -> Keys | None:
        found = [built for built in self._build or () if built.id == id_]
        return dict(_visible(id_.kind, self._built_keys(found))) if found else None

    def _built_keys(self, found: Iterable[BuiltObject]) -> Iterator[tuple[str, SecretValue]]:
        for built in found:
            for section, keys in built.sections.items():
                if section != "binaryData":
                    for key in keys or ():
                        value = built_value(built, key)
                        if value is None:
                            broken = Problem(
                                f"{built.place} {built} key {key}", "not base64, which the API server refuses"
                            )
                            self.errors.append(Refusal(broken))
                        else:
                            yield key, value


def _visible(kind: str, keys: Iterable[tuple[str, SecretValue]]) -> Iterator[tuple[str, SecretValue]]:
    """Yield what variables can be made of: in a ConfigMap, only text, because the rest goes to `binaryData`."""
    return ((key, value) for key, value in keys if kind == "Secret" or value.is_text())


def _live_keys(live: Live, manager: str, known: Mapping[str, SecretValue] | None) -> Keys:
    """Return a live object's keys, without those that the next sync would remove."""
    if known is None:
        left: set[str] = set()
    else:
        left = {key for key in live.data if {one.name for one in live.owners(Field("data", key))} == {manager}}
    return {key: value for key, value in live.data.items() if key not in live.binary and key not in left}
