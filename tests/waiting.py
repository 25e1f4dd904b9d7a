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
_LIMITS: Final = (1.0, 8.0, 64.0)


def until(
    condition: Callable[[], Result], what: str = "it never came to that", process: Popen[Any] | None = None
) -> Result:
    """Wait until a condition holds, and return what it gives; AssertionError if it never does, or a process ends."""
    end = time.monotonic() + LIMIT
    while not (result := condition()):
        assert time.monotonic() < end, what
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(_PAUSE)
    return result


def with_enough_time(attempt: Callable[[float], Result], reached: Callable[[], object]) -> Result:
    """Attempt what hangs with a short limit; on a slow machine with longer ones, until it has reached its hang."""
    for limit in _LIMITS:
        result = attempt(limit)
        if reached():
            return result
    raise AssertionError(f"it never came to its hang within {_LIMITS[-1]:.0f} s")
