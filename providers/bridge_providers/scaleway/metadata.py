"""Use a secret's metadata to learn whether reading would use it up, and why it cannot be read."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.provider import Denied, NotFound, Problem, ProviderError, StoredVersion, Unavailable
from bridge_providers.scaleway import answers
from bridge_providers.scaleway.api import SecretManager
from bridge_providers.scaleway.paths import LATEST, LATEST_ENABLED, Place, is_uuid

if TYPE_CHECKING:
    import datetime as dt

_STATES: Final = frozenset({"disabled", "deleted", "scheduled_for_deletion"})
KEPT: Final = 7
"""How many days Secret Manager keeps a secret that is scheduled for deletion."""
_UNCHECKED: Final = "could not check whether reading it makes it expire (expires_once_accessed)"
_BURNS: Final = "not read, because reading it would make it expire (expires_once_accessed)"
_BURNS_HINT: Final = "move the value to a secret without expires_once_accessed"
_PERISHES: Final = "its revisions expire after some time (ephemeral policy)"
_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9:]{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")

Metadata = Mapping[str, Any]


def guard(api: SecretManager, place: Place, revision: str) -> Iterator[Problem]:
    """Refuse a secret that would expire when read; yield a warning if that could not be checked."""
    try:
        metadata = secret(api, place)
        policies = list(_policies(api, place, metadata, revision)) if metadata else []
    except Denied:
        yield Problem("", _UNCHECKED, f"grant the permission set {answers.METADATA}", warning=True)
        return
    if metadata is None:
        yield Problem("", _UNCHECKED, "check region and project_id: the secret is not listed", warning=True)
    if any(one.get("expires_once_accessed") is not False for one in policies):
        raise ProviderError(_BURNS, hint=_BURNS_HINT)
    if policies:
        yield Problem(
            "",
            _PERISHES,
            "use a secret without one: runs fail once the last revision expires",
            warning=True,
        )


def listed(api: SecretManager, place: Place) -> tuple[StoredVersion, ...]:
    """Return the revisions of a secret, newest first; raise NotFound if there is no such secret."""
    metadata = secret(api, place)
    if metadata is None:
        raise NotFound(f"no such secret in {api.shown(place)}", hint=answers.FRESH)
    versions = sorted(api.versions(id_of(metadata), place), key=number, reverse=True)
    return tuple(StoredVersion(str(number(one)), _created(one), _state(one)) for one in versions)


def _created(version: Metadata) -> str:
    moment = version.get("created_at")
    return moment if isinstance(moment, str) and _DATE.fullmatch(moment) else ""


def _state(version: Metadata) -> str:
    """Return why a revision cannot be read, or an empty text."""
    status = version.get("status")
    return "" if status == "enabled" else str(status).replace("_", " ") if status in _STATES else "not enabled"


def _policies(api: SecretManager, place: Place, metadata: Metadata, revision: str) -> Iterator[Metadata]:
    """Yield the policies of a secret and of its revision; a revision may have a policy even if the secret has none."""
    try:
        own = api.version(id_of(metadata), revision, place).get("ephemeral_properties")
    except NotFound:
        own = None  # no revision that could be used up
    for policy in (metadata.get("ephemeral_policy"), own):
        if policy is not None:
            yield policy if isinstance(policy, dict) else {}


def explained(api: SecretManager, place: Place, revision: str, error: ProviderError) -> ProviderError | Unavailable:
    """Return an error that explains a failed access from the metadata, or `error` if they explain nothing."""
    try:
        reason = _reason(api, place, revision)
    except Denied:
        problem = error.problems[0]
        hint = f"{problem.hint}; for the exact reason grant {answers.METADATA}".removeprefix("; ")
        return type(error)(problem.what, hint=hint)
    except (ProviderError, Unavailable):
        return error
    # Only a secret that was not found may still appear; any other refusal is its own reason.
    return error if reason is None or (isinstance(reason, Unavailable) and not isinstance(error, NotFound)) else reason


def _reason(api: SecretManager, place: Place, revision: str) -> ProviderError | Unavailable | None:
    metadata = secret(api, place) or _leaving(api, place)
    if metadata is None:
        return NotFound(f"no such secret in {api.shown(place)}", hint=answers.FRESH)
    if metadata.get("deletion_requested_at") is not None:
        return NotFound(f"it is scheduled for deletion{_since(metadata)}", hint=_until(metadata))
    if metadata.get("status") == "locked":
        return ProviderError("it is locked", hint="check the secret in the Scaleway console")
    return _reason_of_revision(api.versions(id_of(metadata), place), revision)


def _reason_of_revision(versions: list[Metadata], revision: str) -> NotFound | Unavailable:
    if not versions:
        return NotFound("it has no revision yet")
    newest = max(versions, key=number)
    if revision == LATEST_ENABLED:
        return _all_unfit(versions, newest)
    asked = [one for one in versions if str(one.get("revision")) == revision]
    if asked or revision == LATEST:
        return _unfit(asked[0] if asked else newest)
    return NotFound(f"it has no revision {revision}; the newest is {number(newest)}")


def _all_unfit(versions: list[Metadata], newest: Metadata) -> NotFound | Unavailable:
    """Explain why no revision can be read; if a revision is enabled, it just does not show up yet."""
    if any(one.get("status") == "enabled" for one in versions):
        return _not_yet_readable()
    problem = _unfit(newest).problems[0]
    return NotFound(f"no revision is enabled; {problem.what}", hint=problem.hint)


def _unfit(version: Metadata) -> NotFound | Unavailable:
    name, status = f"revision {number(version)}", version.get("status")
    if status == "disabled":
        return NotFound(f"{name} is disabled", hint="enable it, or use another revision")
    if status == "scheduled_for_deletion":
        return NotFound(f"{name} is scheduled for deletion{_since(version)}", hint=_until(version))
    if status == "enabled":
        return _not_yet_readable()
    return NotFound(f"{name} is {'deleted' if status == 'deleted' else 'not enabled'}")


def _not_yet_readable() -> Unavailable:
    return Unavailable("it is listed but cannot be read yet", hint=answers.LAGS)


def secret(api: SecretManager, place: Place) -> Metadata | None:
    """Return a secret's metadata, or None if no secret has that name or ID."""
    if not place.id:
        return next(iter(api.secrets(place, leaving=False)), None)
    try:
        return api.secret(place)
    except NotFound:
        return None


def _leaving(api: SecretManager, place: Place) -> Metadata | None:
    """Return the metadata of a secret scheduled for deletion; `secret` already finds it by its ID."""
    return None if place.id else next(iter(api.secrets(place, leaving=True)), None)


def id_of(metadata: Metadata) -> str:
    """Return a secret's ID; raise ProviderError if the answer has none."""
    id_ = metadata.get("id")
    if not isinstance(id_, str) or not is_uuid(id_):
        raise ProviderError("the API's answer has no secret ID")
    return id_


def number(version: Metadata) -> int:
    """Return a revision's number, or 0 if the answer has none."""
    value = version.get("revision")
    return value if isinstance(value, int) else 0


def _since(metadata: Metadata) -> str:
    moment = _moment(metadata)
    return f" since {_shown(moment)}" if moment else ""


def _until(metadata: Metadata) -> str:
    from datetime import timedelta  # noqa: PLC0415 - only needed for secrets that cannot be read

    moment = _moment(metadata)
    end = f"possible until {_shown(moment + timedelta(days=KEPT))}" if moment else f"possible for {KEPT} days"
    return f"restore it in the Scaleway console ({end})"


def _moment(metadata: Metadata) -> "dt.datetime | None":
    from datetime import datetime  # noqa: PLC0415 - as above

    text = metadata.get("deletion_requested_at")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _shown(moment: "dt.datetime") -> str:
    from datetime import UTC  # noqa: PLC0415 - as above

    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
