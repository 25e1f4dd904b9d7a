"""The URLs of servers: whether one is valid, and whether two mean the same server."""

from urllib.parse import SplitResult, urlsplit


def same_server(left: str, right: str) -> bool:
    """Return whether two valid URLs name the same server, and the same path on it."""
    return _place(urlsplit(left)) == _place(urlsplit(right))


def _place(parts: SplitResult) -> tuple[str, str, int, str]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path.rstrip("/")


def split(url: str) -> SplitResult | None:
    """Split a URL such as https://host:6443/prefix, or return None if it is invalid."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable and url.isascii() and not (parts.query or parts.fragment) else None
