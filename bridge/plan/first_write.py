"""Whether a plan would be the first write of its environment into a cluster."""

from bridge.objects import Live
from bridge.plan.model import ClusterName, Plan
from bridge.plan.state import Memory


def is_first(plan: Plan) -> bool:
    """Return whether nothing that was read shows an earlier write of this environment into this cluster.

    A state ConfigMap whose objects are all gone, or others of the same names, shows nothing: it may be a copy from
    another cluster. What could not be read may show anything, so then the answer is no.
    """
    if any(change.desired is None and change.live is None for change in plan.changes):
        return False
    live = [change.live for change in plan.changes if change.live]
    return not has_begun(plan.memory) and not any(is_ours(one, plan.memory, plan.manager) for one in live)


def has_begun(memory: Memory) -> bool:
    """Return whether a memory was left by a first run that stopped before its first object."""
    return bool(memory.objects) and not any(one.uid for one in memory.objects.values())


def is_ours(live: Live, memory: Memory, manager: str) -> bool:
    """Return whether a live object shows an earlier write: by its managers, or as the one that the memory recorded."""
    recorded = any(one.uid == live.uid for one in memory.objects.values())
    return recorded or any(one.name == manager for one in live.managers)


def place(namespace: str, cluster: ClusterName) -> str:
    """Say where a write goes: the namespace, the server, and the context or the account that leads there."""
    return f"namespace {namespace} on {cluster.server} ({cluster.source})"
