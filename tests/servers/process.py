"""Server processes that never outlive the tests."""

import atexit
import ctypes
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
PATIENCE: Final = 5.0  # seconds between the polite signal and the other one


class Server:
    """A child process that writes its output to a file.

    It ends with `stop`, at the interpreter's exit, and (on Linux) with a SIGKILL from the kernel when
    the test process itself is killed.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the tests alone, and they stop servers in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - servers start in the main thread
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def exited(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """End the process and wait for it; harmless when it has ended."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def tail(self, lines: int = 30) -> str:
        """Return the end of the output, for a failure's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def is_over(pid: int) -> bool:
    """Return whether a process has ended, also if its parent has not asked for its status yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter if it ends between open and read
        return True
    return state.rpartition(")")[2].split()[0] in {"Z", "X"}


def free_port() -> int:
    """Return a port of 127.0.0.1 where nothing listens, and that nobody but a server of ours gets before the tests end.

    It stays bound. Linux gives it to no other socket by itself, neither to one that asks for any port nor to a
    connection, and refuses it to whoever asks for it by number without SO_REUSEADDR, which servers set.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        probe.detach()  # the descriptor stays open, which children do not inherit
    else:
        probe.close()  # elsewhere a server could not bind it then
    return port
