"""Opens the cluster as one environment sees it: its namespace, under its field manager, with its Lease and memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

from bridge.cluster.api import Api
from bridge.cluster.connect import Search, connect
from bridge.cluster.endpoint import Endpoint
from bridge.cluster.identity import check_namespace, check_server
from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.cluster.state import MemoryStore
from bridge.config.environment import ClusterChoice, Environment
from bridge.errors import Problem
from bridge.plan.change_times import FORMAT
from bridge.plan.model import Binding, ClusterName
from bridge.run.inputs import Run, StateSeen

RELEASE: Final = 3.0  # seconds


class Cluster(NamedTuple):
    """The cluster as one environment sees it: its namespace, under its field manager; writable with the Lease only."""

    endpoint: Endpoint
    api: Api
    objects: Objects
    store: MemoryStore
    lease: Lease
    name: ClusterName
    warnings: tuple[Problem, ...]

    def look(self, *, held: bool = False) -> StateSeen:
        """Read the memory, with the mark that tells later whether another run has begun to write since.

        While there is no memory, the Lease is the mark: as it was before it was taken if it is `held`, else as it is.
        """
        memory = self.store.read()
        if self.store.mark:
            return StateSeen(self.store.mark, memory)
        return StateSeen(f"Lease {self.lease.found if held else self.lease.version()}", memory)

    def now(self) -> str:
        """Return the time (RFC 3339) by the API server's clock: no earlier than any write that it has answered."""
        return (self.api.server_time() or datetime.now(UTC)).strftime(FORMAT)


class Line(NamedTuple):
    """A way to an API server. `last` is for the Lease, which is given back also where the run's time is over."""

    endpoint: Endpoint
    api: Api
    last: Api


Dial: TypeAlias = Callable[[ClusterChoice, Run], AbstractContextManager[Line]]


@contextmanager
def dial(choice: ClusterChoice, run: Run) -> Iterator[Line]:
    """Find the cluster and our credentials, and close the connections in the end."""
    endpoint = connect(Search(choice.kubeconfig, choice.context, run.environ, run.cluster, run.deadline))
    last = Api(endpoint, deadline=run.deadline + RELEASE)
    with closing(Api(endpoint, deadline=run.deadline)) as api, closing(last):
        yield Line(endpoint, api, last)


@contextmanager
def open_cluster(environment: Environment, namespace: str, run: Run, line_to: Dial = dial) -> Iterator[Cluster]:
    """Connect as the environment says; Refusal if it is bound to another server or namespace."""
    id_ = environment.id
    manager = f"bridge/{id_}"
    with line_to(environment.cluster, run) as line:
        name = _identified(line, environment, namespace, run)
        lease = Lease(line.last, namespace, id_)
        yield Cluster(
            line.endpoint,
            line.api,
            Objects(line.api, namespace, manager, lease.check),
            MemoryStore(line.api, namespace, id_, manager, lease.check),
            lease,
            name,
            tuple(Problem("the cluster", warning) for warning in line.endpoint.warnings),
        )


def _identified(line: Line, environment: Environment, namespace: str, run: Run) -> ClusterName:
    """Compare the cluster with what the environment is bound to, and name it with what binds them."""
    choice, endpoint, binding = environment.cluster, line.endpoint, _pod_binding(line.endpoint, namespace, run)
    record = run.record
    # Before the checks, so that a refusal names the cluster too.
    record.cluster = ClusterName(endpoint.url, endpoint.context, endpoint.source, binding)
    if choice.server and endpoint.pod_namespace is None:
        check_server(endpoint, choice.server)
        binding = "server"
    if choice.namespace_uid:
        check_namespace(line.api, namespace, choice.namespace_uid, environment.name, record.cluster)
        binding = "namespace_uid"
    record.cluster = record.cluster._replace(binding=binding)
    return record.cluster


def _pod_binding(endpoint: Endpoint, namespace: str, run: Run) -> Binding | None:
    """Return whether a pod's own account binds: it was asked for, or the pod is in the environment's namespace."""
    return "pod" if run.cluster.in_cluster or endpoint.pod_namespace == namespace else None
