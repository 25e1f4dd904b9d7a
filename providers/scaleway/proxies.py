"""Which proxy leads to the API: HTTPS_PROXY and NO_PROXY, as Go's `net/http` (and so `scw`) reads them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from bridge.provider import ProviderError, SecretValue


def proxy(environ: Mapping[str, str], url: str) -> SecretValue | None:
    """Return the proxy's URL, which may hold a password; None where the API is reached directly."""
    value = environ.get("HTTPS_PROXY") or environ.get("https_proxy")
    if not value or _is_direct(url, environ):
        return None
    text = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and text.isascii() and text.isprintable()
    except ValueError:
        usable = False
    if not usable or parts.scheme != "http":
        raise ProviderError("HTTPS_PROXY is not the URL of an http:// proxy", hint="write it as http://host:3128")
    return SecretValue.of(text)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine by its very name or address; nothing is looked up."""
    if host == "localhost":
        return True
    from ipaddress import ip_address  # noqa: PLC0415 - most runs never need it

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_direct(url: str, environ: Mapping[str, str]) -> bool:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    entries = (environ.get("NO_PROXY") or environ.get("no_proxy") or "").lower().split(",")
    return is_loopback(host) or any(_matches(entry.strip(), host, port) for entry in entries)


def _matches(entry: str, host: str, port: int) -> bool:
    """Compare one entry of NO_PROXY: `*`, a name with everything below it, a network; each perhaps with a port."""
    if not entry or entry == "*":
        return entry == "*"
    if "/" in entry:
        return _in_network(entry, host)
    name, colon, given = entry.partition(":")
    if colon and given != str(port):
        return False
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _in_network(entry: str, host: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - as above

    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False
