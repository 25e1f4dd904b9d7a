"""Which proxy leads to the API server."""

from collections.abc import Mapping

from bridge.errors import ConfigError, Problem
from bridge.http import proxies


def proxy_from(environ: Mapping[str, str], url: str) -> str | None:
    """Return the environment's proxy for an API server; ConfigError, without its URL, where it is of no use."""
    found = proxies.proxy_from(environ, url)
    return None if found is None else checked_proxy(found.url, found.variable, "")


def checked_proxy(url: str, where: str, name: str) -> str:
    """Return a proxy's URL if it is one that can be used; ConfigError, without the URL, if not."""
    wrong = proxies.unusable(url)
    if wrong:
        hint = "only http:// proxies are supported" if wrong.startswith("not an http") else ""
        raise ConfigError(Problem(where, f"{name} is {wrong}" if name else wrong, hint))
    return url
