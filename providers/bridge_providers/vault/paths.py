"""Check the addresses, paths and mounts that become part of a request's URL, without using the network."""

import re
from typing import Final
from urllib.parse import urlsplit

from bridge.http.proxies import is_loopback
from bridge.named_tuple import NamedTuple
from bridge.provider import Problem, ProviderError

_REVISION: Final = re.compile(r"[1-9][0-9]{0,17}")


class Place(NamedTuple):
    """Where a document is, according to its reference; `mount` is empty if only the server knows it."""

    mount: str
    path: str
    in_full: bool = False  # the reference named the mount, so `data/` may be the API's own infix


def split(path: str, mount: str | None) -> Place:
    """Check a reference's path and strip the mount if the reference repeats it; raise ProviderError."""
    problem = problem_of_path(path)
    if problem:
        raise ProviderError(f"the path {problem}")
    if mount is None:
        if "/" not in path:
            raise ProviderError("the path names only a mount", hint="write MOUNT/PATH, or set mount in the section")
        return Place("", path)
    mount = mount.strip("/")
    rest = path.removeprefix(f"{mount}/")
    return Place(mount, rest, in_full=rest != path)


def without_infix(place: Place) -> str:
    """Return the path within a version 2 engine: `kv/data/app`, the HTTP API's form, is the document `app`."""
    return place.path.removeprefix("data/") if place.in_full else place.path


def problem_of_path(path: str) -> str:
    """Describe what is wrong with a path or a mount; the HTTP library would silently resolve or drop such parts."""
    segments = path.split("/")
    if "" in segments:
        return "has an empty part (a leading, trailing or double slash)"
    if {".", ".."} & set(segments):
        return "must not contain . or .. as a part"
    return "" if path.isprintable() else "contains a control character"


def problem_of_address(address: str) -> str:
    """Describe what is wrong with a server's address, or return ""."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or not address.isascii() or " " in address:
        return "is not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "contains a credential"
    if parts.query or parts.fragment or ".." in parts.path.split("/"):
        return "may contain only a host, a port and a path"
    return ""


def in_clear(address: str) -> Problem | None:
    """Return a warning if tokens and values travel unencrypted to the address, else None."""
    parts = urlsplit(address)
    if parts.scheme != "http" or is_loopback(parts.hostname or ""):
        return None
    message = f"{address} is plain http: the token and the values travel unencrypted"
    return Problem("", message, "use an https address", warning=True)


def version_of(revision: str | None) -> int | None:
    """Parse a revision as a version number; raise ProviderError. Refuse 0, which means the latest version to Vault."""
    if revision is None:
        return None
    if not _REVISION.fullmatch(revision):
        raise ProviderError("the revision is not a version number", hint="write @1 or a higher number")
    return int(revision)
