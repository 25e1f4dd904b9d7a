"""Waits for the end of processes that are not the test's own children."""

import time
from pathlib import Path


def gone(*pids: int) -> bool:
    """Wait until these processes are no more; one that is dead and that nobody has waited for counts as well."""
    for _ in range(500):
        if all(_is_over(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
