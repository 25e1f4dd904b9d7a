"""Warnings that turn up while a run gives back what it holds: told with its report, or at its end if there is none."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from bridge.errors import Problem

COLLECTED: Final[ContextVar[list[Problem]]] = ContextVar("late_warnings")
"""Those of this run; not set outside a run."""


def add(problems: Iterable[Problem]) -> None:
    """Keep warnings until they are taken."""
    collected = COLLECTED.get(None)
    if collected is not None:
        collected += problems


def take() -> tuple[Problem, ...]:
    """Return what has been added since the last call, each warning once."""
    collected = COLLECTED.get(None) or []
    taken = tuple(dict.fromkeys(collected))
    collected.clear()
    return taken
