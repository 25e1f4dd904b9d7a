"""A way to moto's server for programs that know of no other endpoint than AWS's own: a proxy that answers as AWS."""

import contextlib
import http.server
import select
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
                    _hand_on(client, server)

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


def _hand_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Hand on what comes from either, until one of them ends. In one thread: a TLS connection bears no two."""
    with contextlib.suppress(OSError):
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [], 60)[0]
            if not ready:
                return
            for source, target in ((client, server), (server, client)):
                if source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    target.sendall(data)
