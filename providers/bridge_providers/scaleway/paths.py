"""What a reference may name: a secret by folder and name or by its id, and one of its revisions."""

import re
from typing import Final, NamedTuple

from bridge.provider import NotFound, ProviderError

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REGION: Final = re.compile(r"[a-z]{2}-[a-z]{3}")
_REVISION: Final = re.compile(r"([1-9][0-9]{0,9})(?:/([0-9a-f]{8}))?")
_LONGEST: Final = 255  # characters of a folder's name
_FORMS: Final = "write /folder/name or id:UUID, perhaps behind REGION: or PROJECT:"
LATEST: Final = "latest"
LATEST_ENABLED: Final = "latest_enabled"
NO_REGION: Final = "is not a region such as fr-par"


class Place(NamedTuple):
    """Where a secret is: an id, or a folder (`/`, `/voice/staging`) and a name."""

    folder: str = ""
    name: str = ""
    id: str = ""


class Scope(NamedTuple):
    """Where a reference looks, if it says so itself: a region and a project's id."""

    region: str | None = None
    project_id: str | None = None


class Wanted(NamedTuple):
    """Which revision is asked for: what the API is asked, and how the secret's id has to begin."""

    revision: str = LATEST_ENABLED
    secret: str = ""


def is_uuid(text: str) -> bool:
    """Say whether a text has the form of Scaleway's ids and secret keys."""
    return _UUID.fullmatch(text) is not None


def is_region(text: str) -> bool:
    """Say whether a text has the form of a region's name."""
    return _REGION.fullmatch(text) is not None


def parse(path: str) -> tuple[Scope, Place]:
    """Read a reference's path, `[REGION:][PROJECT:]/folder/name` or `…id:UUID`; ProviderError for anything else."""
    scope, rest = Scope(), path
    while ":" in rest and not rest.startswith(("/", "id:")):
        head, _, rest = rest.partition(":")
        scope = _narrowed(scope, head)
    return scope, _place(rest)


def _narrowed(scope: Scope, head: str) -> Scope:
    if is_region(head) and scope == Scope():
        return Scope(head)
    if is_uuid(head) and scope.project_id is None:
        return scope._replace(project_id=head)
    raise ProviderError("what stands before the path is neither a region nor a project's id", hint=_FORMS)


def _place(path: str) -> Place:
    if path.startswith("id:"):
        given = path.removeprefix("id:")
        if not is_uuid(given):
            raise ProviderError("what follows id: is not a UUID", hint=_FORMS)
        return Place(id=given.lower())
    if not path.startswith("/"):
        raise ProviderError("the path does not begin with /", hint=_FORMS)
    if not all(_is_name(part) for part in path[1:].split("/")):
        raise ProviderError("a part of the path is no name of a folder or a secret", hint=_FORMS)
    folder, _, name = path.rpartition("/")
    return Place(folder=folder or "/", name=name)


def _is_name(part: str) -> bool:
    return 0 < len(part) <= _LONGEST and part.isprintable() and part not in {".", ".."}


def parse_revision(text: str | None) -> Wanted:
    """Read a reference's revision: a number, `latest`, `latest_enabled`, or what a Document's revision says."""
    if text is None:
        return Wanted()
    if text in (LATEST, LATEST_ENABLED):
        return Wanted(text)
    match = _REVISION.fullmatch(text)
    if match is None:
        raise NotFound("there can be no such revision", hint="write a number, latest or latest_enabled")
    return Wanted(match[1], match[2] or "")


def shown_revision(number: int, secret: str) -> str:
    """Name a revision: numbers begin with 1 again where a secret was deleted and made anew, so its id is a part."""
    return f"{number}/{secret[:8]}"
