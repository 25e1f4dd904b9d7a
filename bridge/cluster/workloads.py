"""Deployments, StatefulSets and DaemonSets in one namespace: read them, and mark pod templates to roll them out."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Invalid, LostAnswer, ObjectConflict, ObjectNotFound
from bridge.cluster.objects import is_changed
from bridge.errors import BridgeError, Problem, Unavailable, combine
from bridge.plan.workloads import KINDS, Workload, parse

STRATEGIC_MERGE: Final = "application/strategic-merge-patch+json"
PAGE: Final = 500  # as in kubectl
SETTLING: Final = 10.0  # how many seconds the controllers may take to see a recent deployment
PAUSE: Final = 0.5
TRIES: Final = 8  # several, because controllers may write a workload's status at any moment
REVISION: Final = "deployment.kubernetes.io/revision"  # of a ReplicaSet, set by the Deployment's controller

# The resource that keeps a workload's earlier pod templates; the highest revision has the current template.
HISTORY: Final = {"Deployment": "replicasets", "StatefulSet": "controllerrevisions", "DaemonSet": "controllerrevisions"}


class Workloads:
    """The workloads of one namespace. The field manager is also the name of the annotation on a pod template."""

    def __init__(self, api: Api, namespace: str, manager: str) -> None:
        self._api = api
        self.namespace = namespace
        self.manager = manager

    def target(self, workload: Workload) -> str:
        """Name a workload for messages."""
        return f"{workload} in namespace {self.namespace}"

    def consumers(self, choose: Callable[[Iterable[Workload]], Sequence[Workload]]) -> Sequence[Workload]:
        """Return the chosen workloads once their controllers have seen the current pod templates.

        Raises one combined error for all kinds that could not be listed.
        """
        end = time.monotonic() + SETTLING
        while True:
            chosen = choose(self._all())
            if all(one.rollout.seen for one in chosen) or time.monotonic() > end:
                return chosen
            time.sleep(PAUSE)

    def _all(self) -> list[Workload]:
        workloads: list[Workload] = []
        errors: list[BridgeError] = []
        for kind, plural in KINDS.items():
            try:
                workloads += [parse(kind, raw, self.manager) for raw in self._list(plural)]
            except BridgeError as error:
                errors.append(error)
        if errors:
            raise combine(errors)
        return workloads

    def rolled_out(self, workloads: Iterable[Workload]) -> dict[str, str]:
        """Return, by uid, when each workload's current pod template was first rolled out.

        Times are the API server's (RFC 3339). A workload that never created a pod is missing from the result.
        """
        latest: dict[str, tuple[int, str]] = {}
        for plural in sorted({HISTORY[one.kind] for one in workloads}):
            for raw in self._list(plural):
                metadata = raw["metadata"]
                number = raw.get("revision") or _number((metadata.get("annotations") or {}).get(REVISION, ""))
                revision = (number, metadata.get("creationTimestamp") or "")
                for uid in (owner.get("uid", "") for owner in metadata.get("ownerReferences") or ()):
                    latest[uid] = max(latest.get(uid, (0, "")), revision)
        return {uid: created for uid, (_, created) in latest.items()}

    def get(self, workload: Workload) -> Workload | None:
        """Read a workload again; return None if it no longer exists."""
        try:
            return parse(
                workload.kind,
                self._api.request("get", self._path(workload), target=self.target(workload)),
                self.manager,
            )
        except ObjectNotFound:
            return None

    def mark(self, workload: Workload, text: str, *, dry_run: bool) -> Workload | None:
        """Set only our annotation on the pod template; return None if the workload no longer exists.

        Only the version that was judged is marked. If the workload has changed, it is read again, and a mark that
        another run has set in the meantime stays. After a lost answer, the same request is repeated: only one of the
        two can succeed.
        """
        current, lost = workload, False
        for _ in range(TRIES):
            try:
                return self._mark(current, text, dry_run=dry_run)
            except ObjectNotFound:
                return None
            except (ObjectConflict, Invalid) as refused:
                if not is_changed(refused):
                    raise
            except LostAnswer:
                if lost:
                    raise
                lost = True
                continue
            now = self.get(workload)
            if now is None or now.uid != workload.uid:
                return None
            if now.mark != workload.mark:
                return now
            current = now
        raise Unavailable(Problem(self.target(workload), "kept changing before it could be marked", "run again"))

    def _mark(self, workload: Workload, text: str, *, dry_run: bool) -> Workload:
        metadata = {"uid": workload.uid, "resourceVersion": workload.version}
        body = {"metadata": metadata, "spec": {"template": {"metadata": {"annotations": {self.manager: text}}}}}
        raw = self._api.request(
            "patch",
            self._path(workload),
            target=self.target(workload),
            query={"fieldManager": self.manager},
            body=json.dumps(body).encode(),
            content_type=STRATEGIC_MERGE,
            dry_run=dry_run,
        )
        return parse(workload.kind, raw, self.manager)

    def _list(self, plural: str) -> Iterator[dict[str, Any]]:
        query = {"limit": str(PAGE)}
        while True:
            path = f"/apis/apps/v1/namespaces/{quote(self.namespace)}/{plural}"
            page = self._api.request("list", path, target=f"{plural} in namespace {self.namespace}", query=query)
            yield from page["items"]
            query["continue"] = (page.get("metadata") or {}).get("continue", "")
            if not query["continue"]:
                return

    def _path(self, workload: Workload) -> str:
        return f"/apis/apps/v1/namespaces/{quote(self.namespace)}/{KINDS[workload.kind]}/{quote(workload.name)}"


def _number(text: str) -> int:
    """Parse a revision as controllers write it; return 0 otherwise, because anyone can change the annotation."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0
