"""A server that answers as it is told, byte by byte, and what the tests of the transport share."""

import json
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import bridge
from bridge.cluster.api import Api
from bridge.cluster.connect import Endpoint

CANARY: Final = "CANARY-from-the-server"
TOKEN: Final = "CANARY-token"
PATH: Final = "/api/v1/namespaces/voice/secrets/agent-secrets"
TARGET: Final = "Secret/agent-secrets in namespace voice"
Step = Callable[[socket.socket, threading.Event], bool]
"""Answers one request; says whether the connection stays open. The event is set when the server stops."""


class Received(NamedTuple):
    """A request as it came, and the number of its connection."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Wire:
    """Answers the requests that come with one step each; the last step serves all further ones."""

    def __init__(self, *steps: Step, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.sessions: list[ssl.SSLObject | ssl.SSLSocket] = []
        self._steps = steps
        self._tls = tls
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(120)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, plain, self.connections)

    def _serve(self, plain: socket.socket, number: int) -> None:
        with plain:
            plain.settimeout(60)
            try:
                secure = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
                with secure:
                    self._talk(secure, number)
            except OSError:
                return  # the client went away, which many a test wants

    def _talk(self, sock: socket.socket, number: int) -> None:
        with sock.makefile("rb") as stream:
            while not self._stopped.is_set():
                line = stream.readline().decode("latin-1").strip()
                if not line:
                    return
                headers = _read_headers(stream)
                length = int(dict(headers).get("Content-Length", "0"))
                self.requests.append(Received(line, headers, stream.read(length), number))
                step = self._steps[min(len(self.requests), len(self._steps)) - 1]
                if not step(sock, self._stopped):
                    return


def _read_headers(stream: Any) -> list[tuple[str, str]]:
    found = []
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(": ")
        found.append((name, value))
    return found


def reply(status: int, content: object, headers: Mapping[str, str] | None = None, *, keep: bool = True) -> Step:
    """Answer with JSON, or with bytes as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]

    def answer(sock: socket.socket, _: threading.Event) -> bool:
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return keep

    return answer


def raw(content: bytes) -> Step:
    """Send these bytes and close."""

    def answer(sock: socket.socket, _: threading.Event) -> bool:
        sock.sendall(content)
        return False

    return answer


def dribble(start: bytes, piece: bytes) -> Step:
    """Send a start, then a piece every now and then, without an end."""

    def answer(sock: socket.socket, stopped: threading.Event) -> bool:
        sock.sendall(start)
        while not stopped.wait(0.02):
            sock.sendall(piece)
        return False

    return answer


def hang(_: socket.socket, stopped: threading.Event) -> bool:
    """Say nothing until the server stops."""
    stopped.wait(60)
    return False


drop = raw(b"")
half = raw(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"kind": "' + CANARY.encode())
METADATA: Final = {"name": "agent-secrets", "namespace": "voice", "uid": "uid-1", "resourceVersion": "7"}
SECRET: Final = {"apiVersion": "v1", "kind": "Secret", "metadata": METADATA}
FINE = reply(200, SECRET)
LISTED = reply(200, {"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": []})


def status(
    code: int,
    reason: str = "",
    message: str = "",
    details: Mapping[str, object] | None = None,
    retry: str | None = None,
) -> Step:
    """Answer with a Status of Kubernetes, which quotes a value as a real one may."""
    content = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"{message} {CANARY}",
        "reason": reason,
        "details": details or {},
        "code": code,
    }
    return reply(code, content, {"Retry-After": retry} if retry else None)


def endpoint(url: str, tls: ssl.SSLContext | None = None, **more: Any) -> Endpoint:
    """Make an endpoint with a token that must not show."""
    fields: dict[str, Any] = {"proxy": None, "server_name": None, "source": "context test of config", "warnings": ()}
    return Endpoint(url=url, tls=tls, headers=lambda: {"Authorization": f"Bearer {TOKEN}"}, **(fields | more))


def api(url: str, tls: ssl.SSLContext | None = None, *, seconds: float = 60, call: float = 10, **more: Any) -> Api:
    return Api(endpoint(url, tls, **more), deadline=time.monotonic() + seconds, call_timeout=call)


def assert_clean(error: BaseException, *canaries: str, frames: bool = True) -> None:
    """Look for canaries in an error, in all that it is chained to and, with `frames`, in the variables of our code."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or current in seen:
            continue
        seen.append(current)
        waiting += [current.__context__, current.__cause__]
        shown = [str(current), repr(current), repr(current.args), repr(vars(current))]
        ours = str(Path(bridge.__file__).parent)
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if frames and frame.f_code.co_filename.startswith(ours):
                shown += [repr(value) for value in frame.f_locals.values()]
        for canary in canaries:
            assert not [text for text in shown if canary in text]
