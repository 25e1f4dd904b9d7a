"""Interpret the API's answers. Its error texts are matched and never shown, because they may quote the request.

The error bodies are taken from scaleway-sdk-go's scw/errors.go and from the Terraform provider's recordings.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from bridge.http.transport import Answer
from bridge.named_tuple import NamedTuple
from bridge.provider import Conflict, Denied, NotFound, ProviderError, Unavailable

ACCESS: Final = "SecretManagerSecretAccess"
METADATA: Final = "SecretManagerReadOnly"
WRITE: Final = "SecretManagerSecretCreate and SecretManagerSecretWrite"
"""The permission sets that a request needs (https://www.scaleway.com/en/docs/iam/reference-content/permission-sets/)."""
NOT_JSON: Final = "which is not the API's JSON"
LAGS: Final = "a new permission can take two minutes to take effect"
FRESH: Final = "check region and project_id; a new secret can take half a minute to appear"

_UNKNOWN_KEY: Final = {
    "expired": "has expired",
    "not_found": "no longer exists or is mistyped",
    "invalid_argument": "is not accepted",
}
_WORD: Final = re.compile(r"[a-z0-9_.\[\]]{1,60}")


class Asked(NamedTuple):
    """What a request needed, for messages: the permission set, the place, and the source of the key."""

    permission: str
    place: str
    key_place: str


def body(answer: Answer) -> Mapping[str, Any] | None:
    """Return an answer's JSON object, or None. Parser errors are dropped, because they contain the whole text."""
    if not _is_json(answer):
        return None
    try:
        parsed: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def failure(answer: Answer, asked: Asked) -> ProviderError | Unavailable:
    """Return the error for an answer that is not 200 with a JSON object."""
    content = body(answer)
    status, note = answer.status, f"status {answer.status}{_request(answer)}"
    kind = _word((content or {}).get("type"))
    if status == 429 or kind == "too_many_requests":
        return Unavailable(f"rate limited ({note})", retry_after=_wait(answer, content or {}))
    ends_early = status == 200 and _is_json(answer) and answer.body.startswith(b"{")
    if status >= 500 or ends_early:
        reason = "the API's answer is truncated" if ends_early else "API error"
        return Unavailable(f"{reason} ({note})", retry_after=answer.retry_after)
    if content is None:
        hint = "check SCW_API_URL and HTTPS_PROXY"
        return ProviderError(f"got {note}, {NOT_JSON}", hint=hint)
    if status == 401 or kind == "denied_authentication":
        return _unauthenticated(content, asked, note)
    if status == 403:
        return _forbidden(kind, asked, note)
    return _refused(status, kind, content, asked, note)


def _refused(
    status: int, kind: str, content: Mapping[str, Any], asked: Asked, note: str
) -> ProviderError | Unavailable:
    if status == 404 or kind in {"not_found", "unknown_resource"}:
        return NotFound(f"not found in {asked.place} ({note}): missing, disabled or deleted", hint=FRESH)
    if status == 410 or kind in {"expired", "resource_expired"}:
        return NotFound(f"it has expired ({note})")
    if kind == "already_exists":
        return Conflict(f"another client has just created it ({note})")
    if kind == "transient_state":
        return Unavailable(f"Secret Manager is changing it right now ({note})")
    if kind == "locked":
        return ProviderError(f"it is locked ({note})", hint="check the secret in the Scaleway console")
    words = ", ".join(dict.fromkeys(filter(None, map(_argument, _details(content)))))
    reason = words or _word(content.get("precondition")) or kind
    return ProviderError(f"the API refuses the request{': ' if reason else ''}{reason} ({note})")


def _unauthenticated(content: Mapping[str, Any], asked: Asked, note: str) -> Denied:
    words = _UNKNOWN_KEY.get(_word(content.get("reason")), "is not accepted")
    return Denied(f"the secret key from {asked.key_place} {words} ({note})", hint="check the key under IAM > API keys")


def _forbidden(kind: str, asked: Asked, note: str) -> ProviderError:
    if kind == "quotas_exceeded":
        hint = "delete old ones: a secret may have 20 revisions, an organization 100 or 250 secrets"
        return ProviderError(f"quota exceeded ({note})", hint=hint)
    message = f"the secret key from {asked.key_place} lacks permission in {asked.place} ({note})"
    return Denied(message, hint=f"grant the permission set {asked.permission}; {LAGS}")


def _details(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = content.get("details")
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _argument(detail: Mapping[str, Any]) -> str:
    """Name a wrong argument and the kind of error; the API's own text is not used, as it may quote the argument."""
    name, reason = _word(detail.get("argument_name")), _word(detail.get("reason"))
    return f"{name} ({reason})" if name and reason else name


def _word(value: object) -> str:
    """Return a name from the API's vocabulary, or "" for anything else, which must not be shown."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _request(answer: Answer) -> str:
    request_id = answer.headers.get("x-request-id", "")
    return f", request {request_id}" if re.fullmatch(r"[0-9A-Za-z-]{1,64}", request_id) else ""


def _wait(answer: Answer, content: Mapping[str, Any]) -> float | None:
    """Return how long to wait: from the header first, then from the body."""
    header, reset = answer.retry_after, content.get("reset_seconds")
    if header is not None:
        return header
    known = isinstance(reset, (int, float)) and not isinstance(reset, bool) and 0 <= reset <= 86400
    return float(reset) if known and isinstance(reset, (int, float)) else None
