"""The environment variables that the kubelet gives a container. Pure.

The rules are those of the kubelet since Kubernetes 1.32 (`makeEnvironmentVariables` in pkg/kubelet/kubelet_pods.go):
`env` wins over `envFrom`, a later entry over an earlier one, and only `value` is expanded, with the variables before.
Not included: what the image sets, HOSTNAME, and the variables of Services.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.names import quoted
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.plan.workloads import SPECS, Use, pod_spec, uses
from bridge.secret import SecretValue

OBJECTS: Final = {
    "secretRef": "Secret", "configMapRef": "ConfigMap", "secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap",
}  # fmt: skip
"""The fields that refer to an object, and the object's kind."""
CURE: Final = "correct the workload: its pods do not start like this"
_NAME: Final = re.compile(r"[ -<>-~]+")
"""Any printable ASCII character except `=`, as the API server requires."""
_LONG_VALID: Final = re.compile(r"(?!\.$|\.\.)[-._a-zA-Z][-._a-zA-Z0-9]*")
"""The names that a kubelet before 1.32 takes from `envFrom`; it skips all others."""
_REFERENCE: Final = re.compile(rb"\$(?:\$|\(([^)]*)\))")
"""`$$`, or `$(NAME)`, as in k8s.io/kubernetes/third_party/forked/golang/expansion."""
_OF_SERVICE: Final = re.compile(r"[A-Z0-9_]+_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_\w+)?)")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")

Keys = Mapping[str, SecretValue]


class PodTemplate(NamedTuple):
    """The pods of a workload: the workload's kind and name, and the pods' own metadata and spec."""

    kind: str
    name: str
    metadata: Mapping[str, object]
    spec: Mapping[str, object]

    def __repr__(self) -> str:
        return f"PodTemplate({self})"  # the spec may contain values

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class PodContext(NamedTuple):
    """What is known about the pod from elsewhere.

    `looked_in` names the places where its objects were searched for. `given` are variables to use instead of what only
    a running pod knows, such as its IP address.
    """

    namespace: str
    looked_in: str
    given: Mapping[str, str]


class ContainerEnvironment(NamedTuple):
    """A container's variables. `secrets` are the values from Secrets, by their keys.

    `problems` are what keeps the pod from being created or started.
    """

    values: Keys
    secrets: tuple[tuple[str, SecretValue], ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def pod_template(kind: str, name: str, content: Mapping[str, object]) -> PodTemplate | None:
    """Return the pods of an object, or None if it has none."""
    spec = pod_spec(kind, content)
    if spec is None:
        return None
    metadata = _at(content, *SPECS[kind][:-1], "metadata")
    return PodTemplate(kind, name, metadata if isinstance(metadata, Mapping) else {}, spec)


def container_uses(container: Mapping[str, object]) -> tuple[Use, ...]:
    """Return what the environment of a container uses."""
    return uses({"containers": [container]})  # without the volumes, whose content is no variable


def container_environment(
    pod: PodTemplate,
    container: Mapping[str, object],
    objects: Mapping[ObjectId, Keys | None],
    context: PodContext,
) -> ContainerEnvironment:
    """Return the container's variables.

    `objects` has the keys of each object that the container uses, or None for an object that does not exist.
    """
    made = _Environment(pod, f"{pod} container {text_at(container, 'name')}", objects, context)
    for number, source in enumerate(_items(container, "envFrom")):
        made.add_object(number, source)
    for number, variable in enumerate(_items(container, "env")):
        made.add_variable(number, variable)
    return ContainerEnvironment(made.values, tuple(made.secrets.items()), tuple(made.problems), tuple(made.warnings))


def expand(text: bytes, values: Keys) -> tuple[bytes, tuple[str, ...]]:
    """Expand `$(NAME)`, and return the names that have no value: their references stay as they are."""
    unknown: dict[str, None] = {}

    def value_of(reference: re.Match[bytes]) -> bytes:
        if reference[1] is None:
            return b"$"
        name = reference[1].decode(errors="replace")
        if name in values:
            return values[name].reveal()
        unknown[name] = None
        return reference[0]

    return _REFERENCE.sub(value_of, text), tuple(unknown)


class _Environment:
    """An environment in the making: each entry is added in the kubelet's order."""

    def __init__(
        self, pod: PodTemplate, place: str, objects: Mapping[ObjectId, Keys | None], context: PodContext
    ) -> None:
        self.values: dict[str, SecretValue] = {}
        self.secrets: dict[str, SecretValue] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._pod = pod
        self._place = place
        self._objects = objects
        self._context = context

    def add_object(self, number: int, source: Mapping[str, object]) -> None:
        """Add all keys of an `envFrom` entry's object; nothing if the object may be missing and is."""
        at = f"{self._place} envFrom"
        id_, field = _reference(source)
        if id_ is None:
            self._refuse(f"{at}[{number}]", "names neither a Secret nor a ConfigMap", CURE)
            return
        keys = self._objects.get(id_)
        if keys is None:
            self._note_missing(at, f"{id_} not found", source, field)
            return
        prefix = text_at(source, "prefix")
        for key, value in sorted(keys.items()):
            name = prefix + key
            if not _NAME.fullmatch(name):
                self._refuse(at, f"{id_} has a key that cannot be a variable: {quoted(name)}", "rename the key")
                continue
            if not _LONG_VALID.fullmatch(name):
                what = f"the variable {name} is set, but a kubelet before Kubernetes 1.32 skips it"
                self.warnings.append(Problem(at, what))
            self._set(name, value, id_, key)

    def add_variable(self, number: int, variable: Mapping[str, object]) -> None:
        """Add one `env` entry."""
        name = text_at(variable, "name")
        at = f"{self._place} env {name}"
        if not _NAME.fullmatch(name):
            self._refuse(f"{self._place} env[{number}]", "its name is missing or invalid", CURE)
            return
        if "value" in variable and not isinstance(variable["value"], str | SecretValue):
            self._refuse(at, "its value is not text", "write the value in quotes")
            return
        value = text_at(variable, "value").encode()
        source = variable.get("valueFrom")
        if value or not isinstance(source, Mapping) or not source:
            expanded, unknown = expand(value, self.values)
            self._warn_of_services(at, unknown)
            self.values[name] = SecretValue(expanded)
        else:
            self._add_from(name, at, source)

    def _add_from(self, name: str, at: str, source: Mapping[str, object]) -> None:
        id_, field = _reference(source)
        if field:
            key = text_at(source, field, "key")
            if id_ is None or not key:
                self._refuse(at, f"its {field} has no name or no key", CURE)
                return
            keys = self._objects.get(id_)
            if keys is not None and key in keys:
                self._set(name, keys[key], id_, key)
            else:
                what = f"{id_} not found" if keys is None else f"key {key} of {id_} not found"
                self._note_missing(at, what, source, field)
            return
        value, what = self._from_pod(source)
        if value is not None:
            self.values[name] = SecretValue.of(value)
        elif name in self._context.given:
            self.values[name] = SecretValue(self._context.given[name].encode(errors="surrogateescape"))
        else:
            hint = f"if the command needs it, set {name} before you run bridge"
            self.warnings.append(Problem(at, f"not set: only a running pod has its {what}", hint))

    def _from_pod(self, source: Mapping[str, object]) -> tuple[str | None, str]:
        """Return the value of a field of the pod, or None if only a running pod has it; and the field for messages."""
        path = text_at(source, "fieldRef", "fieldPath")
        if not path:
            return None, text_at(source, "resourceFieldRef", "resource") or "file or field"
        known = {
            "metadata.namespace": self._context.namespace,
            "spec.serviceAccountName": text_at(self._pod.spec, "serviceAccountName") or "default",
            **({"metadata.name": self._pod.name} if self._pod.kind == "Pod" else {}),
        }
        if subscript := _SUBSCRIPT.fullmatch(path):
            texts = _at(self._pod.metadata, subscript[1])
            # A controller adds labels and annotations to its pods.
            if self._pod.kind == "Pod" or (isinstance(texts, Mapping) and subscript[2] in texts):
                return text_at(texts, subscript[2]), path
        return known.get(path), path

    def _set(self, name: str, value: SecretValue, id_: ObjectId, key: str) -> None:
        self.values[name] = value
        if id_.kind == "Secret":
            self.secrets[f"{id_} key {key}"] = value

    def _note_missing(self, at: str, what: str, source: Mapping[str, object], field: str) -> None:
        if _at(source, field, "optional") is not True:
            hint = "add it to one of them, or correct the reference"
            self._refuse(at, f"{what} in {self._context.looked_in}", hint)

    def _warn_of_services(self, at: str, names: tuple[str, ...]) -> None:
        for name in names:
            if _OF_SERVICE.fullmatch(name):
                what = f"$({name}) stays as it is: bridge does not set the variables of Services"
                self.warnings.append(Problem(at, what))

    def _refuse(self, at: str, what: str, hint: str) -> None:
        self.problems.append(Problem(at, what, hint))


def _reference(source: Mapping[str, object]) -> tuple[ObjectId | None, str]:
    """Return the object that an entry refers to, and the name of the field; None and "" if there is none."""
    for field, kind in OBJECTS.items():
        if isinstance(source.get(field), Mapping):
            name = text_at(source, field, "name")
            return (ObjectId(kind, name) if name else None), field
    return None, ""


def _items(node: object, name: str) -> Iterator[Mapping[str, object]]:
    items = _at(node, name)
    return (item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else iter(())


def _at(node: object, *names: str) -> object:
    """Return what is at a path in nested mappings, or None."""
    for name in names:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def text_at(node: object, *names: str) -> str:
    """Return the text at a path in nested mappings, or "" if there is none."""
    value = _at(node, *names)
    return value.reveal().decode() if isinstance(value, SecretValue) else value if isinstance(value, str) else ""
