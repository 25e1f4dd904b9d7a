"""The few Secret Manager requests that bridge needs (v1beta1): access, metadata, create and add a revision."""

import json
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from bridge.http.sockets import Address
from bridge.http.tls import trusting_the_system
from bridge.http.transport import Failed, Request, Transport
from bridge.provider import ProviderError, SecretValue, Unavailable
from bridge_providers.scaleway import answers
from bridge_providers.scaleway.paths import Place
from bridge_providers.scaleway.settings import Settings

TIMEOUT: Final = 30.0  # seconds, as in the vendor's Go client
PAGE: Final = 50
_PAGES: Final = 100  # more pages than any quota allows; stops a server whose list never ends


LIMIT: Final = 8 << 20
"""The longest answer, in bytes: a secret has up to 64 KiB, and a page has the metadata of up to 50 secrets."""


class SecretManager:
    """Secret Manager in one region. Every method may raise Denied, NotFound, ProviderError or Unavailable."""

    def __init__(self, settings: Settings, deadline: float) -> None:
        self._settings: Final = settings
        self._deadline: Final = deadline
        self._transport: Final = Transport(_address(settings))
        self._root: Final = f"{urlsplit(settings.url).path}/secret-manager/v1beta1/regions/{settings.region}"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def shown(self, place: Place) -> str:
        """Describe where a secret is looked for, for messages."""
        region = f"region {self._settings.region}"
        return region if place.id else f"project {self._project()}, {region}"

    def access(self, place: Place, revision: str) -> Mapping[str, Any]:
        """Return a revision with its data, in one request."""
        if place.id:
            return self._get(f"/secrets/{place.id}/versions/{revision}/access", {}, place, answers.ACCESS)
        where = {"secret_path": place.folder, "secret_name": place.name, "project_id": self._project()}
        return self._get(f"/secrets-by-path/versions/{revision}/access", where, place, answers.ACCESS)

    def secret(self, place: Place) -> Mapping[str, Any]:
        """Return the metadata of the secret with this ID, even if it is scheduled for deletion."""
        return self._get(f"/secrets/{quote(place.id)}", {}, place, answers.METADATA)

    def secrets(self, place: Place, *, leaving: bool) -> list[Mapping[str, Any]]:
        """List the secrets with this folder and name: those scheduled for deletion (`leaving`), or all others."""
        query = {
            "project_id": self._project(),
            "path": place.folder,
            "name": place.name,
            "order_by": "name_asc",
            "scheduled_for_deletion": str(leaving).lower(),
        }
        listed = self._pages("/secrets", query, "secrets", place)
        # A server ignores filters that it does not know.
        return [one for one in listed if one.get("name") == place.name and one.get("path") == place.folder]

    def version(self, secret: str, revision: str, place: Place) -> Mapping[str, Any]:
        """Return the metadata of one revision."""
        return self._get(f"/secrets/{quote(secret)}/versions/{revision}", {}, place, answers.METADATA)

    def versions(self, secret: str, place: Place) -> list[Mapping[str, Any]]:
        """List the metadata of all revisions, newest first."""
        return self._pages(f"/secrets/{quote(secret)}/versions", {}, "versions", place)

    def create(self, place: Place, kind: str) -> Mapping[str, Any]:
        """Create a secret without a revision; raise Conflict if its name is already in use."""
        body = {"project_id": self._project(), "path": place.folder, "name": place.name, "type": kind}
        return self._request("/secrets", json.dumps(body).encode(), place, answers.WRITE)

    def add(self, secret: str, data: SecretValue, place: Place) -> Mapping[str, Any]:
        """Add a revision; older revisions stay unchanged."""
        # Send no checksum: what it covers is not documented, and a wrong checksum would be refused.
        body = b'{"data":"%s"}' % b64encode(data.reveal())
        return self._request(f"/secrets/{quote(secret)}/versions", body, place, answers.WRITE)

    def _project(self) -> str:
        if self._settings.project_id is None:
            hint = "set SCW_DEFAULT_PROJECT_ID or the section's project_id"
            raise ProviderError("no project is configured", hint=hint)
        return self._settings.project_id

    def _pages(self, path: str, query: Mapping[str, str], field: str, place: Place) -> list[Mapping[str, Any]]:
        items_so_far: list[Mapping[str, Any]] = []
        for number in range(1, _PAGES + 1):
            page = self._get(path, {**query, "page": str(number), "page_size": str(PAGE)}, place, answers.METADATA)
            items, total = page.get(field), page.get("total_count")
            if not isinstance(items, list) or not isinstance(total, int):
                raise ProviderError(f"the API's answer is not a list of {field}")
            items_so_far += [one for one in items if isinstance(one, dict)]
            if not items or len(items_so_far) >= total:
                return items_so_far
        raise ProviderError(f"the API's list of {field} does not end")

    def _get(self, path: str, query: Mapping[str, str], place: Place, permission: str) -> Mapping[str, Any]:
        return self._request(f"{path}{'?' if query else ''}{urlencode(query)}", None, place, permission)

    def _request(self, target: str, body: bytes | None, place: Place, permission: str) -> Mapping[str, Any]:
        limit = min(TIMEOUT, self._deadline - time.monotonic())
        if limit <= 0:
            raise Unavailable("no time left for a request", hint="raise --timeout")
        method = "GET" if body is None else "POST"
        answer = self._transport.exchange(Request(method, f"{self._root}{target}", self._headers(body), body), limit)
        if isinstance(answer, Failed):
            raise self._failed(answer)
        content = answers.body(answer) if answer.status == 200 else None
        if content is None:
            raise answers.failure(answer, answers.Asked(permission, self.shown(place), self._settings.key_place))
        return content

    def _headers(self, body: bytes | None) -> list[tuple[str, str]]:
        key = self._settings.secret_key.reveal().decode()
        kind = [] if body is None else [("Content-Type", "application/json")]
        return [("Accept", "application/json"), ("User-Agent", "bridge"), *kind, ("X-Auth-Token", key)]

    def _failed(self, failed: Failed) -> ProviderError | Unavailable:
        message = f"the API at {self._settings.url} {failed.what}"
        if failed.untrusted:
            return ProviderError(message, hint="add its CA to the system's CAs, or set SSL_CERT_FILE")
        if failed.refused:
            return ProviderError(message, hint="check SCW_API_URL and HTTPS_PROXY: the API needs no client certificate")
        if failed.too_long:
            return ProviderError(message, hint="check SCW_API_URL and HTTPS_PROXY")
        return Unavailable(message)


def _address(settings: Settings) -> Address:
    """Trust the system's CAs, or those in SSL_CERT_FILE and SSL_CERT_DIR, which OpenSSL reads itself."""
    tls = trusting_the_system() if settings.url.startswith("https:") else None
    proxy = None if settings.proxy is None else settings.proxy.reveal().decode()
    return Address(settings.url, tls, proxy=proxy, max_answer=LIMIT)
