"""What a machine may do to bridge's process: full disks, few files and threads, and a clock that jumps."""

import os
import shutil
import subprocess
from functools import cache
from typing import Final

from tests.faults.kinds import DONE, TEMPORARY, UNREPORTED, Fault, Machine, struck

FULL: Final = "/dev/full"
_FULL_DISK: Final = (
    "mount -t tmpfs -o size=4k tmpfs $disk && { head -c 9999 /dev/zero > $disk/other 2> /dev/null || true; }"
)
_READ_ONLY_DISK: Final = (
    "mount -t tmpfs tmpfs $disk && mount -o remount,ro $disk && mount --bind $config $config"
    " && mount -o remount,bind,ro $config"
)
_NO_FILES: Final = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""
_FEW_FILES: Final = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (%(place)d, %(place)d))
"""
_FEW_THREADS: Final = """
import _thread

begun = 0

def failing(start):
    def begin(*arguments, **named):
        global begun
        begun += 1
        if begun == %(place)d or (%(lasting)d and begun > %(place)d):
            with open(%(met)r, "a") as met:
                met.write("x")
            raise RuntimeError("can't start new thread")
        return start(*arguments, **named)
    return begin

for name in ("start_new_thread", "start_joinable_thread"):
    if hasattr(_thread, name):
        setattr(_thread, name, failing(getattr(_thread, name)))
from bridge.http import ahead
ahead.FAR = 0.0
"""
"""As if the API server were far away, so that all that can be sent together needs a thread."""
_CLOCK: Final = """
import datetime, os, time

def shift():
    return os.stat(%(met)r).st_size * {step}

class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=shift())

usual = time.time
time.time = lambda: usual() + shift()
datetime.datetime = Clock
"""
NEAR: Final = "from bridge.http import ahead; ahead.FAR = 1e9"
"""As if the API server were near, so that calls come in one order."""
FEWEST: Final = 4
"""The fewest open files with which Python starts."""
ENOUGH: Final = 16
"""So many open files are enough for a run."""
THREADS: Final = 28
"""How many threads a run starts at most, if the API server is far away."""

MACHINES: Final = (
    Fault("has no space for the report (stdout)", UNREPORTED, machine=Machine(NEAR, (1,), stdout=FULL)),
    Fault("has no space for messages (stderr)", DONE, machine=Machine(NEAR, (1,), stderr=FULL)),
    Fault("has a full disk for everything else", DONE, machine=Machine(NEAR, (1,), mount=_FULL_DISK)),
    Fault("has only read-only disks", DONE, machine=Machine(NEAR, (1,), mount=_READ_ONLY_DISK)),
    Fault("lets it write no file (`ulimit -f 0`)", DONE, machine=Machine(_NO_FILES + NEAR, (1,))),
    Fault(
        f"lets it open few files (`ulimit -n {FEWEST}` and more)",
        TEMPORARY,
        machine=Machine(_FEW_FILES + NEAR, tuple(range(FEWEST, ENOUGH + 1))),
    ),
    Fault(
        "cannot start a thread",
        TEMPORARY,
        machine=Machine(_FEW_THREADS, tuple(range(1, THREADS + 1)), can_last=True),
    ),
    Fault(
        "sets its clock forward by an hour",
        DONE,
        struck,
        machine=Machine(_CLOCK.format(step=3600) + NEAR, can_last=True),
    ),
    Fault(
        "sets its clock back by an hour",
        DONE,
        struck,
        machine=Machine(_CLOCK.format(step=-3600) + NEAR, can_last=True),
    ),
)
"""Every fault of a machine, in the order of its table."""


@cache
def can_mount() -> bool:
    """Return whether we may mount a disk that only one process sees, which needs root."""
    unshare = shutil.which("unshare")
    if not unshare or os.geteuid() != 0:
        return False
    done = subprocess.run(
        [unshare, "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True
    )
    return done.returncode == 0


def possible() -> tuple[Fault, ...]:
    """Return the faults that can be had on this machine."""
    return tuple(one for one in MACHINES if can_mount() or not (one.machine and one.machine.mount))
