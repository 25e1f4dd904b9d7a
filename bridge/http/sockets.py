"""Sockets whose every wait ends at a deadline, also when the other side sends a byte now and then."""

import errno
import socket
import ssl
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class BoundedSocket(socket.socket):
    """A plain socket; `deadline` is a `time.monotonic()` in seconds."""

    deadline: float

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """Read what is there, within the deadline."""
        self.settimeout(left(self.deadline))
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        """Send everything within the deadline: the system's limit is for all of it."""
        self.settimeout(left(self.deadline))
        super().sendall(data, flags)


class BoundedTlsSocket(ssl.SSLSocket):
    """A TLS socket; its `sendall` is a loop around `send`."""

    deadline: float

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        """Read what is there, within the deadline."""
        self.settimeout(left(self.deadline))
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        """Send a part, within the deadline."""
        self.settimeout(left(self.deadline))
        return super().send(data, flags)


def left(deadline: float) -> float:
    """Return the seconds until a `time.monotonic()`; TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def dial(host: str, port: int, deadline: float) -> BoundedSocket:
    """Connect to the first address of a host that answers; each gets its share of the time that is left."""
    addresses = _resolve(host, port, deadline)
    failure: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        found = BoundedSocket(family, kind, protocol)
        try:
            found.deadline = deadline
            found.settimeout(left(deadline) / (len(addresses) - number))
            found.connect(address)
        except OSError as error:
            found.close()
            failure = error
        else:
            return found
    raise failure or socket.gaierror


def _resolve(host: str, port: int, deadline: float) -> list[Any]:
    """Look a host up. The system's call has no time limit, so it gets a thread that may be left behind."""
    found: list[Any] = []
    failed: list[BaseException] = []

    def look_up(flags: int) -> None:
        try:
            # As bytes, the name needs no codec for international names, which is slow to import.
            found.extend(socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=flags))
        except BaseException as error:  # noqa: BLE001 - a thread's error is raised where it is waited for
            failed.append(error)

    look_up(socket.AI_NUMERICHOST)
    if not found:
        failed.clear()
        thread = Thread(target=look_up, args=(0,), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise OSError(errno.EAGAIN, "no thread can be started to look its name up") from None
        thread.join(left(deadline))
    if not found:
        raise failed[0] if failed else TimeoutError
    return found
