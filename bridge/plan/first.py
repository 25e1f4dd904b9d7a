"""Whether a plan would be the first write of its environment into a cluster."""

from bridge.plan.model import ClusterName, Plan


def is_first(plan: Plan) -> bool:
    """Return whether nothing that was read shows an earlier write of this environment into this cluster.

    A state ConfigMap whose objects are all gone, or others of the same names, shows nothing: it may be a copy from
    another cluster. What could not be read may show anything, so then the answer is no.
    """
    if any(change.desired is None and change.live is None for change in plan.changes):
        return False
    live = [change.live for change in plan.changes if change.live]
    if any(manager.name == plan.manager for one in live for manager in one.managers):
        return False
    recorded = {one.uid for one in plan.memory.objects.values() if one.uid}
    begun = bool(plan.memory.objects) and not recorded  # a first run that stopped before its first object
    return not begun and recorded.isdisjoint(one.uid for one in live)


def place(namespace: str, cluster: ClusterName) -> str:
    """Say where a write goes: the namespace, the server, and the context or the account that leads there."""
    return f"namespace {namespace} on {cluster.server} ({cluster.source})"
