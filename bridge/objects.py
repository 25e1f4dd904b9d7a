"""The objects that bridge works on, as it wants them, as they are, and what differs."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from bridge.secret import SecretValue

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

JSON_KEYS: Final[Mapping[str, str]] = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
"""The types of Secrets that hold a JSON object, and its key (https://kubernetes.io/docs/concepts/configuration/secret/)."""

PEM_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
"""The types of Secrets that hold certificates and keys as text of several lines, and their keys."""


class ObjectId(NamedTuple):
    """A Secret or ConfigMap by kind and name; the namespace is the environment's."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Layer(enum.IntEnum):
    """Where a value comes from, highest first: a greater number is a lower layer."""

    SOURCE = 1
    ENV_FILE = 2
    TEMPLATE = 3


class Part(NamedTuple):
    """A variable that took part in a value, and where it was found."""

    name: str
    layer: Layer
    place: str


class Origin(NamedTuple):
    """Where a key's value comes from.

    `place` names the source's reference, the env file or the template. `manifest` is set where the
    source gave the object's key itself and not a variable. `parts` are the variables that the value
    was made of; of several, `layer` and `place` are those of the lowest. `revision` is the source's.
    """

    layer: Layer
    place: str
    manifest: bool = False
    parts: tuple[Part, ...] = ()
    revision: str | None = None

    @property
    def layers(self) -> frozenset[Layer]:
        """Return every layer that took part."""
        return frozenset({self.layer, *(part.layer for part in self.parts)})

    @property
    def places(self) -> tuple[str, ...]:
        """Return every place that took part, once."""
        return tuple(dict.fromkeys(part.place for part in self.parts)) or (self.place,)


class Entry(NamedTuple):
    """A key's value as bridge wants it."""

    value: SecretValue
    origin: Origin


class Desired(NamedTuple):
    """An object as bridge wants it: its own keys, labels and annotations, nobody else's.

    `admitted` is the type that an admission rule made of `type` when bridge created the object.
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
        """Return the type that the object has to have, as Kubernetes never changes one."""
        return self.admitted or self.type


class Field(NamedTuple):
    """A field that a manager may own: ("data", KEY), ("labels", NAME), ("annotations", NAME), ("type", "").

    A ConfigMap's `binaryData` counts as "data" too: a key is in one of them, never in both.
    """

    section: str
    name: str = ""


class Manager(NamedTuple):
    """One entry of `metadata.managedFields`."""

    name: str
    operation: Literal["Apply", "Update"]
    time: str  # RFC 3339; empty where the server gives none
    fields: frozenset[Field]


class Live(NamedTuple):
    """An object as the cluster has it. The last-applied annotation is dropped, only two fields tell of it."""

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
    applied_keys: bool = False  # it names keys: holds their values, and makes `kubectl apply` delete them
    binary: frozenset[str] = frozenset()  # the keys of a ConfigMap that stand in `binaryData`
    owner: str | None = None  # "ExternalSecret/x" where the object has an ownerReference
    terminating: bool = False
    finalizers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Live({self.id})"  # others' annotations may hold anything

    def owners(self, item: Field) -> tuple[Manager, ...]:
        """Return the managers that own a field, in the server's order."""
        return tuple(manager for manager in self.managers if item in manager.fields)

    def applied(self, manager: str) -> str:
        """Return when a manager's apply last changed the object, by the server's clock; empty where it never did."""
        return max((one.time for one in self.managers if (one.name, one.operation) == (manager, "Apply")), default="")
