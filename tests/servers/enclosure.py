"""A machine within the machine: a network, mounts and processes that nothing outside sees, and that end together.

network_namespaces(7), mount_namespaces(7), pid_namespaces(7), by unshare(1) and nsenter(1). The kernel kills every
process inside when the first one ends, and with the last process go the mounts and the network's devices. So nothing is
left on the machine, also if the tests are killed.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from tests.servers.process import Server
from tests.servers.relay import Passage
from tests.waiting import until

Result = TypeVar("Result")

CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
PROGRAMS: Final = ("bash", "ip", "mount", "nsenter", "unshare")
_OWN: Final = ("net", "mount", "pid", "ipc", "uts")

# What a kubelet sets are settings of the whole kernel: it finds files there in their place.
_KERNEL: Final = (
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)  # fmt: skip

# Process 1: as a shell it asks for the status of every process that has lost its parent.
_FIRST: Final = """
folder=$1 kernel=$2 addresses=$3
for place in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs "$place"; done  # in memory, and soon gone
for name in $kernel; do
  file=$folder/kernel-${name//\\//-}
  cat "/proc/sys/$name" > "$file"
  mount --bind "$file" "/proc/sys/$name"
done
ip link set lo up
for address in $addresses; do ip address add "$address/32" dev lo; done
touch "$folder/ready"
while :; do sleep infinity & wait; done
"""


class Enclosure:
    """`addresses` belong to it as loopback does; /var/lib, /var/log and /run inside are its own."""

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        self.folder: Final = folder
        self._addresses = addresses
        self._first: Server | None = None

    def __enter__(self) -> Self:
        own = [f"--{kind}" for kind in _OWN]
        words = [str(self.folder), " ".join(_KERNEL), " ".join(self._addresses)]
        command = ["unshare", *own, "--fork", "--kill-child", "--mount-proc", "bash", "-euc", _FIRST, "first", *words]
        first = self._first = Server(command, self.folder / "first.log")
        until(lambda: (self.folder / "ready").exists() or first.exited() is not None)
        if first.exited() is not None:
            raise RuntimeError(f"no machine within the machine: {first.tail()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process inside; harmless if that is done."""
        if self._first is None:
            return
        entry = f"/proc/{self._pid}"
        os.kill(self._pid, signal.SIGKILL)  # unshare itself passes no signal on
        self._first.stop()
        self._first = None
        until(lambda: not Path(entry).exists(), "processes of the enclosure are left")

    @property
    def _pid(self) -> int:
        """The number that process 1 has outside; it is unshare's only child."""
        assert self._first is not None
        number = self._first.pid
        return int(Path(f"/proc/{number}/task/{number}/children").read_text().split()[0])

    def command(self, *words: str | Path) -> list[str]:
        """Return the command line that runs a command inside."""
        own = [f"--{kind}" for kind in _OWN]
        return ["nsenter", f"--target={self._pid}", *own, "--", *map(str, words)]

    def network(self, action: Callable[[], Result]) -> Result:
        """Do something in its network: a socket stays where it was made, whoever uses it later."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter() -> Result:
            with Path(f"/proc/{self._pid}/ns/net").open("rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return action()

        with ThreadPoolExecutor(1) as thread:  # which ends, and never comes back to our own network
            return thread.submit(enter).result()


class WayIn(Passage):
    """What connects to a port of our loopback comes to a server inside."""

    def __init__(self, enclosure: Enclosure, port: int, server: str) -> None:
        super().__init__(server)
        self._enclosure = enclosure
        self._port = port

    def listening(self) -> socket.socket:
        """Make the socket where clients connect."""
        return socket.create_server(("127.0.0.1", self._port))

    def connected(self) -> socket.socket:
        """Make a connection to the server."""
        return self._enclosure.network(super().connected)


class WayOut(Passage):
    """What connects to an address inside comes to a server on our loopback."""

    def __init__(self, enclosure: Enclosure, address: str, server: str) -> None:
        super().__init__(server)
        self._enclosure = enclosure
        self._address = address

    @property
    def url(self) -> str:
        """The server's address inside."""
        return f"http://{self._address}:{self.port}"

    def listening(self) -> socket.socket:
        """Make the socket where clients connect."""
        return self._enclosure.network(lambda: socket.create_server((self._address, 0)))


def impossible() -> str:
    """Say why this machine has no room for another; empty if it has."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        return f"needs {', '.join(missing)}"
    probe = ["unshare", *(f"--{kind}" for kind in _OWN), "--fork", "--mount-proc", "ip", "link", "add", "type", "veth"]
    done = subprocess.run(probe, capture_output=True, check=False)
    return "" if done.returncode == 0 else "may not make namespaces and network devices here"
