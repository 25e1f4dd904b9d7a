"""Opens the cluster as one environment sees it: its namespace, under its field manager, with its Lease and memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

from bridge.cluster.api import Api
from bridge.cluster.connect import connect
from bridge.cluster.endpoint import Endpoint
from bridge.cluster.lease import Lease
from bridge.cluster.memory import MemoryStore, Seen
from bridge.cluster.namespace import check_namespace
from bridge.cluster.objects import Objects
from bridge.config.environment import ClusterChoice, Environment
from bridge.errors import Problem
from bridge.gather import Run
from bridge.plan.clock import FORMAT
from bridge.plan.model import ClusterName

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

    def look(self, *, held: bool = False) -> Seen:
        """Read the memory, with the mark that tells later whether another run has begun to write since.

        While there is no memory, the Lease is the mark: as it was before it was taken if it is `held`, else as it is.
        """
        memory = self.store.read()
        if self.store.mark:
            return Seen(self.store.mark, memory)
        return Seen(f"Lease {self.lease.found if held else self.lease.version()}", memory)

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
    endpoint = connect(choice.kubeconfig, choice.context, run.environ, deadline=run.deadline)
    last = Api(endpoint, deadline=run.deadline + RELEASE)
    with closing(Api(endpoint, deadline=run.deadline)) as api, closing(last):
        yield Line(endpoint, api, last)


@contextmanager
def open_cluster(environment: Environment, namespace: str, run: Run, line_to: Dial = dial) -> Iterator[Cluster]:
    """Connect as the environment says; raises an error where it is another namespace than the one it means."""
    choice, id_ = environment.cluster, environment.id
    manager = f"bridge/{id_}"
    with line_to(choice, run) as line:
        if choice.namespace_uid:
            check_namespace(line.api, namespace, choice.namespace_uid)
        lease = Lease(line.last, namespace, id_)
        yield Cluster(
            line.endpoint,
            line.api,
            Objects(line.api, namespace, manager, lease.check),
            MemoryStore(line.api, namespace, id_, manager, lease.check),
            lease,
            _name(line.endpoint, choice),
            tuple(Problem("the cluster", warning) for warning in line.endpoint.warnings),
        )


def _name(endpoint: Endpoint, choice: ClusterChoice) -> ClusterName:
    binding: Literal["namespace_uid"] | None = "namespace_uid" if choice.namespace_uid else None
    return ClusterName(endpoint.url, endpoint.context, endpoint.source, binding)
