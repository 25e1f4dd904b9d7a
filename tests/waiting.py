"""Waits that only a hang outlasts, however busy the machine is.

A test says what it waits for, not how long that takes. What never comes is a failure after LIMIT, before pytest's own
limit of 300 seconds ends the test without a word about it.
"""

import time
from collections.abc import Callable
from subprocess import Popen
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

LIMIT: Final = 240.0  # seconds
_PAUSE: Final = 0.01
_MORE: Final = (1, 8, 64)


def until(
    condition: Callable[[], Result],
    what: str = "it never came to that",
    process: Popen[Any] | None = None,
    limit: float = LIMIT,
) -> Result:
    """Wait until a condition holds, and return what it gives; AssertionError if it never does, or a process ends."""
    end = time.monotonic() + limit
    while not (result := condition()):
        assert time.monotonic() < end, what
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(_PAUSE)
    return result


def with_enough_time(attempt: Callable[[float], Result], reached: Callable[[], object], first: float = 1.0) -> Result:
    """Attempt what hangs with a short limit; on a slow machine with longer ones, until it has reached its hang."""
    for more in _MORE:
        result = attempt(first * more)
        if reached():
            return result
    raise AssertionError(f"it never came to its hang within {first * _MORE[-1]:.0f} s")
