"""Waits for the end of processes that are not the test's own children."""

from tests.servers.process import is_over
from tests.waiting import until


def gone(*pids: int) -> bool:
    """Wait until these processes are no more; one that is dead and that nobody has waited for counts as well."""
    return until(lambda: all(map(is_over, pids)), f"of {pids} some never end")
