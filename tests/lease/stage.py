"""Actors that take turns: each goes on until its next request, and whoever directs them decides whose request is sent.

Only one of them runs at any time, and nothing waits for real: the clock moves when an actor sleeps. So a schedule (who
sends the next request, again and again) decides everything, and the same schedule gives the same run.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final

ACTOR: Final[ContextVar[str]] = ContextVar("actor", default="")
"""Whose thread this is; empty for the director's own, which nobody stops."""
LIMIT: Final = 120.0  # seconds until an actor that neither sends a request nor ends is a failure


class Killed(BaseException):
    """Ends an actor where it is: from then on, it sends nothing."""


class Actor:
    """One actor on a thread of its own."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name: Final = name
        self.next = ""  # the request that it is about to send
        self.is_over = self.is_killed = False
        self.error: BaseException | None = None
        self.seen = ""  # a digest of all that it got for an answer
        self._work: Final = work
        self._arrived: Final = threading.Semaphore(0)
        self._go: Final = threading.Semaphore(0)
        self._thread: Final = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Go on until the first request."""
        self._thread.start()
        self._wait()

    def step(self) -> None:
        """Send the next request, and go on until the one after it."""
        assert not self.is_over
        self._go.release()
        self._wait()

    def kill(self) -> None:
        """End the actor where it is."""
        if not self.is_over:
            self.is_killed = True
            self.step()
        assert self.is_over

    def stop(self, request: str) -> None:
        """Wait until it is this actor's turn; called by its own threads before each request."""
        if not self.is_killed:
            self.next = request
            self._arrived.release()
            self._go.acquire()
        if self.is_killed:
            raise Killed

    def _run(self) -> None:
        ACTOR.set(self.name)
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the director raises it
            self.error = None if isinstance(error, Killed) else error
        finally:
            self.is_over, self.next = True, ""
            self._arrived.release()

    def _wait(self) -> None:
        assert self._arrived.acquire(timeout=LIMIT), f"{self.name} neither sends a request nor ends"
        if self.error:
            raise self.error


class Stage:
    """The actors of one meeting, in the order in which they came."""

    def __init__(self) -> None:
        self.actors: Final[dict[str, Actor]] = {}

    def enter(self, name: str, work: Callable[[], None]) -> None:
        """Let one more actor begin; it stops at its first request."""
        self.actors[name] = Actor(name, work)
        self.actors[name].start()

    def stop(self, request: str) -> None:
        """Stop the calling thread's actor before a request, until it is its turn."""
        if name := ACTOR.get():
            self.actors[name].stop(request)

    def note(self, answer: str) -> None:
        """Note what the calling thread's actor got for an answer."""
        if name := ACTOR.get():
            actor = self.actors[name]
            actor.seen = hashlib.sha256(f"{actor.seen} {answer}".encode()).hexdigest()

    @property
    def waiting(self) -> Sequence[str]:
        """The actors that have a request to send."""
        return [name for name, actor in self.actors.items() if not actor.is_over]

    def clear(self) -> None:
        """End all actors where they are."""
        for actor in self.actors.values():
            actor.kill()
