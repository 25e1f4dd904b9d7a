"""The plan: what would happen to each object and key, and what speaks against it."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from bridge.errors import Problem
from bridge.objects import Desired, Field, Live, Manager, ObjectId, Origin
from bridge.plan.state import Memory
from bridge.provider import Revision


class What(enum.Enum):
    """What happens to one key (or label, or annotation)."""

    ADD = "add"
    CHANGE = "change"  # the source has another value than the object, which only bridge wrote
    DRIFT = "drift"  # somebody else changed what bridge wrote last
    RESTORE = "restore"  # somebody else removed what bridge wrote last
    RECLAIM = "reclaim"  # the value is right, but somebody else owns it, or owns it too
    REMOVE = "remove"
    RELEASE = "release"  # no longer ours; it stays, because somebody else owns it too
    KEEP = "keep"

    @property
    def needs_force(self) -> bool:
        """Say whether a plain apply would meet a conflict."""
        return self is What.DRIFT


class Action(enum.Enum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    RECREATE = "recreate"  # deleted and created again: what has to change cannot be changed
    DELETE = "delete"
    LEAVE = "leave"  # it left the templates, and stays in the cluster unless it is pruned


class Alteration(NamedTuple):
    """What an admission rule of the cluster makes of a field that bridge writes.

    `dropped` means that the field is missing after the write; otherwise it has another value than the one sent.
    `moves` means that the write changes this field of the object all the same.
    """

    dropped: bool
    moves: bool


class FieldChange(NamedTuple):
    """What happens to one key, label or annotation. `by` are the managers that changed or share it.

    `what` is what bridge sends, `altered` what admission makes of it. The type of an object and whether it is
    immutable appear here only if they are altered.
    """

    field: Field
    what: What
    origin: Origin | None = None
    by: tuple[Manager, ...] = ()
    altered: Alteration | None = None

    @property
    def moves(self) -> bool:
        """Say whether the write changes the value, as far as that is known."""
        return self.altered.moves if self.altered else self.what not in (What.KEEP, What.RECLAIM)


class Change(NamedTuple):
    """What happens to one object. `desired` is None for one that left the templates."""

    id: ObjectId
    action: Action
    desired: Desired | None
    live: Live | None
    fields: tuple[FieldChange, ...] = ()
    restored: bool = False  # somebody else deleted the object that bridge wrote

    @property
    def changed(self) -> tuple[FieldChange, ...]:
        """Return the fields that do not stay as they are."""
        return tuple(one for one in self.fields if one.what is not What.KEEP)

    @property
    def altered(self) -> tuple[FieldChange, ...]:
        """Return the fields that an admission rule alters."""
        return tuple(one for one in self.fields if one.altered)

    @property
    def force(self) -> bool:
        """Say whether the apply has to take fields from other managers."""
        return any(one.what.needs_force for one in self.fields)

    @property
    def reclaimed(self) -> frozenset[Field]:
        """Return the fields whose ownership is taken back while their value stays."""
        return frozenset(one.field for one in self.fields if one.what is What.RECLAIM)

    @property
    def applies(self) -> bool:
        """Say whether an apply is needed, or taking back ownership is all there is to do."""
        if self.action is Action.RECREATE:
            return True
        return self.action in (Action.CREATE, Action.UPDATE) and not (
            self.reclaimed and all(one.what is What.RECLAIM for one in self.changed)
        )

    @property
    def writes(self) -> bool:
        """Say whether this change is sent to the cluster."""
        return self.action not in (Action.KEEP, Action.LEAVE)


Binding: TypeAlias = Literal["namespace_uid", "server", "pod"]


class ClusterName(NamedTuple):
    """Which cluster a report is about.

    `server` is the API server's URL, `context` the kubeconfig's context (None for a pod's own account), `source`
    names where both come from. `binding` says how the environment is bound to this cluster; None if it is not.
    """

    server: str
    context: str | None
    source: str
    binding: Binding | None = None


NO_STORES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Plan(NamedTuple):
    """What a run would do. With any refusal nothing is written."""

    environment: str
    namespace: str
    manager: str
    changes: tuple[Change, ...]
    refusals: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    memory: Memory  # as it was read, or rebuilt
    sources: Mapping[str, Revision]
    cluster: ClusterName
    stores: Mapping[str, tuple[str, ...]] = NO_STORES  # their addresses, unless they are the vendor's

    @property
    def pending(self) -> bool:
        """Say whether a run would change any object."""
        return any(change.writes for change in self.changes)
