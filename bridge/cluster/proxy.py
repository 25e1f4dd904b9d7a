"""Which proxy leads to the API server: HTTPS_PROXY and NO_PROXY as Go's `net/http` reads them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from bridge.cluster.endpoint import is_loopback
from bridge.errors import ConfigError, Problem


def proxy_from(environ: Mapping[str, str], url: str) -> str | None:
    """Return the environment's proxy for an API server, or None where it is reached directly.

    Plain http is for loopback addresses only, and those never take the environment's proxy.
    """
    name, value = _first(environ, "HTTPS_PROXY", "https_proxy")
    if not value or _is_direct(url, environ):
        return None
    return checked_proxy(value if "://" in value else f"http://{value}", name, "")


def checked_proxy(url: str, where: str, name: str) -> str:
    """Return a proxy's URL if it is one that can be used; ConfigError, without the URL, if not."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:
        usable = False
    subject = f"{name} is " if name else ""
    if not usable:
        raise ConfigError(Problem(where, f"{subject}not a URL such as http://host:3128"))
    if parts.scheme != "http":
        raise ConfigError(Problem(where, f"{subject}not an http:// proxy", "only those are supported"))
    return url


def _first(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    return next(((name, environ[name]) for name in names if environ.get(name)), ("", ""))


def _is_direct(url: str, environ: Mapping[str, str]) -> bool:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    entries = _first(environ, "NO_PROXY", "no_proxy")[1].lower().split(",")
    return is_loopback(host) or any(_matches(entry.strip(), host, port) for entry in entries)


def _matches(entry: str, host: str, port: int) -> bool:
    if not entry or entry == "*":
        return entry == "*"
    if "/" in entry:
        return _in_network(entry, host)
    name, given = _split_port(entry)
    if given not in {"", str(port)}:
        return False
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = entry.partition(":")
    return (entry, "") if ":" in port else (name, port if colon else "")


def _in_network(entry: str, host: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 -- start-up: most runs have no proxy

    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False
