"""Finds the cluster and connects to it. A run imports only this much before it connects, and the rest meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge.cluster.choice import Search
from bridge.cluster.connect import connect
from bridge.cluster.endpoint import Endpoint, is_bound_to
from bridge.errors import BridgeError
from bridge.http.ahead import Ahead
from bridge.named_tuple import NamedTuple

if TYPE_CHECKING:
    from bridge.cluster.api import Api

RELEASE: Final = 3.0  # seconds


class Line(NamedTuple):
    """Connections to an API server. `last` is for the Lease, which is released even after the run's deadline."""

    endpoint: Endpoint
    api: "Api"
    last: "Api"


Dial: TypeAlias = Callable[[Search], AbstractContextManager[Line]]


@contextmanager
def dial(search: Search) -> Iterator[Line]:
    """Find the cluster and our credentials; close the connections at the end."""
    endpoint = connect(search)
    is_ahead = search.ahead is not None and is_bound_to(endpoint, search.ahead)
    ahead = Ahead(endpoint.address) if is_ahead else None
    from bridge.cluster.api import Api  # noqa: PLC0415 - start-up: imported while the connection is made

    with closing(Api(endpoint, deadline=search.deadline, ahead=ahead)) as api:
        yield Line(endpoint, api, api.until(search.deadline + RELEASE))


@contextmanager
def connecting(search: Search, line_to: Dial = dial) -> Iterator[Dial]:
    """Find the cluster and, if the search says so, start to connect to it; the run continues meanwhile.

    This yields the function that returns these connections, and raises the error if the cluster was not found. Nothing
    is sent before that, and nothing is connected if the environment is bound to another server.
    """
    with ExitStack() as stack:
        found: Line | BridgeError
        try:
            found = stack.enter_context(line_to(search))
        except BridgeError as error:
            found = error

        @contextmanager
        def dial_again(_search: Search) -> Iterator[Line]:
            if isinstance(found, BridgeError):
                raise found
            yield found

        yield dial_again
