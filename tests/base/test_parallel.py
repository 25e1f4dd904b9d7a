"""Many items on a few threads, within a deadline."""

import threading
import time

import pytest

from bridge.parallel import Batch, each
from tests.waiting import LIMIT, with_enough_time


def soon() -> float:
    return time.monotonic() + 30


def test_every_item_has_its_result() -> None:
    assert each(lambda item: item * 2, range(100), threads=8, deadline=soon()) == {
        item: item * 2 for item in range(100)
    }


def test_no_more_threads_than_asked_for_run_at_once() -> None:
    running, most, lock, full = 0, 0, threading.Lock(), threading.Barrier(3)

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(LIMIT)
        with lock:
            running -= 1

    each(work, range(9), threads=3, deadline=soon())
    assert most == 3


def test_unfinished_items_are_abandoned_at_deadline() -> None:
    stuck = threading.Event()
    done: dict[int, object] = {}

    def attempt(limit: float) -> None:
        done.clear()
        done.update(each(lambda item: item or stuck.wait(), [0, 1, 2], threads=3, deadline=time.monotonic() + limit))

    with_enough_time(attempt, lambda: done == {1: 1, 2: 2}, first=0.5)
    stuck.set()


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
def test_bug_in_function_is_raised_by_finish(kind: type[BaseException]) -> None:
    def work(item: int) -> int:
        if item == 0:
            raise kind
        return item

    with pytest.raises(kind):
        each(work, [1, 0], threads=1, deadline=soon())


def test_stopped_batch_starts_no_further_item() -> None:
    batch: Batch[int, int] = Batch(lambda item: item, range(5))
    batch.stopped.set()
    batch.start(2)
    assert batch.finish(soon()) == {}


def test_nothing_to_do() -> None:
    assert each(lambda item: item, [], threads=4, deadline=soon()) == {}
