"""Who owns which field: what bridge may take back, and what it must refuse."""

import enum

from bridge.objects import Field, Live, Manager
from bridge.plan.state import ObjectMemory
from bridge.shell import command

BRIDGE = "bridge/"
CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
MANAGED_BY = "app.kubernetes.io/managed-by"  # https://kubernetes.io/docs/reference/labels-annotations-taints/


def take_over(environment: str = "") -> str:
    """Return the hint for what belongs to others: the command that takes it over."""
    return f"take it over with `{command(['bridge', 'adopt', *filter(None, [environment])])}`"


class Claim(enum.Enum):
    """How a field that bridge wants stands with the managers of the live object."""

    FREE = "free"  # nobody else owns it
    TAKE_BACK = "take back"  # bridge wrote it last, and whoever owns it since merely edited it
    FOREIGN = "foreign"  # another applier owns it, or somebody wrote it before bridge ever did
    OTHER_BRIDGE = "other bridge"


def others(live: Live, item: Field, manager: str) -> tuple[Manager, ...]:
    """Return the managers other than ours that own a field."""
    return tuple(one for one in live.owners(item) if one.name != manager or one.operation != "Apply")


def claim(live: Live, item: Field, manager: str, memory: ObjectMemory | None) -> Claim:
    """Judge one field (design: an edit is taken back, another applier is not)."""
    rivals = others(live, item, manager)
    if not rivals:
        return Claim.FREE
    if any(one.name.startswith(BRIDGE) and one.name != manager for one in rivals):
        return Claim.OTHER_BRIDGE
    wrote = memory is not None and memory.wrote(item) and same_object(live, manager, memory)
    if wrote and all(one.operation == "Update" for one in rivals):
        return Claim.TAKE_BACK
    return Claim.FOREIGN


def same_object(live: Live, manager: str, memory: ObjectMemory) -> bool:
    """Say whether this is the object that the memory means, and not another of the same name."""
    if memory.uid is not None:
        return memory.uid == live.uid
    return any(one.name == manager and one.operation == "Apply" for one in live.managers)
