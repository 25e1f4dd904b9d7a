"""A write that depends on a turn: asked for before each try, while waiting, and no longer than it lasts."""

import math
from collections.abc import Callable, Iterator

import pytest

from bridge.cluster import api as module
from bridge.cluster.api import Unreachable
from bridge.errors import Problem, Unavailable
from tests.clock import Clock
from tests.cluster.wire import CANARY, FINE, PATH, TARGET, TOKEN, Step, Wire, api, assert_clean, hang, status

LOST = Unavailable(Problem("the Lease", "this run lost it"))


def busy(seconds: int) -> Step:
    return status(429, "TooManyRequests", retry=str(seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


@pytest.fixture
def asked(clock: Clock) -> list[float]:
    """When the turn was asked for."""
    return []


@pytest.fixture
def turn(clock: Clock, asked: list[float]) -> Iterator[Callable[[], float]]:
    """Make a turn that a holder renews, and never loses."""
    began = clock.now

    def ask() -> float:
        asked.append(clock.now - began)
        return clock.now + 20

    return ask


def write(wire: Wire, turn: Callable[[], float] | None, *, until: float = math.inf) -> None:
    client = api(wire.url, seconds=600)
    try:
        client.request("patch", PATH, target=TARGET, body=b"{}", turn=turn, until=until)
    finally:
        client.close()


def test_turn_is_asked_for_before_each_try(turn: Callable[[], float], asked: list[float]) -> None:
    with Wire(busy(0), busy(0), FINE) as wire:
        write(wire, turn)
    assert asked == [0, 0, 0]


def test_wait_longer_than_lease_asks_again_and_again(turn: Callable[[], float], asked: list[float]) -> None:
    with Wire(busy(30), FINE) as wire:
        write(wire, turn)
    assert asked == [0, *range(1, 31), 30]


@pytest.mark.parametrize(("losing", "sent"), [(1, 0), (2, 1), (20, 1), (32, 1)])
def test_once_turn_is_lost_nothing_more_is_sent(clock: Clock, losing: int, sent: int) -> None:
    left = iter(range(losing - 1))

    def lose() -> float:
        if next(left, None) is None:
            raise LOST
        return clock.now + 20

    with Wire(busy(30), FINE) as wire, pytest.raises(Unavailable, match="this run lost it") as caught:
        write(wire, lose)
    assert len(wire.requests) == sent
    assert_clean(caught.value, CANARY, TOKEN)


def test_try_ends_with_turn() -> None:
    with Wire(hang) as wire, pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
        write(wire, lambda: module.time.monotonic() + 0.2)
    assert len(wire.requests) == 1


def test_turn_that_is_over_sends_nothing(clock: Clock) -> None:
    with Wire(FINE) as wire, pytest.raises(Unreachable):
        write(wire, lambda: clock.now)
    assert not wire.requests


def test_call_with_end_does_not_wait_beyond_it(clock: Clock) -> None:
    began = clock.now
    with Wire(busy(30), FINE) as wire, pytest.raises(Unreachable, match="429"):
        write(wire, None, until=began + 10)
    assert (len(wire.requests), clock.now) == (1, began)
    with Wire(busy(5), FINE) as wire:
        write(wire, None, until=began + 10)
    assert (len(wire.requests), clock.now) == (2, began + 5)
