"""Where the API server is, what it must prove, and what we show it."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from bridge.config.server_url import split
from bridge.errors import ConfigError, Problem
from bridge.http.proxies import is_loopback


def _nothing() -> None:
    """Stand for the renewal of a credential that never changes."""


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A way to an API server that is not anonymous.

    `url` is https://host:port[/prefix], or http:// to a loopback address. `headers` returns the
    credentials for the next request; it is cheap and renews what expires (ConfigError, Refusal or
    Unavailable when it cannot). `renew` makes it forget what it has kept, for a server that accepts
    it no more. `proxy` is an http:// URL and may hold the proxy's password. `server_name` is the
    name that the server's certificate must carry, where it is not the URL's host. `source` says in
    messages where all this comes from. `impersonation` are headers for each request, some of them
    repeated. `context` is the name of the kubeconfig's context, None for a pod's own account;
    `pod_namespace` is the namespace of that pod, None for a kubeconfig's context.
    """

    url: str
    tls: ssl.SSLContext | None
    headers: Callable[[], Mapping[str, str]] = field(repr=False)
    proxy: str | None = field(repr=False)
    server_name: str | None
    source: str
    warnings: tuple[str, ...]
    impersonation: tuple[tuple[str, str], ...] = ()
    renew: Callable[[], None] = field(default=_nothing, repr=False)
    context: str | None = None
    pod_namespace: str | None = None

    def __post_init__(self) -> None:
        """Refuse a URL over which the credentials would travel in clear."""
        secure = split_url(self.url, self.source, "server").scheme == "https"
        if secure is not (self.tls is not None):
            raise ValueError("https needs a TLS context, and http has none")


def split_url(url: str, where: str, name: str) -> SplitResult:
    """Take apart the URL of an API server; ConfigError about the field `name` of `where`."""
    parts = split(url)
    if parts is None:
        raise ConfigError(Problem(where, f"{name} is not a URL such as https://host:6443"))
    if "@" in parts.netloc:
        raise ConfigError(Problem(where, f"{name} holds a user name or a password"))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        what = f"{name} is plain http and not a loopback address"
        raise ConfigError(Problem(where, what, "use https: secrets would travel in clear"))
    return parts
