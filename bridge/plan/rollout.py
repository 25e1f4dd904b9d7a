"""A workload as restarting sees it, and how far its newest pod template has come. Pure.

Statuses: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bridge.plan.consumers import Use, pod_spec, uses

KINDS: Final[Mapping[str, str]] = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
}
"""The kinds that can be rolled, and their names in paths. What a Job or CronJob starts next is new anyway."""


class Rollout(NamedTuple):
    """How far the newest pod template has come, in pods.

    `spared` may stay old (a StatefulSet's partition), `draining` ones have been told to end.
    """

    seen: bool  # by the controller
    wanted: int
    updated: int
    ready: int
    old: int
    spared: int = 0
    draining: int = 0
    failed: bool = False  # the controller says that it does not get on

    @property
    def finished(self) -> bool:
        """Say whether all pods that shall be new are new and available; those that only drain do not count."""
        enough = self.updated >= self.wanted - self.spared and self.ready >= self.wanted
        return self.seen and enough and self.old <= self.spared

    def __str__(self) -> str:
        if not self.seen:
            return "its controller has not seen it yet"
        parts = [f"{self.updated} of {self.wanted} pods are new", f"{self.ready} ready"]
        parts += [f"{self.old} old"] if self.old else []
        return ", ".join([*parts, *([f"{self.draining} draining"] if self.draining else [])])


class Workload(NamedTuple):
    """A Deployment, StatefulSet or DaemonSet.

    `mark` is our own annotation on its pod template. `paused` and `by_hand` say that its controller
    replaces no pod now, or only those that somebody deletes. `version` is its resourceVersion.
    """

    kind: str
    name: str
    uid: str
    uses: tuple[Use, ...]
    mark: str
    rollout: Rollout
    paused: bool = False
    by_hand: bool = False
    version: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def parse(kind: str, raw: Mapping[str, Any], annotation: str) -> Workload:
    """Read a workload as the API server gives it; nothing of its pods' environment is kept but the references."""
    spec, metadata = raw.get("spec") or {}, raw["metadata"]
    template = spec.get("template") or {}
    strategy = spec.get("updateStrategy") or {}
    return Workload(
        kind,
        metadata["name"],
        metadata.get("uid", ""),
        uses(pod_spec(kind, raw) or {}),
        ((template.get("metadata") or {}).get("annotations") or {}).get(annotation, ""),
        _rollout(kind, raw),
        paused=bool(spec.get("paused")),
        by_hand=strategy.get("type") == "OnDelete",
        version=metadata.get("resourceVersion", ""),
    )


def _rollout(kind: str, raw: Mapping[str, Any]) -> Rollout:
    status = raw.get("status") or {}
    seen = status.get("observedGeneration", 0) >= raw["metadata"].get("generation", 0)
    if kind == "DaemonSet":
        wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
        old = max(0, status.get("currentNumberScheduled", 0) - updated)
        return Rollout(seen, wanted, updated, status.get("numberAvailable", 0), old)
    spec = raw.get("spec") or {}
    replicas = spec.get("replicas")
    wanted, updated = 1 if replicas is None else replicas, status.get("updatedReplicas", 0)
    old = max(0, status.get("replicas", 0) - updated)
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0
    draining = status.get("terminatingReplicas") or 0
    failed = any(one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions") or ())
    ready = status.get("availableReplicas", 0)
    return Rollout(seen, wanted, updated, ready, old, min(partition, wanted), draining, failed)
