"""The URL of an API server: whether it is valid, and whether two of them mean the same server."""

from urllib.parse import SplitResult, urlsplit


def split(url: str) -> SplitResult | None:
    """Take apart a URL such as https://host:6443/prefix, or return None if it is not valid."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable and url.isascii() and not (parts.query or parts.fragment) else None


def same_server(one: str, other: str) -> bool:
    """Return whether two valid URLs name the same API server."""
    return _place(urlsplit(one)) == _place(urlsplit(other))


def _place(parts: SplitResult) -> tuple[str, str, int, str]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path.rstrip("/")
