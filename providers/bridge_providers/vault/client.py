"""hvac with its unsafe defaults turned off, in one place.

- It follows redirects with the token (it strips only Authorization). We follow none.
- It resolves `..` in paths. Callers refuse such paths, and so does this module.
- It drops `verify` if it is given a session, and REQUESTS_CA_BUNDLE overrides it. We use our own TLS context.
- It reads VAULT_CACERT, VAULT_CLIENT_CERT and the token from the process's environment. We pass all explicitly.
- It sends an old token with a login. Our clients never change their identity.
- Its errors contain the body. We return every answer, with any status, as a `Reply`.
- Its timeout applies to each packet. We limit the whole request.
- It parses numbers. We keep their text.
- http.client takes an interim answer for the final one, and gives up after 100 headers. `Response` does not.
- requests reads ~/.netrc, keeps cookies, and shows header values in errors. We prevent all three.
"""

import http.client
import http.cookiejar
import queue
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import hvac
import hvac.adapters
import requests
import requests.adapters
import requests.utils
import urllib3
import urllib3.connection

from bridge.http.response import Response
from bridge.provider import JsonError, Node, ProviderError, Unavailable, parse_json
from bridge_providers.vault import answers, paths, tls
from bridge_providers.vault.answers import Reply
from bridge_providers.vault.settings import Settings

LIMIT: Final = 32 * 2**20
"""The longest answer, in bytes: as much as Vault takes in one request (max_request_size)."""

Client: TypeAlias = hvac.Client
Outcome: TypeAlias = Reply | ProviderError | Unavailable


class Connection:
    """A connection to one server. `client()` returns hvac clients, which threads may use concurrently.

    A request returns a `Reply`, or raises Unavailable or ProviderError if no complete answer arrives.
    """

    def __init__(self, settings: Settings, deadline: float) -> None:
        self.address: Final = settings.address
        self._settings: Final = settings
        self._deadline = deadline
        self._forward = False
        self._session: Final = _session(settings)

    def client(self, token: str | None = None, namespace: str | None = None) -> Client:
        """Return a client that sends this token, or no token."""
        return hvac.Client(
            url=self._settings.address,
            token=token or "",  # with None, hvac would look for a token itself
            verify=True,  # with None, hvac would use VAULT_CACERT; our TLS context decides
            namespace=namespace,
            allow_redirects=False,
            session=self._session,
            adapter=partial(_Adapter, self),
        )

    def allow(self, seconds: float) -> None:
        """Give all later requests this many seconds, even past the run's deadline, so that tokens can be revoked."""
        self._deadline = time.monotonic() + seconds

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def bounded(self, send: Callable[..., requests.Response]) -> Reply:
        """Send one request and read its answer within the time limit."""
        limit = min(self._settings.timeout, self._deadline - time.monotonic())
        if limit <= 0:
            raise Unavailable("no time left for a request", hint="raise --timeout")
        headers = {"X-Vault-Inconsistent": "forward-active-node"} if self._forward else {}
        answer: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        # Use a thread: the timeout of `requests` applies to each packet, so a slowly dribbling server never hits it.
        # That timeout is longer than ours and ends the thread.
        work = partial(self._send, send, answer, {"timeout": limit + 1, "headers": headers, "stream": True})
        threading.Thread(target=work, daemon=True).start()
        try:
            outcome = answer.get(timeout=limit)
        except queue.Empty:
            outcome = self._unavailable(f"did not answer completely within {limit:.3g} s")
        if not isinstance(outcome, Reply):
            raise outcome
        # A standby that lags behind can forward the next attempt to the active node:
        # https://developer.hashicorp.com/vault/docs/enterprise/consistency
        self._forward = self._forward or outcome.status == 412
        return outcome

    def _send(
        self, send: Callable[..., requests.Response], answer: "queue.SimpleQueue[Outcome]", options: Mapping[str, Any]
    ) -> None:
        try:
            with send(**options) as response:
                answer.put(_reply(response))
        except Exception as error:  # noqa: BLE001 - also catches urllib3's errors, any of which may contain a header
            answer.put(self._failure(error))

    def _failure(self, error: Exception) -> ProviderError | Unavailable:
        """Return the error for a transport failure, without the failure's own text."""
        certificate_error = tls.failure(error, self._settings.address)
        if certificate_error is not None:
            return certificate_error
        if isinstance(error, requests.exceptions.ProxyError):
            return self._unavailable("cannot be reached through the proxy")
        if isinstance(error, requests.exceptions.Timeout):
            return self._unavailable("did not answer in time")
        if isinstance(error, requests.exceptions.ConnectionError):
            return self._unavailable("cannot be reached")
        if isinstance(error, (requests.exceptions.RequestException, OSError)):
            return self._unavailable("closed the connection")
        return ProviderError(f"the request failed ({type(error).__name__})")

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(f"{self._settings.address} {reason}", hint="check the address and the network")


class _Adapter(hvac.adapters.RawAdapter):  # type: ignore[misc] # hvac has no types
    """Makes every hvac method return a `Reply`."""

    def __init__(self, connection: Connection, **options: Any) -> None:  # noqa: ANN401 - hvac's own
        super().__init__(**options)
        self._connection = connection

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,  # noqa: ARG002 - hvac's signature
        **options: Any,  # noqa: ANN401 - as above
    ) -> Reply:
        """Send a request within the connection's limits."""
        problem = paths.problem_of_path(url.strip("/"))
        if problem:
            raise ProviderError(f"the path {problem}")
        base = super().request

        def send(**more: Any) -> requests.Response:  # noqa: ANN401 - as above
            more["headers"] = {**(headers or {}), **more["headers"]}
            response: requests.Response = base(method, url, raise_exception=False, **options, **more)
            return response

        return self._connection.bounded(send)


class _Response(Response):
    """An answer that skips interim answers and has its headers where urllib3 looks for them."""

    def begin(self, **more: object) -> None:
        super().begin(**more)
        self.headers = self.msg = http.client.HTTPMessage()
        for name, value in self.head.fields.items():
            self.headers[name] = value


class _Plain(urllib3.connection.HTTPConnection):
    response_class = _Response


class _Secure(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


_POOLS: Final = {"http": _PlainPool, "https": _SecurePool}


class _Transport(requests.adapters.HTTPAdapter):
    """Connections with our own TLS context; the verify settings of `requests` are ignored."""

    def __init__(self, settings: Settings) -> None:
        self._tls: dict[str, Any] = {}
        if settings.address.startswith("https:"):
            self._tls["ssl_context"] = tls.context(settings)
        if self._tls and settings.server_name:
            self._tls["server_hostname"] = settings.server_name
        if not settings.verify:
            # The session warns once in the report; urllib3 would warn on stderr for each request.
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        super().__init__(pool_maxsize=16)

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:  # noqa: ANN401 - requests' own
        """Make connections parse answers with bridge's own `Response`."""
        super().init_poolmanager(*sizes, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:  # noqa: ANN401 - as above
        """Do the same for connections through a proxy."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,
        cert: str | tuple[str, str] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return where to connect and with which TLS context."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, dict(self._tls)

    def cert_verify(self, conn: object, url: str, verify: object, cert: object) -> None:
        """Do nothing: `requests` would add its own CA bundle to the context."""


def _session(settings: Settings) -> requests.Session:
    """Return a session that threads can share: without cookies, nothing in it changes."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.proxies = _proxies(settings)
    transport = _Transport(settings)
    session.mount("http://", transport)
    session.mount("https://", transport)
    return session


def _proxies(settings: Settings) -> dict[str, str]:
    if not settings.proxy or requests.utils.should_bypass_proxies(settings.address, settings.direct):
        return {}
    proxy = settings.proxy if "://" in settings.proxy else f"http://{settings.proxy}"
    return {"http": proxy, "https": proxy}


def _reply(response: requests.Response) -> Outcome:
    """Read a whole answer, up to the limit."""
    content = bytearray()
    for piece in response.iter_content(2**16):
        content += piece
        if len(content) > LIMIT:
            return ProviderError(f"the answer is longer than {LIMIT // 2**20} MiB")
    parsed = _object(bytes(content))
    is_cut_off = content.startswith(b"{") and not content.rstrip().endswith(b"}")
    if parsed is None and is_cut_off and response.status_code == requests.codes.ok:
        return Unavailable("the answer is incomplete", hint="check the network and the proxies on the way")
    return Reply(
        response.status_code,
        parsed,
        answers.seconds(response.headers.get("Retry-After"), response.headers.get("Date")),
        _place(response.headers.get("Location", "")),
    )


def _object(content: bytes) -> Mapping[str, Node] | None:
    """Return an answer's JSON object, or None if it is anything else."""
    try:
        parsed = parse_json(content)
    except JsonError:
        return None
    return parsed if isinstance(parsed, Mapping) else None


def _place(location: str) -> str:
    """Return the server that a redirect names, or "" if it names none that can be shown."""
    try:
        parts = urlsplit(location[:300])
    except ValueError:
        return ""
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    return place if place.isprintable() else ""
