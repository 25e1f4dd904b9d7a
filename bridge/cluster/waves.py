"""Sends requests that do not need each other's answers together: one wave costs one round trip to a far API server.

To a far server the requests of a wave are sent in parallel. To a near server they are sent one after the other: an
exchange takes one or two milliseconds there, and threads with their own connections would cost more. Only this module
decides between the two.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, TypeVar

from bridge.cluster.api import Api
from bridge.errors import BridgeError, Problem, Unavailable
from bridge.http.ahead import WIDTH
from bridge.parallel import each
from bridge.progress import ProgressStep

FAR_WIDTH: Final = 32
"""How many requests are sent side by side to a server that is far away, where a request mostly travels. The connections
beyond `WIDTH` are made by the first wave that needs them: few runs write so many objects."""
MANY: Final = 16
"""From this many requests on, threads pay for themselves with a near server too."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Sent(Generic[Result]):
    """A call in a wave; `outcome` is its result or error once the wave has been sent."""

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
    """Calls that are sent together; `send` returns when every call has an outcome.

    The reported error must not depend on timing, so callers look at the outcomes in a fixed order.
    """

    def __init__(self, api: Api, deadline: float) -> None:
        self._api: Final = api
        self._deadline: Final = deadline
        self._calls: Final[list[Sent[Any]]] = []

    @property
    def is_wide(self) -> bool:
        """True if calls are sent in parallel, so that one more call costs no time."""
        return self._api.is_far

    def is_wide_with(self, more: int) -> bool:
        """Return whether this wave would be sent in parallel with `more` calls added to it."""
        return len(self._calls) + more >= MANY or self.is_wide

    def add(self, call: Callable[[], Result]) -> Sent[Result]:
        """Add a call, and return the object that will hold its outcome."""
        sent = Sent(call)
        self._calls.append(sent)
        return sent

    def send(self, text: str = "") -> None:
        """Make all calls. A call without an outcome at the deadline gets Unavailable; bugs are raised at the end.

        `text` shows the progress, as in `ProgressStep`.
        """
        with ProgressStep(text or "waiting for the cluster", len(self._calls)) as step:
            self._send(step)

    def _send(self, step: ProgressStep) -> None:
        calls = self._calls
        if len(calls) < 2 or not self.is_wide_with(0):
            for call in calls:
                step.show()
                call.outcome = call.send()
                step.add()
            return
        context = copy_context()  # a new thread has empty context variables

        bugs: dict[Sent[Any], BaseException] = {}

        def send(call: Sent[Any]) -> object:
            try:
                return context.copy().run(call.send)
            except BaseException as bug:  # noqa: BLE001 - raised below, in the caller's thread
                bugs[call] = bug
                return call.outcome

        width = FAR_WIDTH if self.is_wide else WIDTH
        done = each(send, calls, threads=width, deadline=self._deadline, step=step)
        for call in calls:
            call.outcome = done.get(call, call.outcome)
        for call in calls:
            if call in bugs:
                raise bugs[call]


def on_each(
    function: Callable[[Item], Result], items: Sequence[Item], api: Api, deadline: float, text: str = ""
) -> Mapping[Item, Result | BridgeError]:
    """Call the function on each item, all in one wave; an error takes the result's place.

    `text` shows the progress, as in `ProgressStep`.
    """
    wave = Wave(api, deadline)
    sent = {item: wave.add(partial(function, item)) for item in items}
    wave.send(text)
    return {item: one.outcome for item, one in sent.items()}


def _late() -> Unavailable:
    return Unavailable(Problem("the cluster", "did not answer in time", "try again, or raise --timeout"))
