"""Connections that are made before a request needs them, while the run still imports what it sends requests with.

So this module does without `http.client`, which takes longer to import than a near server takes to connect.
"""

import math
import time
from contextlib import suppress
from threading import Event, Thread
from typing import Final

from bridge.http.sockets import Address, BoundedSocket, BoundedTlsSocket, open_socket

WIDTH: Final = 8
"""How many requests are sent side by side at most, each on a connection of its own."""
CONNECTING: Final = 10.0
"""How many seconds connecting may take."""
FAR: Final = 0.01
"""If connecting, with TLS, takes this many seconds or more, the server is far away; within one site it takes less.

TCP alone would not tell: a tunnel on this machine accepts a connection at once, however far the server is. A near
server that takes longer, because it is busy, is only asked over more connections than necessary.
"""


class Ahead:
    """Connects to a server at once: one connection, or `WIDTH` of them if the server is far away.

    If that fails, the request that needs the connection makes one of its own, and reports why that fails.
    """

    def __init__(self, address: Address) -> None:
        self._address: Final = address
        self._deadline: Final = time.monotonic() + CONNECTING
        self._closed = self._is_far = False
        self._judged: Final = Event()
        # Appending to a list and popping from it are atomic, so threads need no lock.
        self._coming: Final = [_Coming(address, self._deadline)]
        try:
            Thread(target=self._judge, args=(self._coming[0],), daemon=True).start()
        except RuntimeError:  # "can't start new thread"
            self._judged.set()

    @property
    def is_far(self) -> bool:
        """Whether the server is far away. This waits until it is known, for `FAR` at most."""
        self._judged.wait()
        return self._is_far

    def take(self, deadline: float) -> BoundedSocket | BoundedTlsSocket | None:
        """Return a connection, and wait until it is made; None if there are no more, or not before the deadline."""
        while True:
            try:
                coming = self._coming.pop(0)
            except IndexError:
                return None
            if sock := coming.wait(deadline):
                return sock

    def close(self) -> None:
        """Close the connections that nobody has taken, and those still being made."""
        self._closed = True
        while self._coming:
            self._coming.pop().drop()

    def _judge(self, first: "_Coming") -> None:
        try:
            self._is_far = first.takes(FAR)
            if self._is_far and not self._closed:
                self._coming.extend(_Coming(self._address, self._deadline) for _ in range(WIDTH - 1))
        finally:
            self._judged.set()
        if self._closed:
            self.close()


class _Coming:
    """A connection that a thread is making."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._address: Final = address
        self._deadline: Final = deadline
        self._over: Final = Event()
        self._dropped = False
        self._sock: BoundedSocket | BoundedTlsSocket | None = None
        self._began: Final = time.monotonic()
        self._ended = math.inf
        try:
            Thread(target=self._connect, daemon=True).start()
        except RuntimeError:  # "can't start new thread"
            self._ended = self._began
            self._over.set()

    def wait(self, deadline: float) -> BoundedSocket | BoundedTlsSocket | None:
        """Return the connection once it is made; None if it could not be made, or not until the deadline."""
        self._over.wait(max(0.0, deadline - time.monotonic()))
        if self._over.is_set() and self._sock:
            return self._sock
        self.drop()
        return None

    def takes(self, seconds: float) -> bool:
        """Return whether connecting takes so many seconds or more; wait for as long at most."""
        self._over.wait(seconds)
        return self._ended - self._began >= seconds

    def drop(self) -> None:
        """Close the connection, now or once it is made."""
        self._dropped = True
        if self._over.is_set():
            self._close()

    def _connect(self) -> None:
        try:
            with suppress(Exception):  # the request that needs this connection tries again, and reports why it fails
                self._sock = open_socket(self._address, self._deadline)
        finally:
            self._ended = time.monotonic()
            self._over.set()
        if self._dropped:
            self._close()

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
