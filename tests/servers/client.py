"""Raw requests to a Kubernetes API, so that tests see exactly what the server answers."""

import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from typing import Any, Final

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
TIMEOUT: Final = 30.0


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its headers with lower-case names, and its body, parsed where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Client:
    """A server's address and who we are there. Each request has its own connection."""

    url: str
    token: str | None = None
    tls: ssl.SSLContext | None = None

    def request(  # noqa: PLR0917 - the order is that of an HTTP request
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send one request; `body` is sent as JSON, or as it is where it is bytes."""
        connection = self._connection()
        try:
            connection.request(method, path, _encoded(body), self._headers(content_type, token) | (headers or {}))
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, fields, _decoded(content, fields))

    def _connection(self) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.netloc, context=self.tls, timeout=TIMEOUT)
        return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)

    def _headers(self, content_type: str, token: str | None) -> dict[str, str]:
        token = self.token if token is None else token
        headers = {"Content-Type": content_type, "Accept": JSON, "User-Agent": "bridge-tests/1"}
        return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _encoded(body: object) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def _decoded(content: bytes, headers: dict[str, str]) -> object:
    if content and headers.get("content-type", "").startswith(JSON):
        return json.loads(content)
    return content.decode(errors="replace")
