"""A server between bridge and Vault: it notes what is asked, passes it on, or answers by itself."""

import http.client
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Request:
    """What was asked; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: int = 0  # the port that the connection comes from

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered. A `script` takes the socket instead."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    script: Callable[[socket.socket], None] | None = None

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Wire:
    """One server on loopback. `answer` says what to do with a request; None passes it on to the upstream."""

    def __init__(self, upstream: str = "") -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer | None] = lambda _: None
        self._upstream = upstream
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def serve(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                wire.handle(self, Request(self.command, self.path, headers, body, self.client_address[1]))

            do_GET = do_POST = do_PUT = do_LIST = do_CONNECT = serve  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def server_bind(self) -> None:
                socketserver.TCPServer.server_bind(self)  # without the look-up of the host's name
                self.server_name, self.server_port = self.server_address[:2]

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def handle(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.requests.append(request)
        answer = self.answer(request) or self._passed_on(request)
        if answer.script is not None:
            handler.close_connection = True
            answer.script(handler.connection)
            return
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(len(answer.content)))
        handler.end_headers()
        if answer.status != 204:
            handler.wfile.write(answer.content)

    def asked(self) -> list[str]:
        """Return the requests as METHOD path, without the leading /v1/."""
        return [f"{one.method} {one.path.removeprefix('/v1/')}" for one in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _passed_on(self, request: Request) -> Answer:
        # A proxy gets the whole URL, a server the path alone.
        target = urlsplit(request.path if request.path.startswith("http") else self._upstream + request.path)
        upstream = urlsplit(self._upstream)
        connection = http.client.HTTPConnection(upstream.netloc, timeout=120)
        drop = {"host", "content-length", "connection"}
        headers = {name: value for name, value in request.headers.items() if name not in drop}
        path = target.path + (f"?{target.query}" if target.query else "")
        connection.request(request.method, path, request.body or None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return Answer(response.status, content, {k: v for k, v in response.getheaders() if k.lower() not in drop})


@contextmanager
def wire(upstream: str = "") -> Iterator[Wire]:
    made = Wire(upstream)
    try:
        yield made
    finally:
        made.close()


def document(values: dict[str, object], version: int = 1) -> Answer:
    """Answer as a version 2 engine."""
    metadata = {"version": version, "created_time": "2026-11-23T10:00:00.5Z", "deletion_time": "", "destroyed": False}
    return Answer(body={"lease_id": "", "data": {"data": values, "metadata": metadata}, "auth": None})


def errors(status: int, *texts: str, **headers: str) -> Answer:
    """Answer with Vault's errors; `headers` with _ for -."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"errors": list(texts)}, {"Content-Type": "application/json"} | given)
