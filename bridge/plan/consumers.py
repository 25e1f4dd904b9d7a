"""Which Secrets and ConfigMaps, and which of their keys, the pods of a workload use. Pure.

Pods: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bridge.objects import ObjectId

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
