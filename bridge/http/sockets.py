"""Sockets that never wait past a deadline, even if the other side keeps sending single bytes."""

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
        """Read the available data within the deadline."""
        self.settimeout(left(self.deadline))
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        """Send everything within the deadline; the system's limit applies to the whole call."""
        self.settimeout(left(self.deadline))
        super().sendall(data, flags)


class BoundedTlsSocket(ssl.SSLSocket):
    """A TLS socket; `sendall` is a loop around `send`."""

    deadline: float

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        """Read the available data within the deadline."""
        self.settimeout(left(self.deadline))
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        """Send a part, within the deadline."""
        self.settimeout(left(self.deadline))
        return super().send(data, flags)


def left(deadline: float) -> float:
    """Return the seconds until a `time.monotonic()`; raise TimeoutError if it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def dial(host: str, port: int, deadline: float) -> BoundedSocket:
    """Connect to a host's first address that answers; each address gets an equal share of the remaining time."""
    addresses = _resolve(host, port, deadline)
    failure: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = BoundedSocket(family, kind, protocol)
        try:
            sock.deadline = deadline
            sock.settimeout(left(deadline) / (len(addresses) - number))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or socket.gaierror


def _resolve(host: str, port: int, deadline: float) -> list[Any]:
    """Look up a host. The system call has no time limit, so it runs in a thread that may be abandoned."""
    addresses: list[Any] = []
    failed: list[BaseException] = []

    def look_up(flags: int) -> None:
        try:
            # As bytes, the name does not need the codec for international names, which is slow to import.
            addresses.extend(socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=flags))
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            failed.append(error)

    look_up(socket.AI_NUMERICHOST)
    if not addresses:
        failed.clear()
        thread = Thread(target=look_up, args=(0,), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise OSError(errno.EAGAIN, "cannot start a thread to look up its name") from None
        thread.join(left(deadline))
    if not addresses:
        raise failed[0] if failed else TimeoutError
    return addresses
