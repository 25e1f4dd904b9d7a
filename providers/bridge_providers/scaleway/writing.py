"""Add a revision to a secret if the newest revision is the expected one.

The API has no compare-and-set, but it numbers revisions without gaps. If a write returns a number other than the next
one, another client has written in between.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import (
    Conflict,
    Document,
    JsonError,
    Kind,
    Node,
    NotFound,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
    dump_json,
)
from bridge_providers.scaleway import content, metadata
from bridge_providers.scaleway.api import SecretManager
from bridge_providers.scaleway.paths import Place, shown_revision

LONGEST: Final = 64 * 1024
"""The largest content, in bytes (Secret Manager's FAQ)."""
PATIENCE: Final = 30.0
"""How many seconds a new secret may take to appear; the vendor's Terraform provider waits as long."""
_PAUSE: Final = 0.5
_CHANGED: Final = "another client changed it in the meantime"


class _Secret(NamedTuple):
    """A secret before the write, with its newest and its newest enabled revision (0 if it has none)."""

    id: str
    kind: str
    newest: int
    enabled: int


def write(api: SecretManager, place: Place, document: Document, expect: Revision | None) -> Revision:
    """Replace a document; see `bridge.provider.Writer`."""
    data, is_flat = _data(document)
    secret = _existing(api, place)
    if secret is None:
        if expect is not None or place.id:
            raise Conflict("it no longer exists" if expect else "a new secret cannot have an ID yet")
        created = api.create(place, "key_value" if is_flat and document.whole is None else "opaque")
        secret = _Secret(metadata.id_of(created), "", 0, 0)
    else:
        _check(secret, document, expect, is_flat=is_flat)
    number = _added(api, place, secret, data)
    if number != secret.newest + 1:
        message = f"revision {number} was written, but another client wrote revision {number - 1} at the same time"
        raise ProviderError(message, hint="compare the two revisions; the newest one counts")
    return Revision(shown_revision(number, secret.id), number, secret.id)


def _existing(api: SecretManager, place: Place) -> _Secret | None:
    existing = metadata.secret(api, place)
    if existing is None:
        return None
    if existing.get("ephemeral_policy") is not None:
        raise ProviderError("it is ephemeral: the new value would expire", hint="use a secret without this policy")
    id_, kind = metadata.id_of(existing), existing.get("type")
    versions = api.versions(id_, place)
    enabled = [metadata.number(one) for one in versions if one.get("status") == "enabled"]
    newest = max(map(metadata.number, versions), default=0)
    return _Secret(id_, kind if isinstance(kind, str) else "", newest, max(enabled, default=0))


def _check(secret: _Secret, document: Document, expect: Revision | None, *, is_flat: bool) -> None:
    """Compare the secret's current revision with `expect`, and its type with the document's shape."""
    if (expect.id if expect else "") != (shown_revision(secret.enabled, secret.id) if secret.enabled else ""):
        raise Conflict(_CHANGED)
    if secret.kind in content.STRUCTURED and not is_flat:
        raise ProviderError(f"its type is {secret.kind}, which allows only strings", hint="use an opaque secret")
    if secret.kind == "certificate" and not isinstance(document.content, SecretValue):
        raise ProviderError("its type is certificate, which has no fields", hint="use an opaque secret")


def _data(document: Document) -> tuple[SecretValue, bool]:
    """Return a document's bytes, and whether a key_value secret can hold it: only names with strings."""
    value = document.content
    is_flat = False
    if not isinstance(value, SecretValue):
        if len(value) != 1:
            raise ProviderError("a secret holds only one document")
        is_flat = all(isinstance(one, SecretValue) and one.kind is Kind.TEXT for one in value[0].values())
        value = _json(value[0]) if document.whole is None else document.whole
    if len(value.reveal()) > LONGEST:
        raise ProviderError(f"the document is larger than {LONGEST // 1024} KiB", hint="split it into several secrets")
    return value, is_flat


def _json(fields: Mapping[str, Node]) -> SecretValue:
    try:
        return SecretValue.of(dump_json(fields))
    except JsonError as error:
        raise ProviderError(str(error), hint=error.hint) from None


def _added(api: SecretManager, place: Place, secret: _Secret, data: SecretValue) -> int:
    """Add the revision, read it back, and return its number."""
    add = partial(api.add, secret.id, data, place)
    try:
        number = metadata.number(add() if secret.newest else _retry_until_found(add))
    except Unavailable as error:
        lost = error
    else:
        _compare(api, secret, number, data)
        return number
    # The answer was lost, but the revision may have been written.
    number = secret.newest + 1
    if not _was_written(api, secret, number, data, lost):
        raise lost
    return number


def _compare(api: SecretManager, secret: _Secret, number: int, data: SecretValue) -> None:
    try:
        answer = _retry_until_found(partial(api.access, Place(id=secret.id), str(number)))
    except (ProviderError, Unavailable) as error:
        reason = error.problems[0]
        message = f"revision {number} was written, but cannot be read back: {reason.what}"
        raise ProviderError(message, hint=reason.hint) from None
    if not _holds(answer, data):
        message = f"revision {number} was written, but reads back differently"
        raise ProviderError(message, hint="compare it with the value you set")


def _was_written(api: SecretManager, secret: _Secret, number: int, data: SecretValue, lost: Unavailable) -> bool:
    """Return whether the revision was written although its answer was lost; raise ProviderError if that is unknown."""
    try:
        if _holds(api.access(Place(id=secret.id), str(number)), data):
            return True
    except NotFound:
        return False
    except (ProviderError, Unavailable):
        pass  # reported below
    message = f"revision {number} may or may not have been written: {lost.problems[0].what}"
    raise ProviderError(message, hint="check the secret's revisions before you retry")


def _holds(answer: Mapping[str, Any], data: SecretValue) -> bool:
    return content.decode(answer.get("data"), answer.get("data_crc32")).same_as(data)


def _retry_until_found(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Retry for a while until the new secret is found; a call that finds nothing has changed nothing."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except NotFound:
            if time.monotonic() + _PAUSE > end:
                raise
        time.sleep(_PAUSE)
