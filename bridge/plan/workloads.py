"""Which keys the pods of a workload use, how far its rollout has come, and whether it runs with older keys. Pure.

Pods: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
Statuses: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.plan.state import Memory, ObjectMemory

SPECS: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where each kind of workload has the spec of its pods."""
CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
KINDS: Final[Mapping[str, str]] = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
}
"""The kinds that can be restarted, and their names in API paths. Pods of a Job or CronJob are new anyway."""


class How(enum.Enum):
    """How a pod gets a key, which decides what happens when the key changes."""

    ENV = "env"  # the value from when the container started
    ENV_FROM = "envFrom"  # the same
    VOLUME = "volume"  # a file that the kubelet keeps up to date
    SUB_PATH = "subPath"  # a file that keeps its content from when the container started

    @property
    def follows(self) -> bool:
        """Whether a running pod sees a change without a restart."""
        return self is How.VOLUME


class Use(NamedTuple):
    """One reference of a pod to an object. `key` is None if it uses every key of the object.

    `place` is the reference's location, such as `container agent env OPENAI_API_KEY`. If it is `optional`, the pod
    starts without the object or key.
    """

    id: ObjectId
    key: str | None
    how: How
    place: str
    optional: bool = False

    def takes(self, key: str) -> bool:
        """Whether this key is used here."""
        return self.key is None or self.key == key


def pod_spec(kind: str, content: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the spec of a workload's pods, or None if the kind has no pods or the spec is missing."""
    node: object = content if kind in SPECS else None
    for name in SPECS.get(kind, ()):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def uses(spec: Mapping[str, object]) -> tuple[Use, ...]:
    """Return what the pods of this spec use, without duplicates; the API server reports malformed entries."""
    volumes = {_text(volume.get("name")): volume for volume in _mappings(spec.get("volumes"))}
    used: dict[Use, None] = {}
    for section in CONTAINERS:
        for container in _mappings(spec.get(section)):
            name = f"container {_text(container.get('name'))}"
            used |= dict.fromkeys(_env(container, name))
            used |= dict.fromkeys(_env_from(container, name))
            used |= dict.fromkeys(_mounts(container, name, volumes))
    return tuple(used)


def _env(container: Mapping[str, object], place: str) -> Iterator[Use]:
    for variable in _mappings(container.get("env")):
        source = _mapping(variable.get("valueFrom"))
        for kind, field in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
            reference = _mapping(source.get(field))
            name, key = _text(reference.get("name")), _text(reference.get("key"))
            if name and key:
                at = f"{place} env {_text(variable.get('name'))}"
                yield Use(ObjectId(kind, name), key, How.ENV, at, reference.get("optional") is True)


def _env_from(container: Mapping[str, object], place: str) -> Iterator[Use]:
    for source in _mappings(container.get("envFrom")):
        for kind, field in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
            reference = _mapping(source.get(field))
            if name := _text(reference.get("name")):
                optional = reference.get("optional") is True
                yield Use(ObjectId(kind, name), None, How.ENV_FROM, f"{place} envFrom", optional)


def _mounts(container: Mapping[str, object], place: str, volumes: Mapping[str, Mapping[str, object]]) -> Iterator[Use]:
    """Yield what the container mounts; the kubelet ignores a volume that no container mounts."""
    for mount in _mappings(container.get("volumeMounts")):
        name, sub_path = _text(mount.get("name")), _text(mount.get("subPath"))
        at = f"{place} volume {name}"
        for content in _contents(volumes.get(name, {})):
            if sub_path:
                yield from (content.use(key, How.SUB_PATH, at) for key in content.below(sub_path))
            else:
                # An expression's result is known only in the pod.
                how = How.SUB_PATH if _text(mount.get("subPathExpr")) else How.VOLUME
                yield from (content.use(key, how, at) for key in content.keys)


class _Content(NamedTuple):
    """What one object contributes to a volume: keys by file path, or None for all keys under their own names."""

    id: ObjectId
    paths: Mapping[str, str] | None
    optional: bool

    @property
    def keys(self) -> Sequence[str | None]:
        return [None] if self.paths is None else list(self.paths.values())

    def below(self, sub_path: str) -> Sequence[str]:
        """Return the keys of the files that a subPath selects: the file itself, or all files in a folder."""
        wanted = sub_path.strip("/")
        if self.paths is None:
            return [wanted.partition("/")[0]]
        return [key for path, key in self.paths.items() if path == wanted or path.startswith(f"{wanted}/")]

    def use(self, key: str | None, how: How, place: str) -> Use:
        return Use(self.id, key, how, place, self.optional)


def _contents(volume: Mapping[str, object]) -> Iterator[_Content]:
    """Yield the objects of a volume, including a projected volume, where a Secret's name is in `name`."""
    sources = [volume, *_mappings(_mapping(volume.get("projected")).get("sources"))]
    for source in sources:
        for kind, field in (("Secret", "secret"), ("ConfigMap", "configMap")):
            reference = _mapping(source.get(field))
            if name := _text(reference.get("secretName")) or _text(reference.get("name")):
                paths = {_text(item.get("path")).strip("/"): _text(item.get("key")) for item in _items(reference)}
                yield _Content(ObjectId(kind, name), paths or None, reference.get("optional") is True)


def _items(reference: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return (item for item in _mappings(reference.get("items")) if _text(item.get("key")))


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class Rollout(NamedTuple):
    """The progress of the newest pod template, in pods.

    `spared` pods may stay old (a StatefulSet's partition), `draining` pods have been told to stop.
    """

    seen: bool  # by the controller
    wanted: int
    updated: int
    ready: int
    old: int
    spared: int = 0
    draining: int = 0
    failed: bool = False  # the controller reports that it makes no progress

    @property
    def finished(self) -> bool:
        """Whether all pods that must be new are new and available; pods that are only draining do not count."""
        enough = self.updated >= self.wanted - self.spared and self.ready >= self.wanted
        return self.seen and enough and self.old <= self.spared

    def __str__(self) -> str:
        if not self.seen:
            return "its controller has not observed it yet"
        parts = [f"{self.updated} of {self.wanted} pods are new", f"{self.ready} ready"]
        parts += [f"{self.old} old"] if self.old else []
        return ", ".join([*parts, *([f"{self.draining} draining"] if self.draining else [])])


class Workload(NamedTuple):
    """A Deployment, StatefulSet or DaemonSet.

    `mark` is our own annotation on its pod template. `paused`: its controller replaces no pods now. `by_hand`: it
    replaces only pods that are deleted by hand. `version` is its resourceVersion.
    """

    kind: str
    name: str
    uid: str
    uses: tuple[Use, ...]
    mark: str
    rollout: Rollout
    paused: bool = False
    by_hand: bool = False
    version: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def parse(kind: str, raw: Mapping[str, Any], annotation: str) -> Workload:
    """Parse a workload from the API server's answer; of its pods' environment, only the references are kept."""
    spec, metadata = raw.get("spec") or {}, raw["metadata"]
    template = spec.get("template") or {}
    strategy = spec.get("updateStrategy") or {}
    return Workload(
        kind,
        metadata["name"],
        metadata.get("uid", ""),
        uses(pod_spec(kind, raw) or {}),
        ((template.get("metadata") or {}).get("annotations") or {}).get(annotation, ""),
        _rollout(kind, raw),
        paused=bool(spec.get("paused")),
        by_hand=strategy.get("type") == "OnDelete",
        version=metadata.get("resourceVersion", ""),
    )


def _rollout(kind: str, raw: Mapping[str, Any]) -> Rollout:
    status = raw.get("status") or {}
    seen = status.get("observedGeneration", 0) >= raw["metadata"].get("generation", 0)
    if kind == "DaemonSet":
        wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
        old = max(0, status.get("currentNumberScheduled", 0) - updated)
        return Rollout(seen, wanted, updated, status.get("numberAvailable", 0), old)
    spec = raw.get("spec") or {}
    replicas = spec.get("replicas")
    wanted, updated = 1 if replicas is None else replicas, status.get("updatedReplicas", 0)
    old = max(0, status.get("replicas", 0) - updated)
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0
    draining = status.get("terminatingReplicas") or 0
    failed = any(c.get("reason") == "ProgressDeadlineExceeded" for c in status.get("conditions") or ())
    ready = status.get("availableReplicas", 0)
    return Rollout(seen, wanted, updated, ready, old, min(partition, wanted), draining, failed)


class RestartReason(NamedTuple):
    """A used key that changed; `key` is None for a key that was removed from the object. `changed` is in RFC 3339."""

    id: ObjectId
    key: str | None
    changed: str


class RestartStep(enum.Enum):
    """What a restart does with a workload."""

    NONE = "current"
    ROLL = "restart"
    HOLD = "paused"  # out of date, but its controller does not replace pods


class RestartVerdict(NamedTuple):
    """What happens to one workload, why, and the mark that its pod template gets."""

    workload: Workload
    step: RestartStep
    reasons: tuple[RestartReason, ...]
    mark: str


def judge(
    workloads: Iterable[Workload], rolled_out: Mapping[str, str], memory: Memory, *, everything: str = ""
) -> tuple[RestartVerdict, ...]:
    """Judge every workload that uses what bridge writes.

    `rolled_out` maps the UID of each workload to the time when its pods' current template was first rolled out. It is
    missing if no pod was ever created; future pods need no restart. `everything` is a text for this moment: if it is
    set, all consumers are restarted regardless of times.
    """
    return tuple(_verdict(w, rolled_out.get(w.uid), memory, everything) for w in consumers(workloads, memory))


def consumers(workloads: Iterable[Workload], memory: Memory) -> tuple[Workload, ...]:
    """Return the workloads that use what bridge writes."""
    return tuple(w for w in workloads if any(use.id in memory.objects for use in w.uses))


def _verdict(workload: Workload, rolled_out: str | None, memory: Memory, everything: str) -> RestartVerdict:
    by_key = sorted(set(_changes(workload.uses, memory)), key=lambda reason: (reason.id, reason.key or ""))
    changes = tuple(sorted(by_key, key=lambda reason: reason.changed, reverse=True))
    mark = changes[0].changed if changes else ""
    reasons = () if rolled_out is None else tuple(_unseen(changes, rolled_out, workload.mark.partition(" ")[0]))
    if not reasons and not everything:
        return RestartVerdict(workload, RestartStep.NONE, (), mark)
    step = RestartStep.HOLD if workload.paused else RestartStep.ROLL
    return RestartVerdict(workload, step, reasons, f"{mark} {everything}".strip())


def _unseen(changes: tuple[RestartReason, ...], rolled_out: str, mark: str) -> Iterator[RestartReason]:
    """Yield the changes that the pods may not have.

    Times have a resolution of a second: a rollout in the same second as a change may have come before it. The mark has
    no such ambiguity: it is the time of the newest change known when the template got it. A mark later than all known
    times belongs to another state, and is ignored.
    """
    known = mark if changes and mark <= changes[0].changed else ""
    for change in changes:
        if change.changed >= rolled_out and change.changed > known:
            yield change


def _changes(uses: Iterable[Use], memory: Memory) -> Iterator[RestartReason]:
    """Yield the last change of each key that running pods keep from when their containers started."""
    for use in uses:
        if use.id in memory.objects and not use.how.follows:
            yield from _changes_of(use, memory.objects[use.id])


def _changes_of(use: Use, memory: ObjectMemory) -> Iterator[RestartReason]:
    for key, known in memory.keys.items():
        # Pods wait for an object that does not exist yet, unless they may start without it.
        waited = known.changed == memory.created and not use.optional
        if use.takes(key) and not waited:
            yield RestartReason(use.id, key, known.changed)
    if memory.removed and (use.key is None or use.key not in memory.keys):
        yield RestartReason(use.id, None, memory.removed)
