"""A proxy that counts the calls of a run, and applies one fault to one of them, or to all from then on.

It stands between bridge and a real server: what it does not spoil, the real server answers.
"""

import contextlib
import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from tests.servers.pki import DAY, Authority, self_signed
from tests.servers.relay import CHUNK

if TYPE_CHECKING:
    from tests.faults.kinds import Fault

PATIENCE: Final = 60.0  # seconds; longer than any run of the table
ELSEWHERE: Final = "/elsewhere"
"""Where a redirect leads: to the proxy itself, so that it sees whether anyone follows."""
_OURS: Final = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_RESET: Final = struct.pack("ii", 1, 0)

Headers = Sequence[tuple[str, str]]


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def length(self) -> int:
        """The length of the body, as the headers say it."""
        return next((int(value) for name, value in self.headers.items() if name.lower() == "content-length"), 0)


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: Headers
    body: bytes


Dialect = Callable[[int], Reply]
"""How a server words an answer with an error status."""


@dataclass(frozen=True)
class Upstream:
    """The real server: its URL, how to trust it, and how it words its errors."""

    url: str
    tls: ssl.SSLContext | None
    dialect: Dialect


class Exchange:
    """One request that meets a fault, and the means to answer it."""

    def __init__(self, sock: socket.socket, request: Request, upstream: "Forward", proxy: "FaultProxy") -> None:
        self.sock: Final = sock
        self.strike: Final = proxy.strike
        """What is to happen outside of the exchange."""
        self.request: Final = request
        self.over: Final = proxy.over
        """Set when the run has ended."""
        self._upstream: Final = upstream

    def real(self) -> Reply:
        """Let the real server carry the request out, and return its answer."""
        return self._upstream.ask(self.request)

    def error(self, status: int) -> Reply:
        """Return an answer with this status as the real server would word it; nothing is carried out."""
        return self._upstream.upstream.dialect(status)

    def send(self, reply: Reply, *more: tuple[str, str], version: str = "1.1", has_length: bool = True) -> bool:
        """Send a whole answer; True, as the connection stays open."""
        self.sock.sendall(head(reply, *more, version=version, has_length=has_length) + reply.body)
        return True

    def reset(self) -> bool:
        """Drop the connection without a goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False


def head(reply: Reply, *more: tuple[str, str], version: str = "1.1", has_length: bool = True) -> bytes:
    """Return the bytes before an answer's body. A header of `more` replaces the answer's own."""
    names = {name.lower() for name, _ in more}
    lines = [f"HTTP/{version} {reply.status} Whatever"]
    lines += [f"{name}: {value}" for name, value in reply.headers if name.lower() not in names]
    if has_length and "content-length" not in names:
        lines.append(f"Content-Length: {len(reply.body)}")
    lines += [f"{name}: {value}" for name, value in more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class FaultProxy:
    """Listens at `url` with a certificate of `authority`.

    `apply` says which fault meets which call of the next run; `end` ends that, and every connection.
    """

    def __init__(self, upstream: Upstream, folder: Path) -> None:
        self.authority: Final = Authority(folder)
        self.upstream: Final = upstream
        self.calls: list[Request] = []
        self.met = 0
        """How often the fault was met since `apply`."""
        self.strike: Callable[[], object] = lambda: None
        self.over = threading.Event()
        self.was_followed = False
        """Whether a client has followed a redirect."""
        self._tls: Final = _contexts(self.authority, folder)
        self._lock: Final = threading.RLock()
        self._fault: Fault | None = None
        self._call = 0
        self._lasting = False
        self._is_armed = False
        self._open: Final[set[socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: Final[int] = self._listener.getsockname()[1]
        self.url: Final = f"https://127.0.0.1:{self.port}"
        self._closed = False

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self.end()
        _stop(self._listener)

    def apply(self, fault: "Fault | None", call: int = 0, *, lasting: bool = False) -> None:
        """Start to count, and let the fault meet one call, which counts from 1, or with `lasting` all from there on."""
        with self._lock:
            self.calls.clear()
            self.met, self.was_followed = 0, False
            self._fault, self._call, self._lasting = fault, call, lasting
            self.over = threading.Event()
            self._arm_before(1)

    def end(self) -> None:
        """Be a plain proxy again: every connection is closed, and every wait ends."""
        with self._lock:
            self._fault, self._is_armed = None, False
            self.over.set()
            if self._listener.fileno() < 0 and not self._closed:
                self._listen_again()
            self._abort(set())

    def _arm_before(self, call: int, *, spare: socket.socket | None = None) -> None:
        """If the fault meets connections, and this is its call, let it meet the next one: close those that are open."""
        fault = self._fault
        if fault is None or fault.on_connection is None or call != self._call:
            return
        self._is_armed = True
        self._abort({spare} if spare else set())
        if fault.on_connection == "refuse":
            self.met += 1
            _stop(self._listener)
            if not self._lasting:
                threading.Timer(0.05, self._reopen, [self.over]).start()

    def _reopen(self, run: threading.Event) -> None:
        with self._lock:
            if run is self.over and not run.is_set() and self._listener.fileno() < 0:
                self._listen_again()

    def _listen_again(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=[plain], daemon=True).start()

    def _abort(self, spared: set[socket.socket]) -> None:
        for sock in self._open - spared:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _on_connection(self) -> str | None:
        """Return what happens to a new connection, None if it is a good one."""
        with self._lock:
            fault = self._fault
            if fault is None or not self._is_armed:
                return None
            self._is_armed = self._lasting
            self.met += 1
            return fault.on_connection

    def _serve(self, plain: socket.socket) -> None:
        how = self._on_connection()
        with plain, contextlib.suppress(OSError, http.client.HTTPException, EOFError):
            plain.settimeout(PATIENCE)
            if how == "reset":
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            if how == "no handshake":
                plain.recv(CHUNK)
                return
            context = self._tls.get(how or "", self._tls[""])
            with context.wrap_socket(plain, server_side=True) as secure, Forward(self.upstream) as server:
                self._open.add(secure)
                try:
                    self._talk(secure, server)
                finally:
                    self._open.discard(secure)

    def _talk(self, sock: socket.socket, server: "Forward") -> None:
        with sock.makefile("rb") as stream:
            while request := read_head(stream):
                number, fault = self._counted(request)
                if fault is None or not fault.is_early:
                    request = request._replace(body=stream.read(request.length))
                exchange = Exchange(sock, request, server, self)
                if fault is not None and fault.act is not None:
                    stays = fault.act(exchange)
                else:
                    reply = exchange.real()
                    with self._lock:
                        self._arm_before(number + 1, spare=sock)
                        stays = not self._is_armed
                    closing = () if stays else (("Connection", "close"),)
                    exchange.send(reply, *closing)
                if not stays:
                    return

    def _counted(self, request: Request) -> "tuple[int, Fault | None]":
        with self._lock:
            self.calls.append(request)
            self.was_followed |= request.path == ELSEWHERE
            number = len(self.calls)
            is_met = number == self._call or (self._lasting and number > self._call)
            fault = self._fault if self._fault and self._fault.act and is_met else None
            self.met += fault is not None
            return number, fault


def read_head(stream: Any) -> Request | None:
    """Read a request up to its body, or return None at the end."""
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while text := stream.readline().decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers[name] = value.strip()
    return Request(line[0], line[1], headers)


class Forward:
    """A connection to the real server."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream: Final = upstream
        parts = urlsplit(upstream.url)
        place = parts.hostname or "", parts.port
        self._connection: Final[http.client.HTTPConnection] = (
            http.client.HTTPSConnection(*place, context=upstream.tls, timeout=PATIENCE)
            if upstream.tls
            else http.client.HTTPConnection(*place, timeout=PATIENCE)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(self, request: Request) -> Reply:
        """Send a request and return the answer. A server may have closed a connection that was idle for long."""
        try:
            answer = self._ask(request)
        except (http.client.RemoteDisconnected, BrokenPipeError):
            self._connection.close()
            answer = self._ask(request)
        body = answer.read()
        return Reply(answer.status, [(name, value) for name, value in answer.getheaders() if _is_kept(name)], body)

    def _ask(self, request: Request) -> http.client.HTTPResponse:
        self._connection.request(request.method, request.path, request.body or None, _kept(request.headers))
        return self._connection.getresponse()


def _is_kept(name: str) -> bool:
    return name.lower() not in _OURS


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if _is_kept(name)}


def _contexts(authority: Authority, folder: Path) -> dict[str, ssl.SSLContext]:
    """Return a TLS context for each kind of certificate; "" is the good one."""
    pairs = {
        "": authority.server(),
        "wrong name": authority.server("wrong-name", host="elsewhere.example.com", address="192.0.2.1"),
        "expired": authority.server("expired", ends=-DAY / 2),
        "self-signed": self_signed(folder),
    }
    contexts = {}
    for kind, pair in pairs.items():
        contexts[kind] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[kind].load_cert_chain(pair.certificate, pair.key)
    return contexts


def _stop(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
    listener.close()
