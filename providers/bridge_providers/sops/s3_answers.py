"""What a store's errors mean. Their texts may quote what was sent, so only their codes are looked at.

The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.http.response import retry_after
from bridge.provider import Denied, NotFound, ProviderError, Unavailable

_BAD_KEYS: Final = {
    "InvalidAccessKeyId": "are not known: deleted, or mistyped",
    "SignatureDoesNotMatch": "do not fit together: the secret key is another one's, or mistyped",
    "ExpiredToken": "have expired",
    "TokenRefreshRequired": "have expired",
    "InvalidToken": "have a session token that is not accepted",
    "InvalidClientTokenId": "are not known: deleted, or mistyped",
}
_LATER: Final = frozenset(
    {"SlowDown", "TooManyRequests", "Throttling", "RequestTimeout", "OperationAborted", "TemporaryRedirect"}
)
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "Redirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_REGION: Final = re.compile(r"[a-z0-9-]{2,32}")


class Asked(NamedTuple):
    """What a request was for, in the words of messages: where, with whose keys, whether for one version."""

    place: str
    keys: str
    revision: str | None


class Refused(NamedTuple):
    """An answer that is no object: status, code, headers (lower-case names), and the other fields of its body."""

    status: int
    code: str
    headers: Mapping[str, str]
    fields: Mapping[str, object]


def failure(refused: Refused, asked: Asked) -> ProviderError | Unavailable:
    """Return the error that an answer stands for."""
    status, code = refused.status, refused.code if re.fullmatch(r"[A-Za-z][A-Za-z0-9.]{0,60}", refused.code) else ""
    note = f"status {status}{', ' if code else ''}{code}"
    if status >= 500 or status == 429 or code in _LATER:
        return Unavailable(f"the store fails or asks to slow down ({note})", retry_after=_wait(refused.headers))
    if code in _ELSEWHERE or 300 <= status < 400:
        return _elsewhere(refused, asked, note)
    if "html" in refused.headers.get("content-type", "").lower():
        hint = "check the endpoint and HTTPS_PROXY"
        return ProviderError(f"what answers at {asked.place} is not a store, but has a web page ({note})", hint=hint)
    found = _absent(refused, code, asked, note) or _denied(status, code, asked, note)
    return found or ProviderError(f"the store at {asked.place} refuses the request ({note})")


def _absent(refused: Refused, code: str, asked: Asked, note: str) -> NotFound | None:
    """Tell what is missing: the bucket, the object or the version."""
    if refused.headers.get("x-amz-delete-marker") == "true":
        what = "this version is a mark that it was deleted" if asked.revision else "it was deleted"
        return NotFound(f"{what} ({note})", hint="earlier versions may still be there")
    if code == "NoSuchBucket":
        return NotFound(f"no such bucket at {asked.place} ({note})")
    malformed = code == "InvalidArgument" and refused.fields.get("ArgumentName") in {"versionId", None}
    if code == "NoSuchVersion" or (asked.revision and malformed):
        return NotFound(f"no such version of it ({note})")
    if refused.status == 404:
        what = "object or version" if asked.revision else "object"
        return NotFound(f"no such {what} at {asked.place} ({note})")
    return None


def _denied(status: int, code: str, asked: Asked, note: str) -> ProviderError | None:
    """Tell what is wrong with the keys, or which right they lack."""
    if code in _BAD_KEYS:
        return Denied(f"the keys of {asked.keys} {_BAD_KEYS[code]} ({note})")
    if code == "RequestTimeTooSkewed":
        return Denied(f"the store refuses the time of the request ({note})", hint="this machine's clock is wrong")
    if code == "InvalidObjectState":
        return ProviderError(f"the object is archived ({note})", hint="restore it to a class that can be read at once")
    if status not in {401, 403}:
        return None
    right = "s3:GetObjectVersion" if asked.revision else "s3:GetObject"
    hint = f"they need {right}; without s3:ListBucket an object that is not there is refused in the same way"
    return Denied(f"the keys of {asked.keys} may not read it at {asked.place} ({note})", hint=hint)


def _elsewhere(refused: Refused, asked: Asked, note: str) -> ProviderError:
    """Tell in which region the bucket is, where the answer says so; it is not followed there."""
    found = refused.headers.get("x-amz-bucket-region") or refused.fields.get("Region")
    if isinstance(found, str) and _REGION.fullmatch(found):
        return ProviderError(f"the bucket is in the region {found} ({note})", hint=f"set s3_region: {found}")
    what = f"the store at {asked.place} says that the bucket is elsewhere ({note})"
    return ProviderError(what, hint="set s3_region to the bucket's; a redirect is not followed")


def _wait(headers: Mapping[str, str]) -> float | None:
    return retry_after(headers.get("retry-after", ""), headers.get("date", ""))
