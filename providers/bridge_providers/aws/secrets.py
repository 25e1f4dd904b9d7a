"""The documents of Secrets Manager.

A write never replaces a version that it did not read. It puts the new version under a label of its own, reads it back,
and moves AWSCURRENT to it from the expected version; AWS refuses that if AWSCURRENT has moved in between. AWSPREVIOUS
follows by itself. ClientRequestToken becomes the version's id, so a repeated request makes no second version
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html).
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from bridge.provider import Conflict, Document, Kind, NotFound, ProviderError, Revision, SecretValue, Unavailable
from bridge_providers.aws import content
from bridge_providers.aws.client import Deleted, Refused, Service

LONGEST: Final = 65536
"""Bytes (https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html)."""
_CURRENT: Final = "AWSCURRENT"
_PENDING: Final = "bridge-pending"
_VERSION: Final = re.compile(r"[A-Za-z0-9-]{32,64}")
_SUFFIX: Final = re.compile(r"-([A-Za-z0-9]{6})$")
_CHANGED: Final = "another client changed it in the meantime"
_UNKNOWN: Final = "compare the secret's versions with `aws secretsmanager list-secret-version-ids`"


def read(service: Service, name: str, revision: str | None) -> Document:
    """Return a secret's current version, or the one with this id or label."""
    which = {"VersionStage": _CURRENT}
    if revision is not None:
        which = {"VersionId" if _VERSION.fullmatch(revision) else "VersionStage": revision}
    answer = service.call("get_secret_value", SecretId=name, **which)
    given, id_ = _revision(answer)
    if (not name.startswith("arn:") and answer.get("Name") != name) or which.get("VersionId", id_) != id_:
        raise ProviderError("AWS returned another secret or version than requested", hint="write the secret's full ARN")
    return content.document(_value(answer), given, answer.get("CreatedDate"))


def _revision(answer: Mapping[str, Any]) -> tuple[Revision, str]:
    id_, arn = answer.get("VersionId"), answer.get("ARN")
    suffix = _SUFFIX.search(arn) if isinstance(arn, str) else None
    if not isinstance(id_, str) or not id_ or suffix is None:
        raise ProviderError("AWS's answer does not name its secret and version")
    return Revision(id_, content.microseconds(answer.get("CreatedDate")), suffix[1]), id_


def _value(answer: Mapping[str, Any]) -> SecretValue:
    text, data = answer.get("SecretString"), answer.get("SecretBinary")
    if isinstance(text, str):
        return SecretValue.of(text)
    if isinstance(data, bytes):
        return SecretValue(data, Kind.BYTES)
    raise ProviderError("AWS's answer contains no value")


def write(service: Service, name: str, document: Document, expect: Revision | None) -> Revision:
    """Add a version after `expect` and make it the current one, or create the secret."""
    value = content.stored(document, LONGEST)
    token = str(uuid.uuid4())
    if expect is None:
        _create(service, name, value, token)
    else:
        _replace(service, name, value, token, expect)
    return _written(service, name, value, token)


def _create(service: Service, name: str, value: SecretValue, token: str) -> None:
    """Create the secret. One that exists without a value gets its first, which AWS makes the current one."""
    try:
        service.call("create_secret", Name=name, ClientRequestToken=token, **_field(value))
    except Refused as error:
        if error.code != "ResourceExistsException":
            raise
    except Unavailable as error:
        _raise_unless_current(service, name, token, error)
    else:
        return
    if _current(service, name) not in {None, token}:
        raise Conflict("it exists already")
    _put(service, name, value, token)
    if _current(service, name) != token:
        raise Conflict(_CHANGED)


def _replace(service: Service, name: str, value: SecretValue, token: str, expect: Revision) -> None:
    if _current(service, name) != expect.id:
        raise Conflict(_CHANGED)
    _put(service, name, value, token)
    _compare(service, name, value, token)
    move = {"VersionStage": _CURRENT, "MoveToVersionId": token, "RemoveFromVersionId": expect.id}
    try:
        service.call("update_secret_version_stage", SecretId=name, **move)
    except Refused as error:
        if error.code != "InvalidParameterException":
            raise
        moved = False
    except Unavailable as error:
        _raise_unless_current(service, name, token, error)
        moved = True
    else:
        moved = True
    _drop_label(service, name, token)
    if not moved:
        raise Conflict(_CHANGED)


def _put(service: Service, name: str, value: SecretValue, token: str) -> None:
    """Add a version that is not the current one, unless it is the secret's first."""
    label = {"VersionStages": [_PENDING]}
    service.call("put_secret_value", SecretId=name, ClientRequestToken=token, **label, **_field(value))


def _field(value: SecretValue) -> Mapping[str, object]:
    return {"SecretString": value.reveal().decode()} if value.is_text() else {"SecretBinary": value.reveal()}


def _drop_label(service: Service, name: str, token: str) -> None:
    """Take the write's own label off, so that AWS may delete an unused version. It does no harm if it stays."""
    try:
        service.call("update_secret_version_stage", SecretId=name, VersionStage=_PENDING, RemoveFromVersionId=token)
    except (ProviderError, Unavailable):
        return


def _current(service: Service, name: str) -> str | None:
    """Return the id of the current version, or None if the secret has none; Deleted if it is about to be deleted."""
    try:
        return read(service, name, None).revision.id
    except Deleted:
        raise
    except NotFound:
        return None


def _raise_unless_current(service: Service, name: str, token: str, lost: Unavailable) -> None:
    """After a lost answer: return if the version is the current one, raise if it is not or if that is unknown."""
    try:
        current = _current(service, name)
    except (ProviderError, Unavailable):
        message = f"version {token} may or may not be the current one: {lost.problems[0].what}"
        raise ProviderError(message, hint=_UNKNOWN) from None
    if current != token:
        raise lost


def _compare(service: Service, name: str, value: SecretValue, token: str) -> Revision:
    answer = service.call("get_secret_value", SecretId=name, VersionId=token)
    if not _value(answer).same_as(value):
        raise ProviderError(f"version {token} reads back differently; it is not current", hint=_UNKNOWN)
    return _revision(answer)[0]


def _written(service: Service, name: str, value: SecretValue, token: str) -> Revision:
    """Read the written version back and return its revision."""
    try:
        return _compare(service, name, value, token)
    except (NotFound, Unavailable) as error:
        message = f"version {token} is written and current, but cannot be read back: {error.problems[0].what}"
    raise ProviderError(message, hint=_UNKNOWN)
