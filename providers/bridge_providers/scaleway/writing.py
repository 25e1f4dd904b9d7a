"""Adds a revision to a secret, where the newest one is the one that was expected.

The API has no compare-and-set. What it has are revisions counted without a gap: whoever finds another number than
the next one after a write knows that somebody else wrote in between.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

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
from bridge_providers.scaleway.api import Api
from bridge_providers.scaleway.paths import Place, shown_revision

LONGEST: Final = 64 * 1024
"""Bytes of the longest content (Secret Manager's FAQ)."""
PATIENCE: Final = 30.0
"""Seconds in which what was just made may be absent still: as long as the vendor's Terraform provider waits."""
_PAUSE: Final = 0.5
_CHANGED: Final = "it was changed meanwhile"


class _Secret(NamedTuple):
    """A secret before the write: the numbers of its newest revision and of the newest enabled one, 0 for none."""

    id: str
    kind: str
    newest: int
    enabled: int


def write(api: Api, place: Place, document: Document, expect: Revision | None) -> Revision:
    """Replace a document; see `bridge.provider.Writer`."""
    data, is_flat = _data(document)
    secret = _found(api, place)
    if secret is None:
        if expect is not None or place.id:
            raise Conflict("it is not there any more" if expect else "a secret gets its id from the store")
        made = api.create(place, "key_value" if is_flat and document.whole is None else "opaque")
        secret = _Secret(metadata.id_of(made), "", 0, 0)
    else:
        _check(secret, document, expect, is_flat=is_flat)
    number = _added(api, place, secret, data)
    if number != secret.newest + 1:
        what = f"revision {number} is written, and somebody else wrote revision {number - 1} at the same moment"
        raise ProviderError(what, hint="compare the two; the newest one counts")
    return Revision(shown_revision(number, secret.id), number, secret.id)


def _found(api: Api, place: Place) -> _Secret | None:
    found = metadata.secret(api, place)
    if found is None:
        return None
    if found.get("ephemeral_policy") is not None:
        raise ProviderError("it is ephemeral: what is written there would expire", hint="use another secret")
    id_, kind = metadata.id_of(found), found.get("type")
    versions = api.versions(id_, place)
    enabled = [metadata.number(one) for one in versions if one.get("status") == "enabled"]
    newest = max(map(metadata.number, versions), default=0)
    return _Secret(id_, kind if isinstance(kind, str) else "", newest, max(enabled, default=0))


def _check(secret: _Secret, document: Document, expect: Revision | None, *, is_flat: bool) -> None:
    """Compare what is there with what a read would have given, and with what the secret's type takes."""
    if (expect.id if expect else "") != (shown_revision(secret.enabled, secret.id) if secret.enabled else ""):
        raise Conflict(_CHANGED)
    if secret.kind in content.STRUCTURED and not is_flat:
        raise ProviderError(f"its type is {secret.kind}, which takes texts alone", hint="use an opaque secret")
    if secret.kind == "certificate" and not isinstance(document.content, SecretValue):
        raise ProviderError("its type is certificate, which takes no fields", hint="use an opaque secret")


def _data(document: Document) -> tuple[SecretValue, bool]:
    """Return a document's bytes, and whether it is what a key_value secret takes: names with texts."""
    given = document.content
    is_flat = False
    if not isinstance(given, SecretValue):
        if len(given) != 1:
            raise ProviderError("one secret holds one document")
        is_flat = all(isinstance(one, SecretValue) and one.kind is Kind.TEXT for one in given[0].values())
        given = _json(given[0]) if document.whole is None else document.whole
    if len(given.reveal()) > LONGEST:
        raise ProviderError(f"the document is larger than {LONGEST // 1024} KiB", hint="split it over several secrets")
    return given, is_flat


def _json(fields: Mapping[str, Node]) -> SecretValue:
    try:
        return SecretValue.of(dump_json(fields))
    except JsonError as error:
        raise ProviderError(str(error), hint=error.hint) from None


def _added(api: Api, place: Place, secret: _Secret, data: SecretValue) -> int:
    """Add the revision, read it back, and return its number."""
    add = partial(api.add, secret.id, data, place)
    try:
        number = metadata.number(add() if secret.newest else _patiently(add))
    except Unavailable as error:
        lost = error
    else:
        _compare(api, secret, number, data)
        return number
    # The answer was lost, and perhaps the revision was written.
    number = secret.newest + 1
    if not _is_there(api, secret, number, data, lost):
        raise lost
    return number


def _compare(api: Api, secret: _Secret, number: int, data: SecretValue) -> None:
    try:
        answer = _patiently(partial(api.access, Place(id=secret.id), str(number)))
    except (ProviderError, Unavailable) as error:
        reason = error.problems[0]
        what = f"revision {number} is written, and cannot be read back: {reason.what}"
        raise ProviderError(what, hint=reason.hint) from None
    if not _holds(answer, data):
        raise ProviderError(f"revision {number} does not hold what was written", hint="compare it with its source")


def _is_there(api: Api, secret: _Secret, number: int, data: SecretValue, lost: Unavailable) -> bool:
    """Say whether the revision whose answer was lost was written all the same; ProviderError where nobody knows."""
    try:
        if _holds(api.access(Place(id=secret.id), str(number)), data):
            return True
    except NotFound:
        return False
    except (ProviderError, Unavailable):
        pass  # told below
    what = f"it is not known whether revision {number} was written: {lost.problems[0].what}"
    raise ProviderError(what, hint="look at its revisions before you try again")


def _holds(answer: Mapping[str, Any], data: SecretValue) -> bool:
    return content.decode(answer.get("data"), answer.get("data_crc32")).same_as(data)


def _patiently(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Call until what was just made can be found, for a while. What is not found has not been done."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except NotFound:
            if time.monotonic() + _PAUSE > end:
                raise
        time.sleep(_PAUSE)
