"""Warnings that come up while a run closes its sessions: printed with its report, or else at its end."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple


class Collected(NamedTuple):
    """A run's warnings: the ones that no report has taken yet, and the ones that have not been printed yet."""

    fresh: list[Problem]
    unprinted: dict[Problem, None]


COLLECTED: Final[ContextVar[Collected]] = ContextVar("late_warnings")
"""The warnings of this run; not set outside a run."""


def add(problems: Iterable[Problem]) -> None:
    """Keep warnings until they are printed."""
    collected = COLLECTED.get(None)
    if collected is not None:
        for problem in problems:
            collected.fresh.append(problem)
            collected.unprinted[problem] = None


def take() -> tuple[Problem, ...]:
    """Return the warnings added since the last call, each once. They count as printed only after `mark_printed`."""
    collected = COLLECTED.get(None)
    if collected is None:
        return ()
    taken = tuple(dict.fromkeys(collected.fresh))
    collected.fresh.clear()
    return taken


def mark_printed(printed: Iterable[Problem]) -> None:
    """Forget warnings that have been printed."""
    collected = COLLECTED.get(None)
    if collected is not None:
        for problem in printed:
            collected.unprinted.pop(problem, None)


def unprinted() -> tuple[Problem, ...]:
    """Return the warnings that have not been printed yet, whether or not a report has taken them."""
    collected = COLLECTED.get(None)
    return tuple(collected.unprinted) if collected else ()
