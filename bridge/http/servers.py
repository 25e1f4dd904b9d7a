"""Whether two URLs mean the same server."""

from urllib.parse import SplitResult, urlsplit


def same_server(one: str, other: str) -> bool:
    """Return whether two valid URLs name the same server, and the same path on it."""
    return _place(urlsplit(one)) == _place(urlsplit(other))


def _place(parts: SplitResult) -> tuple[str, str, int, str]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path.rstrip("/")
