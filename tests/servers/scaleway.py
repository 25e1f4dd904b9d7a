"""A Secret Manager on loopback, made from recorded answers of the real one. It shares no code with bridge."""

import base64
import json
import re
import ssl
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from tests.servers.scaleway_store import ApiError, Secret, Store, invalid, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

ORGANIZATION: Final = "11111111-0000-4000-8000-000000000000"
PROJECT: Final = "22222222-0000-4000-8000-000000000000"
REGIONS: Final = {"fr-par", "nl-ams", "pl-waw"}
ACCESS: Final = "SecretManagerSecretAccess"
READ: Final = "SecretManagerReadOnly"
WRITE: Final = "SecretManagerSecretWrite"
_ROOT: Final = re.compile(r"/secret-manager/v1beta1/regions/([a-z0-9-]+)(/.*)")
_SECRET: Final = re.compile(r"/secrets/([0-9a-f-]+)(?:/(protect|unprotect|restore))?")
_VERSIONS: Final = re.compile(r"/secrets/([0-9a-f-]+)/versions")
_VERSION: Final = re.compile(r"/secrets/([0-9a-f-]+)/versions/(\w+)(?:/(access|enable|disable|restore))?")
_BY_PATH: Final = re.compile(r"/secrets-by-path/versions/(\w+)/access")


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    token: str | None
    headers: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('/regions/')[2]}"


@dataclass
class Grant:
    """What a key may do: permission sets on one project, perhaps only where the path and name begin so."""

    permissions: set[str]
    project: str = PROJECT
    prefix: str = ""


@dataclass
class Canned:
    """An answer that is given instead of the true one; `cut` sends only so many bytes of it."""

    status: int
    body: bytes | dict[str, Any] = b""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    cut: int | None = None


class SecretManager:
    """The server. `faults` holds answers for the next requests; `unreadable` is the status for a disabled version."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.store = Store()
        self.requests: list[Request] = []
        self.faults: list[Canned | None] = []
        self.unreadable = 404
        self.connections = 0
        self.idle = 60.0  # seconds after which a quiet connection is closed, without a word
        self.closed = threading.Event()
        self.before: Callable[[Request], object] = lambda _: None
        self.key = str(uuid.uuid4())
        self.grants = {self.key: Grant({ACCESS, READ, WRITE})}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environ(self, **more: str) -> dict[str, str]:
        """Return the variables that lead here."""
        return {
            "SCW_API_URL": self.url,
            "SCW_SECRET_KEY": self.key,
            "SCW_DEFAULT_PROJECT_ID": PROJECT,
            "SCW_DEFAULT_REGION": "fr-par",
        } | more

    def put(self, path: str, *contents: object, region: str = "fr-par", **given: Any) -> str:
        """Write versions of a secret behind the API's back, which is made where it is not there; return its id."""
        folder, _, name = path.rpartition("/")
        project = given.pop("project_id", PROJECT)
        secret = self.store.named(region, project, folder or "/", name)
        if secret is None:
            secret = self.store.create(region, {"project_id": project, "name": name, "path": folder or "/"} | given)
        for content in contents:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            secret.add({"data": base64.b64encode(data).decode()})
        return secret.meta["id"]

    def answer(self, request: Request, body: dict[str, Any]) -> dict[str, Any] | None:
        """Carry a request out; None is an answer without a body."""
        with self._lock:
            return self._route(request, body)

    def _route(self, request: Request, body: dict[str, Any]) -> dict[str, Any] | None:
        root = _ROOT.fullmatch(request.path)
        if root is None or root[1] not in REGIONS:
            raise ApiError(404, {"message": "not found", "type": "unknown_resource"})  # no recording shows it
        region, path = root[1], root[2]
        if path == "/secrets":
            return self._secrets(request, region, body)
        if match := _BY_PATH.fullmatch(path):
            return self._by_path(request, region, match[1])
        for form, step in ((_SECRET, self._one), (_VERSIONS, self._versions), (_VERSION, self._version)):
            if match := form.fullmatch(path):
                secret = self.store.get(region, match[1])
                return step(request, secret, body, *match.groups()[1:])
        raise ApiError(404, {"message": "not found", "type": "unknown_resource"})

    def _allow(self, request: Request, permission: str, project: str, name: str = "") -> None:
        grant = self.grants.get(request.token or "")
        if grant is None:
            reason = {"type": "denied_authentication", "method": "api_key", "reason": "not_found"}
            raise ApiError(401, reason | {"message": "authentication is denied"})
        if permission not in grant.permissions or project != grant.project or not name.startswith(grant.prefix):
            details = [{"resource": "secret", "action": "access" if permission == ACCESS else "read"}]
            body = {"message": "insufficient permissions", "type": "permissions_denied", "details": details}
            raise ApiError(403, body)

    def _allow_on(self, request: Request, permission: str, secret: Secret) -> None:
        name = f"{secret.meta['path'].rstrip('/')}/{secret.meta['name']}"
        self._allow(request, permission, secret.meta["project_id"], name)

    def _secrets(self, request: Request, region: str, body: dict[str, Any]) -> dict[str, Any]:
        if request.method == "POST":
            self._allow(request, WRITE, body.get("project_id", ""))
            return self.store.create(region, body).meta
        query = request.query
        # A condition on names breaks a list call, which names no resource.
        self._allow(request, READ, query.get("project_id", ""))
        wanted = {name: query[name] for name in ("project_id", "name", "path", "type") if name in query}
        leaving = query.get("scheduled_for_deletion") == "true"
        found = [
            one.meta
            for one in self.store.secrets.values()
            if one.meta["region"] == region and wanted.items() <= one.meta.items() and one.leaving is leaving
        ]
        return _page(query, "secrets", sorted(found, key=lambda one: one["name"]))

    def _by_path(self, request: Request, region: str, revision: str) -> dict[str, Any]:
        query = request.query
        project, path, name = (query.get(one, "") for one in ("project_id", "secret_path", "secret_name"))
        self._allow(request, ACCESS, project, f"{path.rstrip('/')}/{name}")
        secret = self.store.named(region, project, path, name)
        if secret is None:
            raise not_found("secret", f"{path}/{name}")
        return secret.access(revision, self.unreadable)

    def _one(self, request: Request, secret: Secret, body: dict[str, Any], action: str | None) -> Any:
        self._allow_on(request, READ if request.method == "GET" else WRITE, secret)
        if request.method == "DELETE":
            self.store.delete(secret)
            return None
        if action:
            changes = {"protect": ("protected", True), "unprotect": ("protected", False)}
            name, value = changes.get(action, ("deletion_requested_at", None))
            secret.meta[name] = value
        secret.meta |= {name: body[name] for name in ("name", "path", "tags", "description") if name in body}
        return secret.meta

    def _versions(self, request: Request, secret: Secret, body: dict[str, Any]) -> dict[str, Any]:
        self._allow_on(request, READ if request.method == "GET" else WRITE, secret)
        if request.method == "POST":
            return secret.add(body)
        return _page(request.query, "versions", secret.versions[::-1])

    def _version(
        self, request: Request, secret: Secret, _: dict[str, Any], revision: str, action: str | None
    ) -> dict[str, Any] | None:
        if action == "access":
            self._allow_on(request, ACCESS, secret)
            return secret.access(revision, self.unreadable)
        self._allow_on(request, READ if request.method == "GET" else WRITE, secret)
        version = secret.find(revision)
        if request.method == "DELETE":
            secret.delete_version(version)
            return None
        if action:
            version["status"] = "disabled" if action == "disable" else "enabled"
            version["deletion_requested_at"] = None
        return version


def _page(query: dict[str, str], name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    page, size = int(query.get("page", "1")), int(query.get("page_size", "20"))
    if page < 1 or not 1 <= size <= 100:
        raise invalid("page_size", "is out of range")
    return {name: items[(page - 1) * size : page * size], "total_count": len(items)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away, which many a test wants."""


def _handler(manager: SecretManager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            manager.connections += 1
            self.timeout = manager.idle
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.connection.close()
            manager.closed.set()

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            request = Request(self.command, parts.path, query, self.headers["X-Auth-Token"], dict(self.headers))
            manager.requests.append(request)
            manager.before(request)
            self._send((manager.faults.pop(0) if manager.faults else None) or self._true_answer(request, given))

        def _true_answer(self, request: Request, given: bytes) -> Canned:
            try:
                found = manager.answer(request, json.loads(given or b"{}"))
            except ApiError as error:
                return Canned(error.status, error.body)
            return Canned(204) if found is None else Canned(200, found)

        def _send(self, canned: Canned) -> None:
            body = canned.body if isinstance(canned.body, bytes) else json.dumps(canned.body).encode()
            self.send_response(canned.status)
            headers = {"Content-Type": canned.kind, "Content-Length": str(len(body)), "X-Request-Id": str(uuid.uuid4())}
            for name, value in (headers | canned.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: canned.cut])
            self.close_connection |= canned.cut is not None

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    return Handler
