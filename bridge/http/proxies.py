"""Choose the proxy for a server: HTTPS_PROXY and NO_PROXY as Go's `net/http`, and so kubectl and scw, read them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from bridge.named_tuple import NamedTuple


class Proxy(NamedTuple):
    """A proxy's URL, which may contain a password, and the variable that names it. `wrong` is why it is unusable."""

    url: str
    variable: str
    wrong: str | None

    def __repr__(self) -> str:
        return f"Proxy({self.variable})"


def proxy_from(environ: Mapping[str, str], url: str) -> Proxy | None:
    """Return the environment's proxy for a server, or None if the server is reached directly.

    Plain http is only for loopback addresses, which never use the environment's proxy.
    """
    name, value = _first(environ, "HTTPS_PROXY", "https_proxy")
    if not value or _is_direct(url, environ):
        return None
    text = value if "://" in value else f"http://{value}"
    return Proxy(text, name, unusable(text))


def unusable(url: str) -> str | None:
    """Return why a proxy's URL is unusable, without quoting any part of it, or None if it is usable."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        return "not a URL such as http://host:3128"
    return None if parts.scheme == "http" else "not an http:// proxy"


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is this machine, without looking up anything."""
    if host == "localhost":
        return True
    from ipaddress import ip_address  # noqa: PLC0415 - most runs never need it

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
    name, entry_port = _split_port(entry)
    if entry_port not in {"", str(port)}:
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
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - start-up: most runs have no proxy

    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False
