"""Requests that do not need each other's answers: one wave of them costs one round trip if the API server is far away.

A wave is sent side by side to a server far away, and one request after the other to a near one: there an exchange takes
one or two milliseconds, and threads with connections of their own would cost more. This is the only place that decides.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, TypeVar

from bridge.cluster.api import WIDTH, Api
from bridge.errors import BridgeError, Problem, Unavailable
from bridge.parallel import each

MANY: Final = 16
"""From this many requests on, threads are worth their connections for a near server too."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Sent(Generic[Result]):
    """A call of a wave, and its outcome once the wave has been sent."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call: Final = call
        self.outcome: Result | BridgeError = _late()

    def send(self) -> Result | BridgeError:
        """Make the call; return its result or its error."""
        try:
            return self._call()
        except BridgeError as error:
            return error

    def get(self) -> Result:
        """Return the call's result, or raise its error."""
        if isinstance(self.outcome, BridgeError):
            raise self.outcome
        return self.outcome


class Wave:
    """Calls that are sent together. None of them is left alone: `send` returns once all have an outcome.

    Which error is told must not depend on which comes first: whoever looks at the outcomes does it in a fixed order.
    """

    def __init__(self, api: Api, deadline: float) -> None:
        self._api: Final = api
        self._deadline: Final = deadline
        self._calls: Final[list[Sent[Any]]] = []

    @property
    def is_wide(self) -> bool:
        """Whether one more call costs no time, because all are sent side by side."""
        return self._api.is_far

    def add(self, call: Callable[[], Result]) -> Sent[Result]:
        """Add a call, and return where its outcome will be."""
        sent = Sent(call)
        self._calls.append(sent)
        return sent

    def send(self) -> None:
        """Make all calls; what has no outcome at the deadline gets an Unavailable. A bug is raised after all others."""
        calls = self._calls
        if len(calls) < 2 or not (len(calls) >= MANY or self.is_wide):
            for call in calls:
                call.outcome = call.send()
            return
        context = copy_context()  # a thread would have its own context variables

        bugs: dict[Sent[Any], BaseException] = {}

        def send(call: Sent[Any]) -> object:
            try:
                return context.copy().run(call.send)
            except BaseException as bug:  # noqa: BLE001 - raised below, in the caller's thread
                bugs[call] = bug
                return call.outcome

        done = each(send, calls, threads=WIDTH, deadline=self._deadline)
        for call in calls:
            call.outcome = done.get(call, call.outcome)
        for call in calls:
            if call in bugs:
                raise bugs[call]


def on_each(
    function: Callable[[Item], Result], items: Sequence[Item], api: Api, deadline: float
) -> Mapping[Item, Result | BridgeError]:
    """Call the function on each item, all in one wave; an error takes the result's place."""
    wave = Wave(api, deadline)
    sent = {item: wave.add(partial(function, item)) for item in items}
    wave.send()
    return {item: one.outcome for item, one in sent.items()}


def _late() -> Unavailable:
    return Unavailable(Problem("the cluster", "no answer in time", "try again, or allow more with --timeout"))
