"""A workload as seen by a restart, and the progress of its newest pod template. Pure.

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
"""The kinds that can be restarted, and their names in API paths. Pods of a Job or CronJob are new anyway."""


class Rollout(NamedTuple):
    """The progress of the newest pod template, in pods.

    `spared` pods may stay old (a StatefulSet's partition), `draining` pods have been told to stop.
    """

    seen: bool  # by the controller
    wanted: int
    updated: int
    ready: int
    old: int
    spared: int = 0
    draining: int = 0
    failed: bool = False  # the controller reports that it makes no progress

    @property
    def finished(self) -> bool:
        """Whether all pods that must be new are new and available; pods that are only draining do not count."""
        enough = self.updated >= self.wanted - self.spared and self.ready >= self.wanted
        return self.seen and enough and self.old <= self.spared

    def __str__(self) -> str:
        if not self.seen:
            return "its controller has not observed it yet"
        parts = [f"{self.updated} of {self.wanted} pods are new", f"{self.ready} ready"]
        parts += [f"{self.old} old"] if self.old else []
        return ", ".join([*parts, *([f"{self.draining} draining"] if self.draining else [])])


class Workload(NamedTuple):
    """A Deployment, StatefulSet or DaemonSet.

    `mark` is our own annotation on its pod template. `paused`: its controller replaces no pods now. `by_hand`: it
    replaces only pods that are deleted by hand. `version` is its resourceVersion.
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
    """Parse a workload from the API server's answer; of its pods' environment, only the references are kept."""
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
    failed = any(c.get("reason") == "ProgressDeadlineExceeded" for c in status.get("conditions") or ())
    ready = status.get("availableReplicas", 0)
    return Rollout(seen, wanted, updated, ready, old, min(partition, wanted), draining, failed)
