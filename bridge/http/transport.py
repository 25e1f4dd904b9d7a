"""HTTP to one server: connections are kept, redirects are not followed, and every exchange has a time limit.

Network failures are returned, not raised: an exception from `http.client` may contain the server's data, and Python
would chain it to ours.
"""

import http.client
import re
import select
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.http.ahead import Ahead
from bridge.http.response import Response, retry_after
from bridge.http.sockets import Address, BoundedSocket, BoundedTlsSocket, ProxyRefusedError, open_socket
from bridge.http.tls import refused_certificate
from bridge.named_tuple import NamedTuple

_PIECE: Final = 1 << 20
_WRONG_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_WRONG_TIME: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


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
    """Connections to one server, for any number of threads; `ahead` may already be making some."""

    def __init__(self, address: Address, ahead: Ahead | None = None) -> None:
        self._address: Final = address
        self._ahead: Final = ahead
        self._closed = False
        # Appending to a list and popping from it are atomic, so threads need no lock.
        self._idle: Final[list[_Connection]] = []

    @property
    def is_far(self) -> bool:
        """Whether the server is so far away that requests are better sent side by side; False if not connected ahead.

        This waits until it is known, for `ahead.FAR` at most.
        """
        return self._ahead is not None and self._ahead.is_far

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
        if self._ahead is not None:
            self._ahead.close()
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
            sock = self._ahead.take(deadline) if self._ahead is not None else None
            return _Connection(self._address, deadline, sock) if sock is not None else None

    def _put(self, connection: "_Connection", *, reusable: bool) -> None:
        if reusable and connection.sock is not None and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()


class _TooLongError(ValueError):
    """The answer is longer than the address allows."""


class _Connection(http.client.HTTPConnection):
    """A connection that never waits past a deadline."""

    response_class = Response

    def __init__(self, address: Address, deadline: float, sock: BoundedSocket | BoundedTlsSocket | None = None) -> None:
        super().__init__(address.host, address.port)
        self._address: Final = address
        self._deadline = deadline
        self.sock = sock

    def set_deadline(self, deadline: float) -> None:
        """Set the deadline, a `time.monotonic()`, for all further operations."""
        self._deadline = deadline
        if isinstance(self.sock, (BoundedSocket, BoundedTlsSocket)):
            self.sock.deadline = deadline

    def connect(self) -> None:
        """Connect, through the proxy if there is one, and do the TLS handshake."""
        self.sock = open_socket(self._address, self._deadline)

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
                if len(body) > self._address.max_answer:
                    raise _TooLongError
            if response.length:
                raise http.client.IncompleteRead(b"")
            return Answer(response.status, response.head.fields, bytes(body))


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
    if isinstance(error, ProxyRefusedError):
        return f"the proxy answers {error.status}"
    return (error.strerror or "network error").lower()
