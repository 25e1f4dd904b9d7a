"""A registry that gives images from OCI layouts: https://github.com/opencontainers/distribution-spec/blob/main/spec.md."""

import base64
import json
import re
import secrets
import shutil
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple, Self

PRIVATE: Final = "private/"
"""A repository whose name begins so wants credentials."""
_ASKED: Final = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")
_TAG: Final = "org.opencontainers.image.ref.name"


class _Answer(NamedTuple):
    """What a request gets: a status, and the fields and the file of a body."""

    status: int
    fields: Mapping[str, str]
    file: Path | None = None


class Registry:
    """Serves each layout under its name, and under `private/` and its name to `user` with `password`."""

    def __init__(self, layouts: Mapping[str, Path], listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        self.host: Final = f"{host}:{port}"
        self.user: Final = "puller"
        self.password: Final = secrets.token_hex(8)
        self._layouts = layouts
        self._server = ThreadingHTTPServer((host, port), _handler(self), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reference(self, name: str) -> str:
        """Return the name of an image, as a pod has it."""
        return f"{self.host}/{name}:1"

    def answer(self, path: str, credentials: str | None) -> _Answer:
        """Decide what a request gets."""
        asked = _ASKED.fullmatch(path)
        if asked is None:
            return _Answer(200, {})  # this is a registry
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if asked["repository"].startswith(PRIVATE) and credentials != f"Basic {expected}":
            return _Answer(401, {"WWW-Authenticate": 'Basic realm="tests"'})
        file = _blob(self._layouts.get(asked["repository"].removeprefix(PRIVATE)), asked["reference"])
        if file is None:
            return _Answer(404, {})
        is_manifest = asked["kind"] == "manifests"
        kind = json.loads(file.read_bytes())["mediaType"] if is_manifest else "application/octet-stream"
        return _Answer(200, {"Content-Type": kind, "Docker-Content-Digest": f"sha256:{file.name}"}, file)


def _handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._give()

        def do_GET(self) -> None:
            if file := self._give():
                with file.open("rb") as content:
                    shutil.copyfileobj(content, self.wfile)

        def _give(self) -> Path | None:
            status, fields, file = registry.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(file.stat().st_size if file else 0))
            self.end_headers()
            return file

        def log_message(self, *_: object) -> None:
            """Say nothing: a pod that does not get its image tells why."""

    return Handler


def _blob(layout: Path | None, reference: str) -> Path | None:
    """Return the file of a tag or of a digest, or None if the layout does not have it."""
    if layout is None:
        return None
    if not reference.startswith("sha256:"):
        found = json.loads((layout / "index.json").read_text())["manifests"]
        digests = [one["digest"] for one in found if one.get("annotations", {}).get(_TAG) == reference]
        reference = digests[0] if digests else "sha256:none"
    file = layout / "blobs" / reference.replace(":", "/")
    return file if file.is_file() else None
