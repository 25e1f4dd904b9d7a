"""Parse what a reference names: a secret, by folder and name or by ID, and a revision."""

import re
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.provider import NotFound, ProviderError

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REGION: Final = re.compile(r"[a-z]{2}-[a-z]{3}")
_REVISION: Final = re.compile(r"([1-9][0-9]{0,9})(?:/([0-9a-f]{8}))?")
_LONGEST: Final = 255  # characters of a folder's name
_FORMS: Final = "write [REGION:][PROJECT:]/FOLDER/NAME or [REGION:][PROJECT:]id:UUID"
LATEST: Final = "latest"
LATEST_ENABLED: Final = "latest_enabled"
NO_REGION: Final = "is not a region such as fr-par"


class Place(NamedTuple):
    """Where a secret is: an ID, or a folder (`/`, `/voice/staging`) and a name."""

    folder: str = ""
    name: str = ""
    id: str = ""


class Scope(NamedTuple):
    """The region and project ID that a reference names itself, if any."""

    region: str | None = None
    project_id: str | None = None


class Requested(NamedTuple):
    """The requested revision, as the API names it, and the prefix that the secret's ID must have."""

    revision: str = LATEST_ENABLED
    secret: str = ""


def is_uuid(text: str) -> bool:
    """Return whether a string is a UUID, the form of Scaleway's IDs and secret keys."""
    return _UUID.fullmatch(text) is not None


def is_region(text: str) -> bool:
    """Return whether a string has the form of a region name."""
    return _REGION.fullmatch(text) is not None


def parse(path: str) -> tuple[Scope, Place]:
    """Parse a reference's path, `[REGION:][PROJECT:]/folder/name` or `…id:UUID`; raise ProviderError if invalid."""
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
    raise ProviderError("the prefix of the path is neither a region nor a project ID", hint=_FORMS)


def _place(path: str) -> Place:
    if path.startswith("id:"):
        id_ = path.removeprefix("id:")
        if not is_uuid(id_):
            raise ProviderError("the ID after id: is not a UUID", hint=_FORMS)
        return Place(id=id_.lower())
    if not path.startswith("/"):
        raise ProviderError("the path does not begin with /", hint=_FORMS)
    if not all(_is_name(part) for part in path[1:].split("/")):
        raise ProviderError("the path contains an invalid folder or secret name", hint=_FORMS)
    folder, _, name = path.rpartition("/")
    return Place(folder=folder or "/", name=name)


def _is_name(part: str) -> bool:
    return 0 < len(part) <= _LONGEST and part.isprintable() and part not in {".", ".."}


def parse_revision(text: str | None) -> Requested:
    """Parse a reference's revision: a number, `latest`, `latest_enabled`, or the revision of a Document."""
    if text is None:
        return Requested()
    if text in (LATEST, LATEST_ENABLED):
        return Requested(text)
    match = _REVISION.fullmatch(text)
    if match is None:
        raise NotFound("the revision is invalid", hint="write a number, latest or latest_enabled")
    return Requested(match[1], match[2] or "")


def shown_revision(number: int, secret: str) -> str:
    """Format a revision with its secret's ID, because numbers restart at 1 if a secret is deleted and recreated."""
    return f"{number}/{secret[:8]}"
