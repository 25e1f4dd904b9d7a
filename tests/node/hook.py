"""An admission webhook that holds or refuses writes, so that a run is in its middle for as long as a test likes.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self

from tests.deploy.pod import ID
from tests.node.place import Place
from tests.servers.pki import Authority

_HOLD: Final = 8.0  # seconds
_KINDS: Final = ["secrets", "configmaps"]
_PATH: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Hook:
    """Asked before each real write of the environment's objects, one after the other; a dry run passes.

    It holds the write of one Secret until `told` is set, and each later one until `over` is set, but none as long as
    bridge would wait for its answer.
    """

    def __init__(self, place: Place, folder: Path, secret: str) -> None:
        self._place = place
        self._secret = secret
        self.reached: Final = threading.Event()
        self.told: Final = threading.Event()
        self.over: Final = threading.Event()
        self.refusing = False
        authority = Authority(folder)
        listening = place.node.listening()
        self._host, self._port = listening.getsockname()[:2]
        pair = authority.server("hook", "localhost", self._host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._ca = base64.b64encode(authority.file.read_bytes()).decode()
        self._server = ThreadingHTTPServer((self._host, self._port), self._handler(), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = context.wrap_socket(listening, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        hook = {
            "name": "hold.bridge.test",
            "clientConfig": {"url": f"https://{self._host}:{self._port}/", "caBundle": self._ca},
            "rules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": _KINDS,
                }
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._place.namespace}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": int(_HOLD) + 10,
            "failurePolicy": "Fail",
        }
        body = {"metadata": {"name": self._place.namespace}, "webhooks": [hook]}
        assert self._place.node.cluster.request("POST", _PATH, body).status == 201
        return self

    def __exit__(self, *_: object) -> None:
        self.told.set()
        self.over.set()
        self._place.node.cluster.request("DELETE", f"{_PATH}/{self._place.namespace}")
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: dict[str, object]) -> bool:
        """Return whether a request is allowed, when it is time to say so."""
        if request.get("dryRun") or request["name"] == ID:
            return True
        if request["name"] == self._secret:
            self.reached.set()
            self.told.wait(0 if self.refusing else _HOLD)
            return not self.refusing
        if self.reached.is_set():
            self.over.wait(_HOLD)
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                response = {"uid": request["uid"], "allowed": answer(request)}
                content = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: the events are what counts."""

        return Handler
