"""Every order in which actors can send their requests, or some of them at random."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

Order = tuple[str, ...]


class Play(Protocol):
    """One run of a meeting. The caller decides at each step which actor goes on."""

    @property
    def waiting(self) -> Sequence[str]:
        """The actors that can go on."""
        ...

    def step(self, name: str) -> None:
        """Let an actor go on until its next request."""
        ...

    def state(self) -> str:
        """Return all that can decide how it goes on: what the actors have seen, and what everything now is."""
        ...

    def end(self, order: Order) -> None:
        """Judge the run, which is over."""
        ...

    def clear(self) -> None:
        """End a run in its middle."""
        ...


class Explored(NamedTuple):
    """How much was tried: runs, different states, and the orders of requests that these make."""

    runs: int
    states: int
    orders: int


def explore(begin: Callable[[], Play]) -> Explored:
    """Try every order.

    Two orders that lead to the same state go on in the same way, so one of them is enough. A state is what the actors
    have seen of the world and what the world is, so two requests that do not affect each other count once, whichever
    comes first.
    """
    ways: dict[str, dict[str, str]] = {}  # from each state: who goes on, and which state follows
    todo: list[tuple[Order, str]] = [((), "")]
    runs, first = 0, ""
    while todo:
        order, before = todo.pop()
        play = begin()
        runs += 1
        for name in order[:-1]:
            play.step(name)
        if order:
            assert play.state() == before, "the same order did not lead to the same state"
            play.step(order[-1])
            ways[before][order[-1]] = play.state()
        first = first or play.state()
        for extended, state, others in _go_on(play, order, ways):
            todo += [((*extended, other), state) for other in others]
    return Explored(runs, len(ways), _count(first, ways))


def _go_on(play: Play, order: Order, ways: dict[str, dict[str, str]]) -> Iterator[tuple[Order, str, Sequence[str]]]:
    """Go on while the states are new; yield each with the order that led to it, and who could go on as well."""
    state = play.state()
    while state not in ways:
        ways[state] = {}
        waiting = play.waiting
        if not waiting:
            play.end(order)
            return
        yield order, state, waiting[1:]
        play.step(waiting[0])
        order = (*order, waiting[0])
        ways[state][waiting[0]] = play.state()
        state = ways[state][waiting[0]]
    play.clear()


def _count(first: str, ways: dict[str, dict[str, str]]) -> int:
    """Return how many orders the states make."""
    counts: dict[str, int] = {}
    stack = [first]
    while stack:
        state = stack[-1]
        missing = [after for after in ways[state].values() if after not in counts]
        if missing:
            stack += missing
            continue
        stack.pop()
        counts[state] = sum(counts[after] for after in ways[state].values()) if ways[state] else 1
    return counts[first]


MANY: Final = 10_000


def sample(begin: Callable[[], Play], seed: str, count: int) -> set[Order]:
    """Try so many orders at random, the same ones for the same seed; return the different ones."""
    chance, orders = random.Random(seed), set()
    for _ in range(count):
        play, order, name = begin(), [], ""
        while waiting := play.waiting:
            assert len(order) < MANY, "they never end"
            # Mostly the same actor as before: runs that alternate at each request rarely get far ahead of each other.
            if name not in waiting or chance.random() < chance.choice((0.1, 0.5)):
                name = chance.choice(waiting)
            play.step(name)
            order.append(name)
        play.end(tuple(order))
        orders.add(tuple(order))
    return orders
