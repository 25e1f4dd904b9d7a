"""Detects whether a plan would be an environment's first write to a cluster."""

from bridge.objects import Live
from bridge.plan.model import ClusterName, Plan
from bridge.plan.state import Memory


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
