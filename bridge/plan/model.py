"""The plan: what would happen to each object and key, and the reasons for refusing it."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import Desired, Field, Live, Manager, ObjectId, Origin
from bridge.plan.state import Memory
from bridge.provider import Revision

if TYPE_CHECKING:
    from bridge.plan.ages import ValueAge


class What(enum.Enum):
    """What happens to one key, label or annotation."""

    ADD = "add"
    CHANGE = "change"  # the source's value differs from the object's, which only bridge wrote
    DRIFT = "drift"  # another manager changed what bridge wrote last
    RESTORE = "restore"  # another manager removed what bridge wrote last
    RECLAIM = "reclaim"  # the value is right, but another manager owns it or shares it
    REMOVE = "remove"
    RELEASE = "release"  # no longer ours; it stays because another manager also owns it
    KEEP = "keep"

    @property
    def needs_force(self) -> bool:
        """Whether a plain apply would get a conflict."""
        return self is What.DRIFT


class Action(enum.Enum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    RECREATE = "recreate"  # deleted and created again, because it cannot be changed in place
    DELETE = "delete"
    LEAVE = "leave"  # no longer in the templates; it stays in the cluster unless it is pruned


class Alteration(NamedTuple):
    """What an admission rule does to a field that bridge writes.

    `dropped` means that the field is missing after the write; otherwise it has a different value than the one sent.
    `moves` means that the write still changes this field of the object.
    """

    dropped: bool
    moves: bool


class FieldChange(NamedTuple):
    """What happens to one key, label or annotation. `by` are the managers that changed or share it.

    `what` is what bridge sends, `altered` what admission makes of it. An object's type and immutability appear here
    only if they are altered.
    """

    field: Field
    what: What
    origin: Origin | None = None
    by: tuple[Manager, ...] = ()
    altered: Alteration | None = None

    @property
    def moves(self) -> bool:
        """Whether the write changes the value, as far as that is known."""
        return self.altered.moves if self.altered else self.what not in (What.KEEP, What.RECLAIM)


class Change(NamedTuple):
    """What happens to one object. `desired` is None if it is no longer in the templates."""

    id: ObjectId
    action: Action
    desired: Desired | None
    live: Live | None
    fields: tuple[FieldChange, ...] = ()
    restored: bool = False  # someone else deleted the object that bridge wrote

    @property
    def changed(self) -> tuple[FieldChange, ...]:
        """The fields that change."""
        return tuple(field for field in self.fields if field.what is not What.KEEP)

    @property
    def altered(self) -> tuple[FieldChange, ...]:
        """The fields that an admission rule alters."""
        return tuple(field for field in self.fields if field.altered)

    @property
    def force(self) -> bool:
        """Whether the apply has to take fields from other managers."""
        return any(field.what.needs_force for field in self.fields)

    @property
    def reclaimed(self) -> frozenset[Field]:
        """The fields that get back their owner but keep their value."""
        return frozenset(change.field for change in self.fields if change.what is What.RECLAIM)

    @property
    def applies(self) -> bool:
        """Whether an apply is needed; false if only ownership has to be taken back."""
        if self.action is Action.RECREATE:
            return True
        return self.action in (Action.CREATE, Action.UPDATE) and not (
            self.reclaimed and all(one.what is What.RECLAIM for one in self.changed)
        )

    @property
    def writes(self) -> bool:
        """Whether this change is sent to the cluster."""
        return self.action not in (Action.KEEP, Action.LEAVE)


Binding: TypeAlias = Literal["namespace_uid", "server", "pod"]


class ClusterName(NamedTuple):
    """The cluster that a report is about.

    `server` is the API server's URL, `context` the kubeconfig's context (None for a pod's own account), `source` the
    origin of both. `binding` is how the environment is bound to this cluster, or None if it is not.
    """

    server: str
    context: str | None
    source: str
    binding: Binding | None = None


NO_STORES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Plan(NamedTuple):
    """What a run would do. If there are any refusals, nothing is written."""

    environment: str
    namespace: str
    manager: str
    changes: tuple[Change, ...]
    refusals: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    memory: Memory  # as read or rebuilt
    sources: Mapping[str, Revision]
    cluster: ClusterName
    stores: Mapping[str, tuple[str, ...]] = NO_STORES  # the stores' addresses, unless they are a vendor's
    ages: "tuple[ValueAge, ...]" = ()  # of the values that have an age limit

    @property
    def pending(self) -> bool:
        """Whether a run would change any object."""
        return any(change.writes for change in self.changes)


def is_first(plan: Plan) -> bool:
    """Whether nothing shows an earlier write of this environment to this cluster.

    A state ConfigMap proves nothing if its objects are all gone or were replaced by others of the same names: it may be
    a copy from another cluster. If something could not be read, the answer is False, because it might prove a write.
    """
    if any(change.desired is None and change.live is None for change in plan.changes):
        return False
    live = [change.live for change in plan.changes if change.live]
    return not has_begun(plan.memory) and not any(is_ours(one, plan.memory, plan.manager) for one in live)


def has_begun(memory: Memory) -> bool:
    """Whether a state was left by a first run that stopped before writing its first object."""
    return bool(memory.objects) and not any(one.uid for one in memory.objects.values())


def is_ours(live: Live, memory: Memory, manager: str) -> bool:
    """Whether a live object shows an earlier write: by its managers, or because the state recorded this very object."""
    recorded = any(one.uid == live.uid for one in memory.objects.values())
    return recorded or any(one.name == manager for one in live.managers)


def place(namespace: str, cluster: ClusterName) -> str:
    """Format where a write goes: the namespace, the server, and the context or account used."""
    return f"namespace {namespace} on {cluster.server} ({cluster.source})"
