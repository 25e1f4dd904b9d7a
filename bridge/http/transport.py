"""HTTP to one server: connections are kept, redirects are not followed, and every exchange has a time limit.

Network failures are returned, not raised: an exception from `http.client` may contain the server's data, and Python
would chain it to ours.
"""

import http.client
import math
import re
import select
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.http.response import Response, read_head, retry_after
from bridge.http.sockets import BoundedSocket, BoundedTlsSocket, dial, left
from bridge.http.tls import refused_certificate

MAX_ANSWER: Final = 64 << 20
"""The longest answer that is read, in bytes, unless the address sets another limit."""
FAR: Final = 0.01
"""If connecting, with TLS, takes this many seconds or more, the server is far away; within one site it takes less.

TCP alone would not tell: a tunnel on this machine accepts a connection at once, however far the server is. A near
server that takes longer, because it is busy, is only asked over more connections than necessary.
"""
_PIECE: Final = 1 << 20
_WRONG_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_WRONG_TIME: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


class Address:
    """A server's URL and how to reach it. Without `tls`, the connection is unencrypted and never uses a proxy.

    `server_name` is the name in the server's certificate, if it differs from the URL's host. `proxy` is an http:// URL,
    which may contain a password.
    """

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext | None,
        server_name: str | None = None,
        proxy: str | None = None,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self.url: Final = url
        self.tls: Final = tls
        self.server_name: Final = server_name
        self.proxy: Final = proxy
        self.max_answer: Final = max_answer


class Request:
    """A request: the HTTP method, the path with its query, the headers in order, and the body."""

    def __init__(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | None = None) -> None:
        self.method: Final = method
        self.path: Final = path
        self.headers: Final = headers
        self.body: Final = body


class Answer:
    """A complete answer. `headers` has lower-case names."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status: Final = status
        self.headers: Final = headers
        self.body: Final = body

    @property
    def retry_after(self) -> float | None:
        """The Retry-After header in seconds, or None if it is missing or invalid."""
        return retry_after(self.headers.get("retry-after", ""), self.headers.get("date", ""))

    @property
    def is_html(self) -> bool:
        """True for an HTML page, such as gateways, proxies and login pages return."""
        return "html" in self.headers.get("content-type", "").lower() or self.body.lstrip()[:1] == b"<"


class Failed(NamedTuple):
    """The lack of a complete answer. If `sent`, the whole request was sent and may have been carried out.

    `untrusted` means that we do not trust the server's certificate; `refused` that the server refuses ours. If the
    answer was `too_long`, the next one will be too.
    """

    what: str  # follows the server's name in a message
    sent: bool
    timed_out: bool = False
    untrusted: bool = False
    refused: bool = False
    too_long: bool = False

    @property
    def lasts(self) -> bool:
        """True if sending the request again would not help."""
        return self.untrusted or self.refused or self.too_long


class Transport:
    """Connections to one server, for any number of threads."""

    def __init__(self, address: Address) -> None:
        self._address: Final = address
        self._closed = False
        # Appending to a list and popping from it are atomic, so threads need no lock.
        self._idle: Final[list[_Connection]] = []
        self._coming: list[_Coming] = []
        self._judged: Event | None = None  # set once `is_far` is known
        self._is_far = False
        if address.tls is not None:
            address.tls.sslsocket_class = BoundedTlsSocket

    def open_ahead(self, count: int, limit: float) -> None:
        """Start to connect, so that requests do not wait for it: once, or `count` times if the server is far away.

        A request waits for a connection that is being made instead of making one. If a connection fails here, the
        request that needs it tries again and reports the failure. Only the first call has an effect.
        """
        if self._judged is not None:
            return
        deadline = time.monotonic() + limit
        first, self._judged = _Coming(self._address, deadline), Event()
        self._coming.append(first)
        try:
            Thread(target=self._judge, args=(first, self._judged, count, deadline), daemon=True).start()
        except RuntimeError:  # "can't start new thread"
            self._judged.set()

    @property
    def is_far(self) -> bool:
        """Whether the server is so far away that requests are better sent side by side; False if not connected ahead.

        This waits until it is known, for `FAR` at most.
        """
        if self._judged is not None:
            self._judged.wait()
        return self._is_far

    def _judge(self, first: "_Coming", judged: Event, count: int, deadline: float) -> None:
        try:
            self._is_far = first.takes(FAR)
            if self._is_far and not self._closed:
                self._coming += [_Coming(self._address, deadline) for _ in range(count - 1)]
        finally:
            judged.set()
        if self._closed:
            self.forget()

    def exchange(self, request: Request, limit: float) -> Answer | Failed:
        """Send a request and read its answer within `limit` seconds."""
        connection = self._take(time.monotonic() + limit)
        sent = reusable = False
        try:
            connection.send_all(request)
            sent = True
            answer = connection.read_answer()
            reusable = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            return explain(error, sent=sent, limit=limit)
        else:
            return answer
        finally:
            self._put(connection, reusable=reusable)

    def forget(self) -> None:
        """Close the idle connections, which may use an expired client certificate, and those still being made."""
        while self._coming:
            self._coming.pop().drop()
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close the idle connections now, and every other connection after its exchange."""
        self._closed = True
        self.forget()

    def _take(self, deadline: float) -> "_Connection":
        while connection := self._kept(deadline):
            if connection.is_quiet():
                connection.set_deadline(deadline)
                return connection
            connection.close()
        return _Connection(self._address, deadline)

    def _kept(self, deadline: float) -> "_Connection | None":
        """Return an idle connection, or else wait for one that is being made; None if there is neither."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        while True:
            try:
                coming = self._coming.pop(0)
            except IndexError:
                return None
            if connection := coming.wait(deadline):
                return connection

    def _put(self, connection: "_Connection", *, reusable: bool) -> None:
        if reusable and connection.sock is not None and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()


class _Coming:
    """A connection that a thread makes ahead of a request."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._connection: Final = _Connection(address, deadline)
        self._over: Final = Event()
        self._dropped = self._good = False
        self._began: Final = time.monotonic()
        self._ended = math.inf
        try:
            Thread(target=self._connect, daemon=True).start()
        except RuntimeError:  # "can't start new thread"
            self._ended = self._began
            self._over.set()

    def wait(self, deadline: float) -> "_Connection | None":
        """Return the connection once it is made; None if it could not be made, or not until the deadline."""
        self._over.wait(max(0.0, deadline - time.monotonic()))
        if self._good:
            return self._connection
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
            self._connection.close()

    def _connect(self) -> None:
        try:
            self._connection.connect()
            self._good = True
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
        finally:
            self._ended = time.monotonic()
            self._over.set()
        if self._dropped:
            self._connection.close()


class _ProxyRefusedError(OSError):
    """The proxy refused our CONNECT."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class _TooLongError(ValueError):
    """The answer is longer than the address allows."""


class _Connection(http.client.HTTPConnection):
    """A connection that never waits past a deadline."""

    response_class = Response

    def __init__(self, address: Address, deadline: float) -> None:
        parts = urlsplit(address.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._tls: Final = address.tls
        self._name: Final = address.server_name or host
        self._max_answer: Final = address.max_answer
        self._deadline = deadline
        proxy = urlsplit(address.proxy or "") if address.tls is not None else None
        self._proxy: Final = proxy if proxy and proxy.hostname else None
        super().__init__(host, port)
        self._create_connection = self._dial  # http.client calls this to connect

    def set_deadline(self, deadline: float) -> None:
        """Set the deadline, a `time.monotonic()`, for all further operations."""
        self._deadline = deadline
        if isinstance(self.sock, (BoundedSocket, BoundedTlsSocket)):
            self.sock.deadline = deadline

    def connect(self) -> None:
        """Connect, through the proxy if there is one, and do the TLS handshake."""
        super().connect()
        if self._proxy is not None:
            self._ask_proxy(self._proxy)
        if self._tls is not None:
            self.sock.settimeout(left(self._deadline))
            # As bytes, the name does not need the codec for international names, which is slow to import.
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name.encode("ascii"))
            self.set_deadline(self._deadline)

    def _dial(self, address: tuple[str, int], *_: object) -> BoundedSocket:
        if self._proxy is not None:
            address = (self._proxy.hostname or "", self._proxy.port or 80)
        return dial(*address, self._deadline)

    def _ask_proxy(self, proxy: SplitResult) -> None:
        """Ask the proxy for a tunnel. http.client's own tunnel would take an interim answer for a refusal."""
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *_authorization(proxy), "", ""]
        self.sock.sendall("\r\n".join(lines).encode("ascii"))
        with self.sock.makefile("rb", buffering=0) as stream:  # unbuffered: bytes after the head are the server's
            status = read_head(stream).status
        if not 200 <= status < 300:
            raise _ProxyRefusedError(status)

    def is_quiet(self) -> bool:
        """Return whether an idle connection is still usable; if data can be read from it, it has ended.

        TLS 1.3's session tickets follow the handshake and are not data: on a new connection they are still unread.
        """
        if self.sock is None:
            return False
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        if not poller.poll(0):
            return True
        if not isinstance(self.sock, BoundedTlsSocket):
            return False
        self.sock.settimeout(0)
        try:
            self.sock.read(1)
        except ssl.SSLWantReadError:
            return True
        except (OSError, ValueError):
            pass
        return False

    def send_all(self, request: Request) -> None:
        """Send the whole request; after an error, the server cannot have received all of it."""
        self.putrequest(request.method, request.path)
        for name, value in request.headers:
            self.putheader(name, value)
        if request.body is not None:
            self.putheader("Content-Length", str(len(request.body)))
        try:
            self.endheaders(request.body)
        except OSError as error:
            raise self._alert() or error from None

    def _alert(self) -> ssl.SSLError | None:
        """Return why the server ended the connection while we were sending, if it gave a reason.

        In TLS 1.3, it checks our certificate after the handshake is complete on our side.
        """
        if not isinstance(self.sock, BoundedTlsSocket):
            return None
        try:
            self.sock.recv_into(bytearray(1))
        except ssl.SSLError as alert:
            return alert if refused_certificate(alert) else None
        except (OSError, ValueError):
            pass
        return None

    def read_answer(self) -> Answer:
        """Read a whole answer; raise IncompleteRead if it ends early and _TooLongError if it is too long."""
        body = bytearray()
        with self.getresponse() as response:
            assert isinstance(response, Response)
            while piece := response.read(_PIECE):
                body += piece
                if len(body) > self._max_answer:
                    raise _TooLongError
            if response.length:
                raise http.client.IncompleteRead(b"")
            return Answer(response.status, response.head.fields, bytes(body))


def _authorization(proxy: SplitResult) -> Sequence[str]:
    if proxy.username is None:
        return []
    from binascii import b2a_base64  # noqa: PLC0415 - next to its only use

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return [f"Proxy-Authorization: Basic {b2a_base64(pair, newline=False).decode()}"]


def explain(error: Exception, *, sent: bool, limit: float) -> Failed:
    """Describe a failure in our own words, because an exception's text may quote the server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failed(_certificate(error.verify_code), sent, untrusted=True)
    if isinstance(error, TimeoutError):
        # Whole seconds, so that all calls that end with the run give the same message.
        return Failed(f"did not answer within {limit:.{0 if limit >= 1 else 1}f} s", sent, timed_out=True)
    if isinstance(error, _TooLongError):
        return Failed("sent an answer that is too long", sent, too_long=True)
    if refusal := refused_certificate(error):
        return Failed(refusal, sent=False, refused=True)  # the server does not read what was sent
    return Failed(_network(error), sent)


def _certificate(code: int) -> str:
    if code in _WRONG_NAME:
        return "has a certificate for another name"
    if code in _WRONG_TIME:
        return "has a certificate that is expired or not yet valid"
    return "has a certificate that is not signed by a trusted CA"


def _network(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "refused the connection"
        case socket.gaierror():
            return "has a host name that cannot be resolved"
        case ConnectionError() | http.client.IncompleteRead() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "dropped the connection"
        case ssl.SSLError():
            reason = getattr(error, "reason", None) or ""  # errors raised by ssl.py itself have none
            shown = reason if re.fullmatch(r"[A-Z0-9_]{1,80}", reason) else "no reason"
            return f"failed the TLS handshake ({shown})"
        case OSError():
            return f"cannot be reached: {_reason(error)}"
        case _:
            return "did not send a valid HTTP answer"


def _reason(error: OSError) -> str:
    if isinstance(error, _ProxyRefusedError):
        return f"the proxy answers {error.status}"
    return (error.strerror or "network error").lower()
