"""Opens the cluster for one environment: its namespace, field manager, Lease and state."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from bridge.cluster.api import Api
from bridge.cluster.endpoint import Endpoint
from bridge.cluster.identity import check_namespace, check_server
from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.cluster.state import MemoryStore
from bridge.cluster.waves import Wave
from bridge.config.environment import Environment
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.plan.change_times import FORMAT
from bridge.plan.model import Binding, ClusterName
from bridge.run.inputs import Run, StateSeen
from bridge.run.line import Dial, Line, dial


class Cluster(NamedTuple):
    """The cluster for one environment: its namespace and field manager. Only a run that holds the Lease can write."""

    endpoint: Endpoint
    api: Api
    objects: Objects
    store: MemoryStore
    lease: Lease
    name: ClusterName
    warnings: tuple[Problem, ...]
    deadline: float = math.inf
    unchecked: Callable[[], None] | None = None  # raises Refusal if the environment is bound to another namespace

    def wave(self) -> Wave:
        """Return a wave of requests to this cluster."""
        return Wave(self.api, self.deadline)

    def look(self, ids: Sequence[ObjectId] = ()) -> StateSeen:
        """Read the state; if the cluster is far away, also read these objects, because that takes no longer."""
        return self._look(self.wave(), ids)

    def look_marked(self, ids: Sequence[ObjectId] = (), *, held: bool = False) -> StateSeen:
        """Read as `look` does, with the mark that shows later whether another run has started to write.

        If there is no state yet, the Lease's version is the mark: the version before this run took it if it is `held`.
        """
        wave = self.wave()
        lease = wave.add(self.lease.version) if wave.is_wide and not held else None
        seen = self._look(wave, ids)
        mark = self.store.mark
        if not mark:
            mark = f"Lease {self.lease.found if held else lease.get() if lease else self.lease.version()}"
        return seen._replace(mark=mark)

    def _look(self, wave: Wave, ids: Sequence[ObjectId]) -> StateSeen:
        checked = wave.add(self.unchecked) if self.unchecked else None
        memory = wave.add(self.store.read)
        live = self.objects.ask(wave, ids) if wave.is_wide else dict
        wave.send()
        if checked:
            checked.get()
        return StateSeen("", memory.get(), live())

    def now(self) -> str:
        """Return the API server's time (RFC 3339), no earlier than any write that it has confirmed."""
        return (self.api.server_time() or datetime.now(UTC)).strftime(FORMAT)


@contextmanager
def open_cluster(
    environment: Environment, namespace: str, run: Run, line_to: Dial = dial, *, looks: bool = False
) -> Iterator[Cluster]:
    """Connect to the environment's cluster; raise Refusal if it is bound to another server or namespace.

    If the run `looks` at the cluster next and the cluster is far away, the namespace is checked together with that.
    """
    id_ = environment.id
    manager = f"bridge/{id_}"
    with line_to(run.search(environment.cluster)) as line:
        name, check = _identified(line, environment, namespace, run)
        if check and not (looks and line.api.is_far):
            check()
            check = None
        lease = Lease(line.last, namespace, id_, run.deadline)
        yield Cluster(
            line.endpoint,
            line.api,
            Objects(line.api, namespace, manager, lease.check),
            MemoryStore(line.api, namespace, id_, manager, lease.check),
            lease,
            name,
            tuple(Problem("the cluster", warning) for warning in line.endpoint.warnings),
            run.deadline,
            check,
        )


def _identified(
    line: Line, environment: Environment, namespace: str, run: Run
) -> tuple[ClusterName, Callable[[], None] | None]:
    """Check the server that the environment is bound to; return the cluster's name with its binding.

    If the environment is bound to a namespace, also return the function that checks the namespace.
    """
    choice, endpoint, binding = environment.cluster, line.endpoint, _pod_binding(line.endpoint, namespace, run)
    record = run.record
    # Before the checks, so that a refusal names the cluster too.
    record.cluster = ClusterName(endpoint.url, endpoint.context, endpoint.source, binding)
    if choice.server and endpoint.pod_namespace is None:
        check_server(endpoint, choice.server)
        binding = "server"
    if not choice.namespace_uid:
        record.cluster = record.cluster._replace(binding=binding)
        return record.cluster, None
    found = record.cluster

    def check() -> None:
        check_namespace(line.api, namespace, choice.namespace_uid, environment.name, found)
        record.cluster = found._replace(binding="namespace_uid")

    return found._replace(binding="namespace_uid"), check


def _pod_binding(endpoint: Endpoint, namespace: str, run: Run) -> Binding | None:
    """Return "pod" if a pod's own account was requested, or if the pod runs in the environment's namespace."""
    return "pod" if run.cluster.in_cluster or endpoint.pod_namespace == namespace else None
