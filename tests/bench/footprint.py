"""What a process takes from its machine, and what a run leaves behind."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

SETTLING: Final = 10.0  # seconds
"""How long a thread may take to end after the run that started it: bridge never waits for one that hangs."""


class Footprint(NamedTuple):
    """Resident memory in KiB, and how many open files, threads and child processes there are."""

    resident: int
    files: int
    threads: int
    children: int

    def __str__(self) -> str:
        memory = f"{self.resident / 1024:.1f} MiB"
        return f"{memory}, {self.files} files, {self.threads} threads, {self.children} children"


def footprint() -> Footprint:
    """Return what this process takes now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") // 1024
    files = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - one of them is the folder itself
    return Footprint(resident, files, threading.active_count(), len(children()))


def settled(before: Footprint) -> Footprint:
    """Return what this process takes once nothing is more than `before`, or after a while."""
    end = time.monotonic() + SETTLING
    while True:
        now = footprint()
        if all(new <= old for new, old in zip(now[1:], before[1:], strict=True)) or time.monotonic() > end:
            return now
        time.sleep(0.05)


def children() -> Sequence[int]:
    """Return the child processes of this process, those that have ended and were not waited for too."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much the second number grows with the first, by least squares."""
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((one - x) ** 2 for one, _ in points)
    return sum((one - x) * (other - y) for one, other in points) / spread if spread else 0.0
