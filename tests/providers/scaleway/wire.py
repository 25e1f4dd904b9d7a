"""Servers that answer as they are told, byte by byte, and a proxy."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

Step = Callable[[socket.socket, threading.Event], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Listener:
    """Serves each connection in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket, threading.Event], None]) -> None:
        self.connections = 0
        self._serve = serve
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(120)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._one, args=(accepted,), daemon=True))
                self._threads[-1].start()

    def _one(self, accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(OSError):
            accepted.settimeout(60)
            self._serve(accepted, self._stopped)


def read_head(sock: socket.socket) -> bytes:
    """Read a request without a body."""
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        if not piece:
            raise ConnectionError
        found += piece
    return found


def saying(content: bytes) -> Step:
    """Answer the first request with these bytes, and close."""

    def serve(sock: socket.socket, _: threading.Event) -> None:
        read_head(sock)
        sock.sendall(content)

    return serve


def dribbling(start: bytes, piece: bytes) -> Step:
    """Send a start, then a piece every now and then, without an end."""

    def serve(sock: socket.socket, stopped: threading.Event) -> None:
        read_head(sock)
        sock.sendall(start)
        while not stopped.wait(0.02):
            sock.sendall(piece)

    return serve


def hanging(_: socket.socket, stopped: threading.Event) -> None:
    """Say nothing."""
    stopped.wait(120)


class Proxy(Listener):
    """Lets CONNECT through to one port, whatever name is asked for; `heads` are the requests that came."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.heads: list[bytes] = []
        self._to = port
        self._answer = answer
        super().__init__(self._connect)

    def _connect(self, sock: socket.socket, stopped: threading.Event) -> None:
        self.heads.append(read_head(sock))
        sock.sendall(self._answer)
        if b" 200 " not in self._answer:
            return
        with socket.create_connection(("127.0.0.1", self._to), 10) as onward:
            back = threading.Thread(target=_pump, args=(onward, sock), daemon=True)
            back.start()
            _pump(sock, onward)
            back.join(120)


def _pump(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
