"""What only the metadata tell: whether a secret expires once it is read, and why one cannot be read."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.provider import Denied, NotFound, Problem, ProviderError, Unavailable
from bridge_providers.scaleway import answers
from bridge_providers.scaleway.api import Api
from bridge_providers.scaleway.paths import LATEST, LATEST_ENABLED, Place, is_uuid

if TYPE_CHECKING:
    import datetime as dt

KEPT: Final = 7
"""How many days the store keeps what is scheduled for deletion."""
_UNCHECKED: Final = "whether it expires once it is read could not be checked before reading it"
_BURNS: Final = "it expires once it is read, so it is not read"
_BURNS_HINT: Final = "keep what is read again and again in a secret without expires_once_accessed"
_PERISHES: Final = "its revisions expire after a time (ephemeral policy)"
_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9:]{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")

Metadata = Mapping[str, Any]


def guard(api: Api, place: Place, revision: str) -> Iterator[Problem]:
    """Refuse a secret that would be used up by reading it; yield warnings about what could not be told."""
    try:
        found = secret(api, place)
        policies = list(_policies(api, place, found, revision)) if found else []
    except Denied:
        yield Problem("", _UNCHECKED, f"the permission set {answers.METADATA} allows it", warning=True)
        return
    if found is None:
        yield Problem("", _UNCHECKED, "the store does not list it", warning=True)
    if any(one.get("expires_once_accessed") is not False for one in policies):
        raise ProviderError(_BURNS, hint=_BURNS_HINT)
    if policies:
        yield Problem("", _PERISHES, "a run stops once the last one has expired", warning=True)


def _policies(api: Api, place: Place, found: Metadata, revision: str) -> Iterator[Metadata]:
    """Yield the policies of a secret and of the revision, which may have one although the secret has none."""
    try:
        own = api.version(id_of(found), revision, place).get("ephemeral_properties")
    except NotFound:
        own = None  # there is nothing to be used up
    for policy in (found.get("ephemeral_policy"), own):
        if policy is not None:
            yield policy if isinstance(policy, dict) else {}


def explained(api: Api, place: Place, revision: str, error: ProviderError) -> ProviderError | Unavailable:
    """Return a better error than that of an access, or the same one where the metadata tell no more."""
    try:
        found = _reason(api, place, revision)
    except Denied:
        problem = error.problems[0]
        hint = f"{problem.hint}; with the permission set {answers.METADATA} bridge could tell more".removeprefix("; ")
        return type(error)(problem.what, hint=hint)
    except (ProviderError, Unavailable):
        return error
    # Only what was not found may be late: of any other refusal the store's own word is the reason.
    return error if found is None or (isinstance(found, Unavailable) and not isinstance(error, NotFound)) else found


def _reason(api: Api, place: Place, revision: str) -> ProviderError | Unavailable | None:
    found = secret(api, place) or _leaving(api, place)
    if found is None:
        return NotFound(f"no such secret in {api.shown(place)}", hint=answers.FRESH)
    if found.get("deletion_requested_at") is not None:
        return NotFound(f"it is scheduled for deletion{_since(found)}", hint=_until(found))
    if found.get("status") == "locked":
        return ProviderError("it is locked", hint="see the secret in the console")
    return _reason_of_revision(api.versions(id_of(found), place), revision)


def _reason_of_revision(versions: list[Metadata], revision: str) -> NotFound | Unavailable:
    if not versions:
        return NotFound("it has no revision yet")
    newest = max(versions, key=number)
    if revision == LATEST_ENABLED:
        return _all_unfit(versions, newest)
    asked = [one for one in versions if str(one.get("revision")) == revision]
    if asked or revision == LATEST:
        return _unfit(asked[0] if asked else newest)
    return NotFound(f"it has no revision {revision}; its newest is {number(newest)}")


def _all_unfit(versions: list[Metadata], newest: Metadata) -> NotFound | Unavailable:
    """Explain why none of the revisions is read; if one could be, the access is only late."""
    if any(one.get("status") == "enabled" for one in versions):
        return _late()
    problem = _unfit(newest).problems[0]
    return NotFound(f"none of its revisions is enabled: the newest, {problem.what}", hint=problem.hint)


def _unfit(version: Metadata) -> NotFound | Unavailable:
    name, status = f"revision {number(version)}", version.get("status")
    if status == "disabled":
        return NotFound(f"{name} is disabled", hint="enable it, or ask for another one")
    if status == "scheduled_for_deletion":
        return NotFound(f"{name} is scheduled for deletion{_since(version)}", hint=_until(version))
    if status == "enabled":
        return _late()
    return NotFound(f"{name} is {'deleted' if status == 'deleted' else 'not enabled'}")


def _late() -> Unavailable:
    return Unavailable("the store lists it, and does not hand it out yet", hint=answers.LAGS)


def secret(api: Api, place: Place) -> Metadata | None:
    """Return the metadata of a secret; None where the store has none by that name or id."""
    if not place.id:
        return next(iter(api.secrets(place, leaving=False)), None)
    try:
        return api.secret(place)
    except NotFound:
        return None


def _leaving(api: Api, place: Place) -> Metadata | None:
    """Return the metadata of a secret that is scheduled for deletion; by its id it is found anyway."""
    return None if place.id else next(iter(api.secrets(place, leaving=True)), None)


def id_of(found: Metadata) -> str:
    """Return a secret's id; ProviderError where the answer has none."""
    id_ = found.get("id")
    if not isinstance(id_, str) or not is_uuid(id_):
        raise ProviderError("the API's answer has no secret's id")
    return id_


def number(version: Metadata) -> int:
    """Return a revision's number, 0 where the answer has none."""
    found = version.get("revision")
    return found if isinstance(found, int) else 0


def _since(found: Metadata) -> str:
    moment = _moment(found)
    return f" since {_shown(moment)}" if moment else ""


def _until(found: Metadata) -> str:
    from datetime import timedelta  # noqa: PLC0415 - only for what cannot be read

    moment = _moment(found)
    end = f"until {_shown(moment + timedelta(days=KEPT))}" if moment else f"for {KEPT} days"
    return f"it can be restored {end}"


def _moment(found: Metadata) -> "dt.datetime | None":
    from datetime import datetime  # noqa: PLC0415 - as above

    text = found.get("deletion_requested_at")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _shown(moment: "dt.datetime") -> str:
    from datetime import UTC  # noqa: PLC0415 - as above

    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
