"""The API server's address, the identity it must prove, and our credentials for it."""

import ssl
from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import SplitResult

from bridge.errors import ConfigError, Problem
from bridge.http import proxies
from bridge.http.proxies import is_loopback
from bridge.http.servers import same_server, split
from bridge.http.sockets import Address


def _nothing() -> None:
    """Do nothing: the credential never changes, so there is nothing to renew."""


class Endpoint:
    """An API server and our credentials for it; never anonymous.

    - `url`: https://host:port[/prefix], or http:// for a loopback address.
    - `headers`: returns the credentials for the next request. It is cheap and renews expired credentials; if it
      cannot, it raises ConfigError, Refusal or Unavailable.
    - `renew`: forgets the cached credential, for a server that no longer accepts it.
    - `proxy`: an http:// URL, which may contain the proxy's password.
    - `server_name`: the name in the server's certificate, if it differs from the URL's host.
    - `source`: where the settings come from, for messages.
    - `impersonation`: headers for each request; names may repeat.
    - `context`: the kubeconfig's context, or None for a pod's service account.
    - `pod_namespace`: the pod's namespace, or None for a kubeconfig's context.
    """

    def __init__(  # noqa: PLR0913 - a record
        self,
        *,
        url: str,
        tls: ssl.SSLContext | None,
        headers: Callable[[], Mapping[str, str]],
        proxy: str | None,
        server_name: str | None,
        source: str,
        warnings: tuple[str, ...],
        impersonation: tuple[tuple[str, str], ...] = (),
        renew: Callable[[], None] = _nothing,
        context: str | None = None,
        pod_namespace: str | None = None,
    ) -> None:
        """Refuse a URL that would send the credentials unencrypted."""
        secure = split_url(url, source, "server").scheme == "https"
        if secure is not (tls is not None):
            raise ValueError("https needs a TLS context, and http has none")
        self.url: Final = url
        self.tls: Final = tls
        self.headers: Final = headers
        self.proxy: Final = proxy
        self.server_name: Final = server_name
        self.source: Final = source
        self.warnings: Final = warnings
        self.impersonation: Final = impersonation
        self.renew: Final = renew
        self.context: Final = context
        self.pod_namespace: Final = pod_namespace

    @property
    def address(self) -> Address:
        """Return how to reach the server."""
        return Address(self.url, self.tls, self.server_name, self.proxy)


def is_bound_to(endpoint: Endpoint, servers: Collection[str]) -> bool:
    """Return whether the API server is one of these URLs, if there are any. Those do not count for a pod's account."""
    if not servers or endpoint.pod_namespace is not None:
        return True
    return any(same_server(endpoint.url, one) for one in servers)


def split_url(url: str, where: str, name: str) -> SplitResult:
    """Split the URL of an API server; raise ConfigError about the field `name` of `where` if it is invalid."""
    parts = split(url)
    if parts is None:
        raise ConfigError(Problem(where, f"{name} is not a URL such as https://host:6443"))
    if "@" in parts.netloc:
        raise ConfigError(Problem(where, f"{name} contains a username or a password"))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        message = f"{name} is plain http, which is allowed only for loopback addresses"
        raise ConfigError(Problem(where, message, "use https, so that secrets travel encrypted"))
    return parts


def proxy_from(environ: Mapping[str, str], url: str) -> str | None:
    """Return the environment's proxy for an API server; raise ConfigError, without its URL, if it is unusable."""
    proxy = proxies.proxy_from(environ, url)
    return None if proxy is None else checked_proxy(proxy.url, proxy.variable, "")


def checked_proxy(url: str, where: str, name: str) -> str:
    """Return a proxy's URL; raise ConfigError, without the URL, if it is unusable."""
    wrong = proxies.unusable(url)
    if wrong:
        hint = "only http:// proxies are supported" if wrong.startswith("not an http") else ""
        raise ConfigError(Problem(where, f"{name} is {wrong}" if name else wrong, hint))
    return url
