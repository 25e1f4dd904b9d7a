"""Choose the proxy for the API server."""

from collections.abc import Mapping

from bridge.errors import ConfigError, Problem
from bridge.http import proxies


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
