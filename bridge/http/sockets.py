"""Sockets that never wait past a deadline, even if the other side keeps sending single bytes."""

import errno
import socket
import ssl
import time
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


MAX_ANSWER: Final = 64 << 20
"""The longest answer that is read, in bytes, unless the address sets another limit."""


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
        parts = urlsplit(url)
        self.host: Final = parts.hostname or ""
        self.port: Final = parts.port or (443 if parts.scheme == "https" else 80)
        self.tls: Final = tls
        self.server_name: Final = server_name or self.host
        through = urlsplit(proxy or "") if tls is not None else None
        self.proxy: Final = through if through and through.hostname else None
        self.max_answer: Final = max_answer


class ProxyRefusedError(OSError):
    """The proxy refused our CONNECT."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


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


def open_socket(address: Address, deadline: float) -> BoundedSocket | BoundedTlsSocket:
    """Connect to a server, through the proxy if there is one, and do the TLS handshake.

    `deadline` is a `time.monotonic()`. Raises OSError, or HTTPException if the proxy does not speak HTTP.
    """
    proxy = address.proxy
    host, port = (proxy.hostname or "", proxy.port or 80) if proxy else (address.host, address.port)
    sock = dial(host, port, deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy:
            _ask_proxy(sock, proxy, address)
        return sock if address.tls is None else _secured(sock, address.tls, address.server_name, deadline)
    except BaseException:
        sock.close()
        raise


def _secured(sock: BoundedSocket, tls: ssl.SSLContext, name: str, deadline: float) -> BoundedTlsSocket:
    """Do the TLS handshake; `name` is the server's."""
    tls.sslsocket_class = BoundedTlsSocket
    sock.settimeout(left(deadline))
    # As bytes, the name does not need the codec for international names, which is slow to import.
    secure = tls.wrap_socket(sock, server_hostname=name.encode("ascii"))
    assert isinstance(secure, BoundedTlsSocket)
    secure.deadline = deadline
    return secure


def _ask_proxy(sock: BoundedSocket, proxy: SplitResult, address: Address) -> None:
    """Ask the proxy for a tunnel. http.client's own tunnel would take an interim answer for a refusal."""
    from bridge.http.response import read_head  # noqa: PLC0415 - start-up: few runs need it before http.client

    place = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *_authorization(proxy), "", ""]
    sock.sendall("\r\n".join(lines).encode("ascii"))
    with sock.makefile("rb", buffering=0) as stream:  # unbuffered: bytes after the head are the server's
        status = read_head(stream).status
    if not 200 <= status < 300:
        raise ProxyRefusedError(status)


def _authorization(proxy: SplitResult) -> list[str]:
    if proxy.username is None:
        return []
    from binascii import b2a_base64  # noqa: PLC0415 - next to its only use

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return [f"Proxy-Authorization: Basic {b2a_base64(pair, newline=False).decode()}"]


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
