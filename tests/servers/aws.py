"""A way to moto's server for programs that know of no other endpoint than AWS's own: a proxy that answers as AWS."""

import contextlib
import http.server
import shutil
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from tests.servers.pki import Authority

HOSTS: Final = "*.us-east-1.amazonaws.com"


class AwsProxy:
    """Takes HTTPS requests for AWS's hosts of one region, and hands them to another server over plain HTTP."""

    def __init__(self, url: str) -> None:
        self._folder: Final = Path(tempfile.mkdtemp(prefix="bridge-aws-"))
        authority = Authority(self._folder)
        pair = authority.server(host=HOSTS)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pair.certificate, pair.key)
        parts = urlsplit(url)
        target = (parts.hostname, parts.port)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                with (
                    tls.wrap_socket(self.connection, server_side=True) as client,
                    socket.create_connection(target, timeout=60) as server,
                ):
                    back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                    back.start()
                    _pump(client, server)
                    with contextlib.suppress(OSError):  # the server was first
                        server.shutdown(socket.SHUT_RDWR)
                    back.join(60)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server: Final = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.environ: Final = {
            "HTTPS_PROXY": f"http://127.0.0.1:{self._server.server_port}",
            "SSL_CERT_FILE": str(authority.file),
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Hand on what comes until it ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
