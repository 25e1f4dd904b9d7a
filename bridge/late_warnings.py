"""Warnings that turn up while a run gives back what it holds: told with its report, or else at its end."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final, NamedTuple

from bridge.errors import Problem


class Collected(NamedTuple):
    """What a run has collected: the warnings that no report has taken yet, and all that nobody has been told yet."""

    fresh: list[Problem]
    untold: dict[Problem, None]


COLLECTED: Final[ContextVar[Collected]] = ContextVar("late_warnings")
"""Those of this run; not set outside a run."""


def add(problems: Iterable[Problem]) -> None:
    """Keep warnings until they are told."""
    collected = COLLECTED.get(None)
    if collected is not None:
        for problem in problems:
            collected.fresh.append(problem)
            collected.untold[problem] = None


def take() -> tuple[Problem, ...]:
    """Return what has been added since the last call, each warning once. Whoever takes it may fail to tell it."""
    collected = COLLECTED.get(None)
    if collected is None:
        return ()
    taken = tuple(dict.fromkeys(collected.fresh))
    collected.fresh.clear()
    return taken


def strike(told: Iterable[Problem]) -> None:
    """Forget warnings that have been told."""
    collected = COLLECTED.get(None)
    if collected is not None:
        for problem in told:
            collected.untold.pop(problem, None)


def untold() -> tuple[Problem, ...]:
    """Return what nobody has been told yet, whether a report has taken it or not."""
    collected = COLLECTED.get(None)
    return tuple(collected.untold) if collected else ()
