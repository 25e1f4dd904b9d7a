"""The objects that bridge works on, as desired and as they exist in the cluster."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

JSON_KEYS: Final[Mapping[str, str]] = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
"""The Secret types that contain a JSON object, and its key (https://kubernetes.io/docs/concepts/configuration/secret/)."""

PEM_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
"""The Secret types that contain certificates and keys as multi-line text, and the keys with that text."""


class ObjectId(NamedTuple):
    """The kind and name of a Secret or ConfigMap; the namespace is the environment's."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Layer(enum.IntEnum):
    """Where a value comes from, highest first: a larger number means a lower layer."""

    SOURCE = 1
    ENV_FILE = 2
    TEMPLATE = 3


class Part(NamedTuple):
    """A variable that a value was made from, and where it was found."""

    name: str
    layer: Layer
    place: str


class Origin(NamedTuple):
    """Where a key's value comes from.

    `place` names the source's reference, the env file or the template. `manifest` is set if the source contained the
    object's key itself instead of a variable. `parts` are the variables that the value was made from; if there are
    several, `layer` and `place` are those of the lowest. `revision` is the source's revision.
    """

    layer: Layer
    place: str
    manifest: bool = False
    parts: tuple[Part, ...] = ()
    revision: str | None = None

    @property
    def layers(self) -> frozenset[Layer]:
        """Return every layer that contributed to the value."""
        return frozenset({self.layer, *(part.layer for part in self.parts)})

    @property
    def places(self) -> tuple[str, ...]:
        """Return every place that contributed to the value, without duplicates."""
        return tuple(dict.fromkeys(part.place for part in self.parts)) or (self.place,)


class Entry(NamedTuple):
    """A key's desired value."""

    value: SecretValue
    origin: Origin


class Desired(NamedTuple):
    """A desired object: only bridge's own keys, labels and annotations.

    `admitted` is the type that an admission rule turned `type` into when bridge created the object.
    """

    id: ObjectId
    keys: Mapping[str, Entry]
    type: str | None = None  # of a Secret; None for a ConfigMap
    immutable: bool | None = None
    labels: Mapping[str, str] = NOTHING
    annotations: Mapping[str, str] = NOTHING
    admitted: str | None = None

    @property
    def lasting_type(self) -> str | None:
        """Return the type that the object must keep, because Kubernetes never changes a type."""
        return self.admitted or self.type


class Field(NamedTuple):
    """A field that a manager may own: ("data", KEY), ("labels", NAME), ("annotations", NAME), ("type", "").

    A ConfigMap's `binaryData` also counts as "data": a key is in only one of them.
    """

    section: str
    name: str = ""


class Manager(NamedTuple):
    """One entry of `metadata.managedFields`."""

    name: str
    operation: Literal["Apply", "Update"]
    time: str  # RFC 3339; empty if the server gives none
    fields: frozenset[Field]


class Live(NamedTuple):
    """An object as it exists in the cluster. Only two fields remain of the last-applied annotation."""

    id: ObjectId
    uid: str
    resource_version: str
    data: Mapping[str, SecretValue]
    managers: tuple[Manager, ...]
    type: str | None = None
    immutable: bool = False
    labels: Mapping[str, str] = NOTHING
    annotations: Mapping[str, str] = NOTHING
    last_applied: bool = False
    applied_keys: bool = False  # it contains keys with their values, so `kubectl apply` may delete them
    binary: frozenset[str] = frozenset()  # the keys in a ConfigMap's `binaryData`
    owner: str | None = None  # "ExternalSecret/x" if the object has an ownerReference
    terminating: bool = False
    finalizers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Live({self.id})"  # annotations may contain anything

    def owners(self, item: Field) -> tuple[Manager, ...]:
        """Return the managers that own a field, in the server's order."""
        return tuple(manager for manager in self.managers if item in manager.fields)

    def applied(self, manager: str) -> str:
        """Return when a manager's apply last changed the object, by the server's clock, or "" if it never did."""
        return max((one.time for one in self.managers if (one.name, one.operation) == (manager, "Apply")), default="")
