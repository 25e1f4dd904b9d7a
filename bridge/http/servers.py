"""Compare the servers of two URLs."""

from urllib.parse import SplitResult, urlsplit


def same_server(left: str, right: str) -> bool:
    """Return whether two valid URLs name the same server, and the same path on it."""
    return _place(urlsplit(left)) == _place(urlsplit(right))


def _place(parts: SplitResult) -> tuple[str, str, int, str]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path.rstrip("/")
