"""Validates the URL of an API server."""

from urllib.parse import SplitResult, urlsplit


def split(url: str) -> SplitResult | None:
    """Split a URL such as https://host:6443/prefix, or return None if it is invalid."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable and url.isascii() and not (parts.query or parts.fragment) else None
