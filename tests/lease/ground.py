"""The cluster in which actors meet: the embedded one, put back before each meeting, or a real one."""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from email.message import Message
from email.utils import format_datetime
from typing import Any, Protocol

from bridge.http.ahead import Ahead
from bridge.http.sockets import Address
from bridge.http.transport import Answer, Request, Transport
from bridge.testing import api
from bridge.testing.apiserver import EmbeddedCluster
from bridge.testing.checks import Place
from bridge.testing.kinds import KINDS
from bridge.testing.patches import copied
from tests.desk import Target
from tests.lease.stage import ACTOR
from tests.servers.client import Client


class Ground(Protocol):
    target: Target
    workshop: "Workshop | None"

    def renew(self) -> None:
        """Choose the namespace for the next meeting."""
        ...

    def open(self, state: str, set_up: Callable[[], None]) -> None:
        """Make `target` a namespace in this state; `set_up` makes it of an empty one."""
        ...

    def transport(self, address: Address, ahead: Ahead | None) -> Any:
        """Return connections, which `Watched` asks."""
        ...

    def changed(self) -> None:
        """Note that something may have changed."""
        ...

    def canonical(self, body: bytes) -> str:
        """Return an answer without what depends on the order of requests that do not affect each other."""
        ...

    def state(self) -> str: ...


UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VERSION = re.compile(r'"resourceVersion": ?"([0-9]+)"')
PLURALS = {
    "deployments": "DeploymentList",
    "statefulsets": "StatefulSetList",
    "daemonsets": "DaemonSetList",
    "replicasets": "ReplicaSetList",
    "controllerrevisions": "ControllerRevisionList",
}
SHOWN = ("secrets", "configmaps", "leases")


class EmbeddedGround:
    """The embedded cluster without the network in between. Events are left out: they change nothing that is written."""

    def __init__(self, cluster: EmbeddedCluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now
        self.target = Target("n", Client(cluster.url, cluster.token), cluster.write_kubeconfig, cluster)
        self._begun: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._version = -1
        self._empty = self._kept()
        self.workshop = Workshop(now, lambda: self.target.data("Secret", "s"))

    def _kept(self) -> Any:
        store = self._cluster.store
        return _copied(store._objects), store._version, dict(self._names), self._counts.copy()

    def _put_back(self, kept: Any) -> None:
        store = self._cluster.store
        store._objects, store._version = _copied(kept[0]), kept[1]
        self._names, self._counts, self._version = dict(kept[2]), kept[3].copy(), -1

    def renew(self) -> None:
        """Keep the only namespace."""

    def open(self, state: str, set_up: Callable[[], None]) -> None:
        if state not in self._begun:
            self._put_back(self._empty)
            self.target.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
            set_up()
            self.changed()
            self._begun[state] = self._kept()
        self._put_back(self._begun[state])
        self.workshop.open()

    def transport(self, _address: Address, _ahead: Ahead | None) -> Any:
        return Direct(self)

    def exchange(self, request: Request) -> Answer:
        headers = Message()
        for name, value in request.headers:
            headers[name] = value
        parsed = api.parse(request.method, request.path, headers, request.body or b"")
        is_workload = parsed.path.startswith("/apis/apps/")
        found = self.workshop.answer(parsed) if is_workload else api.answer(self._cluster.store, parsed)
        self.workshop.start()
        date = format_datetime(self._now(), usegmt=True)
        return Answer(found.code, {"date": date}, json.dumps(found.body).encode())

    def changed(self) -> None:
        """Give the new version of an object, and its uid if it is new, a name that tells only how often it changed."""
        store = self._cluster.store
        if store._version == self._version:
            return
        self._version = store._version
        for place, item in store._objects.items():
            meta, name = item["metadata"], f"{place.kind.resource.plural}/{place.name}"
            for key, kind in ((meta["resourceVersion"], "version"), (meta["uid"], "uid")):
                if key not in self._names:
                    self._counts[f"{name} {kind}"] += 1
                    self._names[key] = f"{name} {kind} {self._counts[f'{name} {kind}']}"

    def canonical(self, body: bytes) -> str:
        text = VERSION.sub(lambda match: f"(version {self._names.get(match[1])})", body.decode())
        return UID.sub(lambda match: self._names.get(match[0], "a uid"), text)

    def state(self) -> str:
        found = [self._cluster.store.select(KINDS[kind], "n")[1] for kind in SHOWN]
        pods = [self.workshop.version, self.workshop.rolled_out, self.workshop.pods]
        return self.canonical(json.dumps([found, pods], sort_keys=True).encode())


def _copied(objects: dict[Place, Any]) -> dict[Place, Any]:
    return {place: copied(item) for place, item in objects.items()}


class Workshop:
    """A Deployment whose pods keep the Secret `s` as it was when they started, which is when their template changes.

    `marked` lists who has changed the template.
    """

    def __init__(self, now: Callable[[], datetime], look: Callable[[], Any]) -> None:
        self._now, self._look = now, look
        self.marked: list[str] = []
        self.open()

    def open(self) -> None:
        """Start anew, with pods that start now."""
        self.marked.clear()
        self._annotations: dict[str, str] = {}
        self._roll_out()

    def start(self) -> None:
        """Start the pods if they could not start before, because there was no Secret."""
        self.pods = self.pods or self._look()

    def _roll_out(self) -> None:
        self.rolled_out, self.pods = self._now().strftime("%Y-%m-%dT%H:%M:%SZ"), self._look()

    @property
    def version(self) -> str:
        return f"template-{len(self.marked) + 1}"

    def answer(self, request: api.Request) -> api.Answer:
        plural, name = (*request.path.split("/")[6:], "")[:2]
        if request.method == "PATCH":
            return self._mark(json.loads(request.body), dry_run="dryRun" in request.query)
        if name == "agent":
            return api.Answer(200, self._deployment())
        items = {"deployments": [self._deployment()], "replicasets": [self._replica_set()]}
        return api.Answer(200, {"kind": PLURALS[plural], "metadata": {}, "items": items.get(plural, [])})

    def _mark(self, body: Any, *, dry_run: bool) -> api.Answer:
        if body["metadata"]["resourceVersion"] != self.version:
            return api.Answer(409, {"kind": "Status", "reason": "Conflict", "code": 409, "message": "it was changed"})
        annotations = self._annotations | body["spec"]["template"]["metadata"]["annotations"]
        if not dry_run and annotations != self._annotations:
            self._annotations = annotations
            self.marked.append(ACTOR.get())
            self._roll_out()
        return api.Answer(200, self._deployment())

    def _deployment(self) -> Any:
        container = {"name": "main", "image": "voice", "envFrom": [{"secretRef": {"name": "s"}}]}
        template = {"metadata": {"annotations": self._annotations}, "spec": {"containers": [container]}}
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1)
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "agent", "namespace": "n", "uid": "agent", "resourceVersion": self.version},
            "spec": {"replicas": 1, "template": template},
            "status": counts,
        }

    def _replica_set(self) -> Any:
        owner = {"kind": "Deployment", "name": "agent", "uid": "agent"}
        metadata = {"name": "agent-1", "namespace": "n", "uid": "set", "resourceVersion": "1"}
        metadata |= {"creationTimestamp": self.rolled_out, "ownerReferences": [owner]}
        return {"kind": "ReplicaSet", "metadata": metadata}


class Direct:
    """Stands in for the transport, without the network in between."""

    is_far = False  # a test changes it

    def __init__(self, ground: EmbeddedGround) -> None:
        self._ground = ground

    def exchange(self, request: Request, _limit: float) -> Answer:
        return self._ground.exchange(request)

    def forget(self) -> None:
        pass

    close = forget


class RealGround:
    """A real kube-apiserver, with a fresh namespace for each meeting."""

    def __init__(self, new: Callable[[], Target]) -> None:
        self._new = new
        self.workshop = None
        self.target = new()

    def transport(self, address: Address, ahead: Ahead | None) -> Transport:
        return Transport(address, ahead)

    def renew(self) -> None:
        self.target = self._new()

    def open(self, _state: str, set_up: Callable[[], None]) -> None:
        set_up()

    def changed(self) -> None:
        pass

    def canonical(self, _body: bytes) -> str:
        return ""

    def state(self) -> str:
        return ""
