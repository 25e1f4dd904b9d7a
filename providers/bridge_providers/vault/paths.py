"""Addresses, paths and mounts: what may be put into a request's URL, checked without a network."""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bridge.http.proxies import is_loopback
from bridge.provider import Problem, ProviderError

_REVISION: Final = re.compile(r"[1-9][0-9]{0,17}")


class Place(NamedTuple):
    """Where a document is, as far as its reference says: `mount` is empty where only the server can tell."""

    mount: str
    path: str
    in_full: bool = False  # the reference named the mount, so `data/` may be the API's own infix


def split(path: str, mount: str | None) -> Place:
    """Check a reference's path, and take the mount off where the reference repeats it; raises ProviderError."""
    problem = problem_of_path(path)
    if problem:
        raise ProviderError(f"the path {problem}")
    if mount is None:
        if "/" not in path:
            raise ProviderError("the path names a mount alone", hint="write mount/path, or give mount in the section")
        return Place("", path)
    mount = mount.strip("/")
    rest = path.removeprefix(f"{mount}/")
    return Place(mount, rest, in_full=rest != path)


def without_infix(place: Place) -> str:
    """Return the path within a version 2 engine: `kv/data/app`, as the HTTP API writes it, is the document `app`."""
    return place.path.removeprefix("data/") if place.in_full else place.path


def problem_of_path(path: str) -> str:
    """Say what is wrong with a path or a mount: the HTTP library would resolve or drop such parts in silence."""
    segments = path.split("/")
    if "" in segments:
        return "has an empty part: no slash at an end, no two in a row"
    if {".", ".."} & set(segments):
        return "has a part that is . or .."
    return "" if path.isprintable() else "has a control character"


def problem_of_address(address: str) -> str:
    """Say what is wrong with a server's address."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or not address.isascii() or " " in address:
        return "is not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "holds a credential"
    if parts.query or parts.fragment or ".." in parts.path.split("/"):
        return "has more than host, port and path"
    return ""


def in_clear(address: str) -> Problem | None:
    """Return a warning of an address that tokens and values travel to in clear; None for any other."""
    parts = urlsplit(address)
    if parts.scheme != "http" or is_loopback(parts.hostname or ""):
        return None
    what = f"{address} is plain http: the token and the values travel in clear"
    return Problem("", what, "give an https address", warning=True)


def version_of(revision: str | None) -> int | None:
    """Read a revision as a version's number; raises ProviderError. Vault takes 0 for the latest, hence not 0."""
    if revision is None:
        return None
    if not _REVISION.fullmatch(revision):
        raise ProviderError("the revision is not a version number", hint="write @1 or a higher number")
    return int(revision)
