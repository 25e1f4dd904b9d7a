"""HTTP to the API: kept connections, no redirects, every exchange bounded as a whole.

Nothing here raises for what goes wrong on the way: an exception of `http.client` may hold what the server sent, and
Python would keep it as the context of ours. A failure is returned.
"""

import http.client
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from bridge_providers.scaleway.settings import Settings
from bridge_providers.scaleway.sockets import PlainSocket, TlsSocket, dial, left

LIMIT: Final = 8 * 2**20
"""The longest answer, in bytes: a secret has up to 64 KiB, and a page up to 50 secrets' metadata."""
_PIECE: Final = 2**16


@dataclass(frozen=True, eq=False)
class Answer:
    """What came back, complete. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Failed(NamedTuple):
    """No complete answer. `what` goes on from "the API at URL"; `lasting` means that trying again will not help."""

    what: str
    lasting: bool = False


class Transport:
    """Connections to one API, for any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        self._tls: Final = _tls() if settings.url.startswith("https:") else None
        self._lock: Final = threading.Lock()
        self._idle: Final[list[_Connection]] = []
        self._closed = False

    def exchange(self, target: str, body: bytes | None, limit: float) -> Answer | Failed:
        """Get what is below the API's URL, or post a body there, and read the answer: all within `limit` seconds."""
        connection = self._take(time.monotonic() + limit)
        reusable = False
        try:
            connection.ask(target, body, self._settings.secret_key.reveal().decode())
            answer = connection.answer()
            reusable = answer.headers.get("connection", "").lower() != "close"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return explain(error, limit)
        else:
            return answer
        finally:
            self._put(connection, reusable=reusable)

    def close(self) -> None:
        """Close the idle connections, and each of the others once its exchange is over."""
        with self._lock:
            self._closed = True
            idle, self._idle[:] = list(self._idle), []
        for connection in idle:
            connection.close()

    def _take(self, deadline: float) -> "_Connection":
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _Connection(self._settings, self._tls, deadline)
            if connection.is_quiet():
                connection.set_deadline(deadline)
                return connection
            connection.close()

    def _put(self, connection: "_Connection", *, reusable: bool) -> None:
        with self._lock:
            keep = reusable and connection.sock is not None and not self._closed
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()


def _tls() -> ssl.SSLContext:
    """Trust the system's authorities (or those of SSL_CERT_FILE and SSL_CERT_DIR, which OpenSSL itself reads)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    context.sslsocket_class = TlsSocket
    return context


class _Connection(http.client.HTTPConnection):
    """A connection whose every wait ends at a deadline."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None, deadline: float) -> None:
        parts = urlsplit(settings.url)
        host, port = parts.hostname or "", parts.port or (80 if tls is None else 443)
        self._tls: Final = tls
        self._name: Final = host
        self._prefix: Final = parts.path
        self._deadline = deadline
        if settings.proxy is None:
            super().__init__(host, port)
        else:
            proxy = urlsplit(settings.proxy.reveal().decode())
            super().__init__(proxy.hostname or "", proxy.port or 80)
            self.set_tunnel(host, port, _proxy_headers(proxy.username, proxy.password))
        self._create_connection = self._dial  # what http.client connects with

    def set_deadline(self, deadline: float) -> None:
        """Bound all that follows by a `time.monotonic()`."""
        self._deadline = deadline
        if isinstance(self.sock, (PlainSocket, TlsSocket)):
            self.sock.deadline = deadline

    def connect(self) -> None:
        """Connect, through the proxy if there is one, and shake hands."""
        super().connect()
        if self._tls is not None:
            self.sock.settimeout(left(self._deadline))
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name.encode("ascii"))
            self.set_deadline(self._deadline)

    def _dial(self, address: tuple[str, int], *_: object) -> PlainSocket:
        return dial(*address, self._deadline)

    def is_quiet(self) -> bool:
        """Say whether a kept connection is still good: whatever can be read from it now is its end."""
        if self.sock is None:
            return False
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return not poller.poll(0)

    def ask(self, target: str, body: bytes | None, key: str) -> None:
        """Send a request."""
        self.putrequest("GET" if body is None else "POST", f"{self._prefix}{target}")
        if body is not None:
            self.putheader("Content-Type", "application/json")
            self.putheader("Content-Length", str(len(body)))
        self.putheader("Accept", "application/json")
        self.putheader("User-Agent", "bridge")
        self.putheader("X-Auth-Token", key)
        self.endheaders(body)

    def answer(self) -> Answer:
        """Read an answer to its end; IncompleteRead where it ends early, ValueError where it is too long."""
        response = self.getresponse()
        body = bytearray()
        while piece := response.read(_PIECE):
            body += piece
            if len(body) > LIMIT:
                raise ValueError
        if response.length:
            raise http.client.IncompleteRead(b"")
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, bytes(body))


def _proxy_headers(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    from base64 import b64encode  # noqa: PLC0415 - beside its only use

    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(pair).decode()}"}


def explain(error: Exception, limit: float) -> Failed:
    """Say what went wrong, in words of ours: an exception's text may quote the server or the request."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failed("shows a certificate that is not trusted", lasting=True)
    if isinstance(error, TimeoutError):
        return Failed(f"gave no whole answer within {limit:.3g} s")
    return Failed(_network(error))


def _network(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "refuses connections"
        case socket.gaierror():
            return "has a name that cannot be resolved"
        case ConnectionError() | http.client.IncompleteRead() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "dropped the connection"
        case ssl.SSLError():
            return "does not speak TLS with us"
        case OSError():
            return _other(error)
        case _:
            return "does not answer in HTTP as it should"


def _other(error: OSError) -> str:
    tunnel = re.match(r"Tunnel connection failed: (\d{3})\b", str(error))
    if tunnel:
        return f"cannot be reached: the proxy answers {tunnel[1]}"
    return f"cannot be reached: {(error.strerror or 'network error').lower()}"
