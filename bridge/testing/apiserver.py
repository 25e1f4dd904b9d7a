"""The embedded cluster: a small Kubernetes API on loopback, in memory, for the demo and for tests.

It serves the parts of Namespaces, Secrets, ConfigMaps, Leases and Events that bridge uses, with the answers of
kube-apiserver 1.36. The same tests check the behaviour of both.
"""

import contextlib
import hmac
import http.server
import json
import secrets
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from bridge.testing import api
from bridge.testing.status import ApiError
from bridge.testing.store import Store

Fault: TypeAlias = Literal["drop", "drop-after", "hang"] | tuple[Literal["status"], int, Mapping[str, str], bytes]
"""What happens instead of an answer: the connection closes before or after the request is handled, nothing arrives
until the cluster is closed, or the given status, headers and body are sent."""

Intercept: TypeAlias = Callable[[str, str], Fault | None]
"""Called with the method and the path with its query; None lets the request through."""

PUBLIC: Final = ("/version", *api.PROBES)


class EmbeddedCluster:
    """A Kubernetes API that exists during its `with` block.

    `requests` lists the method and the path with query of each request, in order of arrival. `intercept` may be set at
    any time; requests that it answers are also listed.
    """

    def __init__(self) -> None:
        self.token: Final = secrets.token_urlsafe(24)
        self.requests: Final[list[tuple[str, str]]] = []
        self.intercept: Intercept | None = None
        self.store: Final = Store()
        self.closing: Final = threading.Event()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="embedded-cluster", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()

    @property
    def url(self) -> str:
        """The API's address, `http://127.0.0.1:PORT`."""
        if self._server is None:
            raise RuntimeError("the embedded cluster is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def write_kubeconfig(self, path: Path, *, namespace: str = "default") -> Path:
        """Write a kubeconfig (JSON, which is also YAML) with the context `embedded`, readable only by its owner."""
        context = {"cluster": "embedded", "user": "embedded", "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "embedded", "user": {"token": self.token}}],
            "contexts": [{"name": "embedded", "context": context}],
            "current-context": "embedded",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A replacement for http.server's own class, which looks up its host name in DNS."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base class's types
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Ignore clients that disconnect."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the cluster lists its requests."""

    def _serve(self) -> None:
        cluster = self.server.cluster
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        cluster.requests.append((self.command, self.path))
        fault = cluster.intercept(self.command, self.path) if cluster.intercept else None
        if fault is None:
            self._send(self._answer(body))
        elif isinstance(fault, tuple):
            _, code, headers, content = fault
            self._respond(code, headers, content)
        else:
            self._break(fault, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server requires these names

    def _break(self, fault: str, body: bytes) -> None:
        if fault == "drop-after":
            self._answer(body)
        if fault == "hang":
            self.server.cluster.closing.wait()
        self.close_connection = True

    def _answer(self, body: bytes) -> api.Answer:
        refused = self._unauthorized()
        if refused is not None:
            return api.Answer(refused.code, refused.body())
        return api.answer(self.server.cluster.store, api.parse(self.command, self.path, self.headers, body))

    def _unauthorized(self) -> ApiError | None:
        authorization = self.headers.get("Authorization", "")
        if hmac.compare_digest(authorization.encode(), f"Bearer {self.server.cluster.token}".encode()):
            return None
        path = self.path.partition("?")[0]
        if authorization:
            return ApiError(401, "Unauthorized")
        if path in PUBLIC:
            return None
        verb = self.command.lower()
        return ApiError(403, f'forbidden: User "system:anonymous" cannot {verb} path "{path}"', details={})

    def _send(self, answer: api.Answer) -> None:
        if isinstance(answer.body, str):
            self._respond(answer.code, {"Content-Type": "text/plain; charset=utf-8"}, answer.body.encode())
        else:
            content = json.dumps(answer.body, separators=(",", ":")).encode()
            self._respond(answer.code, {"Content-Type": "application/json"}, content)

    def _respond(self, code: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
