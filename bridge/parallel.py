"""Run a function over many items on a few daemon threads, which never keep the process alive; and compute once."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Final, Generic, TypeVar

from bridge.progress import ProgressStep

GRACE: Final = 2.0  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batch(Generic[Item, Result]):
    """Items for threads to process; `results` grows until all are done or `stopped` is set."""

    def __init__(self, function: Callable[[Item], Result], items: Iterable[Item]) -> None:
        self.items = list(items)
        self.results: dict[Item, Result] = {}
        self.stopped = threading.Event()
        self._function = function
        self._waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
        # How each thread ended. Nothing is sent for an item: waking the waiting thread for each takes as long as a part
        # of the work does.
        self._ends: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._running = 0
        self._alone = False
        for item in self.items:
            self._waiting.put(item)

    def start(self, threads: int) -> None:
        """Start the threads; each ends when no items are left.

        If the system cannot start all of them, fewer threads do the work; without any thread, `finish` does it itself.
        """
        for _ in range(min(threads, len(self.items))):
            try:
                threading.Thread(target=self._work, daemon=True).start()
            except (RuntimeError, MemoryError):  # "can't start new thread"
                self._alone = not self._running
                break
            self._running += 1

    def _work(self, deadline: float = math.inf) -> None:
        while not self.stopped.is_set() and time.monotonic() < deadline:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            try:
                self.results[item] = self._function(item)
            except BaseException as error:  # noqa: BLE001 - a bug: `finish` raises it in the caller's thread
                self._ends.put(error)
                return
        self._ends.put(None)

    def stop(self) -> None:
        """Start no further items, and wait briefly for the items in progress."""
        self.stopped.set()
        self.finish(time.monotonic() + GRACE)

    def finish(self, deadline: float, step: ProgressStep | None = None) -> dict[Item, Result]:
        """Wait for the threads until `deadline` (a `time.monotonic()`); return the results so far.

        `step` counts the results as they come.
        """
        step = step or ProgressStep("")
        if self._alone:
            self._alone, self._running = False, 1
            copy_context().run(self._work, deadline)  # a thread would have its own context variables
        counted = 0
        while self._running:
            try:
                bug = self._ends.get(timeout=min(step.pause, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    break
            else:
                if bug is not None:
                    raise bug
                self._running -= 1
            done = len(self.results)
            step.add(done - counted)
            counted = done
        return dict(self.results)  # a copy, because a late thread may still add to it


def each(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    deadline: float,
    step: ProgressStep | None = None,
) -> dict[Item, Result]:
    """Return the result for every item that was finished by the deadline, in no particular order."""
    batch = Batch(function, items)
    batch.start(threads)
    try:
        return batch.finish(deadline, step)
    except BaseException:
        batch.stop()
        raise


class Once(Generic[Item, Result]):
    """A cache whose values are made once, by the first thread that needs them, while other threads wait."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._locks: Final[dict[Item, threading.Lock]] = {}
        self._made: Final[dict[Item, Result]] = {}

    def get(self, item: Item, make: Callable[[], Result]) -> Result:
        """Return the value for an item, making it if needed. If `make` raises, the error is raised and not cached."""
        with self._lock:
            lock = self._locks.setdefault(item, threading.Lock())
        with lock:
            try:
                return self._made[item]
            except KeyError:
                pass
            result = make()  # outside the handler, so that its error is not chained
            self._made[item] = result
            return result

    def forget(self, item: Item) -> None:
        """Remove the value for an item."""
        with self._lock:
            self._locks.pop(item, None)
            self._made.pop(item, None)

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._locks.clear()
            self._made.clear()

    def made(self) -> list[Result]:
        """Return all values."""
        return list(self._made.values())
