"""Runs one command and prints what it took: seconds by the clock, seconds of processor, peak bytes, exit status.

    python -I -S stopwatch.py COMMAND [ARGUMENT...]

A process of its own, because Linux counts into a child's peak what its parent held when it started it:
a small parent is the floor of what can be measured. The peak is that of the largest single process
among the command and those that it waited for.
"""

import os
import sys
import time

BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux

to_nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
started = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=to_nowhere)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - started
processor = usage.ru_utime + usage.ru_stime
sys.stdout.write(f"{wall} {processor} {usage.ru_maxrss * BYTES} {os.waitstatus_to_exitcode(status)}\n")
