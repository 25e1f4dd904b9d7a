"""A plugin of pytest: tells coverage which test runs, and keeps its processor time, for `tests/mutants/run.py`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import coverage
import pytest

_SECONDS: Final[dict[str, float]] = {}
_NOT_PASSED: Final[set[str]] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test with its fixtures."""
    measured = coverage.Coverage.current()
    assert measured is not None
    measured.switch_context(item.nodeid)
    start = _spent()
    try:
        return (yield)
    finally:
        _SECONDS[item.nodeid] = _spent() - start
        measured.switch_context("")


def _spent() -> float:
    """Return the processor time of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Leave out a test that does not pass without any mutant."""
    if not report.passed:
        _NOT_PASSED.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write the seconds of processor time of each test that passed."""
    passed = {test: seconds for test, seconds in _SECONDS.items() if test not in _NOT_PASSED}
    Path(os.environ["BRIDGE_MUTANTS_SECONDS"]).write_text(json.dumps(passed))
