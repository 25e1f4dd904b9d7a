"""Which Secrets and ConfigMaps, and which of their keys, the pods of a workload consume. Pure.

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
"""Where each kind of workload keeps the spec of its pods."""
CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


class How(enum.Enum):
    """How a pod gets a key, and so what becomes of it when the key changes."""

    ENV = "env"  # as it was when the container started
    ENV_FROM = "envFrom"  # the same
    VOLUME = "volume"  # a file that kubelet keeps up to date
    SUB_PATH = "subPath"  # a file that stays as it was when the container started

    @property
    def follows(self) -> bool:
        """Say whether a running pod sees a change without being restarted."""
        return self is How.VOLUME


class Use(NamedTuple):
    """One reference of a pod to an object. `key` is None where it takes every key there is.

    `place` is where it stands, as `container agent env OPENAI_API_KEY`. An `optional` one may be missing: the
    pod starts without it.
    """

    id: ObjectId
    key: str | None
    how: How
    place: str
    optional: bool = False

    def takes(self, key: str) -> bool:
        """Say whether this key is consumed here."""
        return self.key is None or self.key == key


def pod_spec(kind: str, content: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the spec of a workload's pods; None for a kind that has none, or where it is not there."""
    node: object = content if kind in SPECS else None
    for name in SPECS.get(kind, ()):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def uses(spec: Mapping[str, object]) -> tuple[Use, ...]:
    """Return what the pods of this spec consume, each once; what is malformed is left to the API server."""
    volumes = {_text(volume.get("name")): volume for volume in _mappings(spec.get("volumes"))}
    found: dict[Use, None] = {}
    for section in CONTAINERS:
        for container in _mappings(spec.get(section)):
            name = f"container {_text(container.get('name'))}"
            found |= dict.fromkeys(_env(container, name))
            found |= dict.fromkeys(_env_from(container, name))
            found |= dict.fromkeys(_mounts(container, name, volumes))
    return tuple(found)


def _env(container: Mapping[str, object], place: str) -> Iterator[Use]:
    for variable in _mappings(container.get("env")):
        given = _mapping(variable.get("valueFrom"))
        for kind, field in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
            reference = _mapping(given.get(field))
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
    """Yield what the container mounts; kubelet ignores a volume that no container mounts."""
    for mount in _mappings(container.get("volumeMounts")):
        name, sub_path = _text(mount.get("name")), _text(mount.get("subPath"))
        at = f"{place} volume {name}"
        for content in _contents(volumes.get(name, {})):
            if sub_path:
                yield from (content.use(key, How.SUB_PATH, at) for key in content.below(sub_path))
            else:
                # Which file an expression names is known in the pod only.
                how = How.SUB_PATH if _text(mount.get("subPathExpr")) else How.VOLUME
                yield from (content.use(key, how, at) for key in content.keys)


class _Content(NamedTuple):
    """What one object brings into a volume: the keys by the files' paths; None for all keys under their names."""

    id: ObjectId
    paths: Mapping[str, str] | None
    optional: bool

    @property
    def keys(self) -> Sequence[str | None]:
        return [None] if self.paths is None else list(self.paths.values())

    def below(self, sub_path: str) -> Sequence[str]:
        """Return the keys of the files that a subPath shows: the file itself, or those in a folder."""
        wanted = sub_path.strip("/")
        if self.paths is None:
            return [wanted.partition("/")[0]]
        return [key for path, key in self.paths.items() if path == wanted or path.startswith(f"{wanted}/")]

    def use(self, key: str | None, how: How, place: str) -> Use:
        return Use(self.id, key, how, place, self.optional)


def _contents(volume: Mapping[str, object]) -> Iterator[_Content]:
    """Yield the objects of a volume, also of a projected one, where a Secret's name stands in `name`."""
    sources = [volume, *_mappings(_mapping(volume.get("projected")).get("sources"))]
    for source in sources:
        for kind, field in (("Secret", "secret"), ("ConfigMap", "configMap")):
            given = _mapping(source.get(field))
            if name := _text(given.get("secretName")) or _text(given.get("name")):
                paths = {_text(item.get("path")).strip("/"): _text(item.get("key")) for item in _items(given)}
                yield _Content(ObjectId(kind, name), paths or None, given.get("optional") is True)


def _items(given: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return (item for item in _mappings(given.get("items")) if _text(item.get("key")))


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
