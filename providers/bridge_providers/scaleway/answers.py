"""What the API's answers mean. Its words are recognised and never shown: an error may quote what was sent.

The bodies are those of scaleway-sdk-go's scw/errors.go and of the Terraform provider's recordings.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bridge.http.transport import Answer
from bridge.provider import Conflict, Denied, NotFound, ProviderError, Unavailable

ACCESS: Final = "SecretManagerSecretAccess"
METADATA: Final = "SecretManagerReadOnly"
WRITE: Final = "SecretManagerSecretCreate and SecretManagerSecretWrite"
"""The permission sets that a request needs (https://www.scaleway.com/en/docs/iam/reference-content/permission-sets/)."""
NOT_JSON: Final = "and not the API's JSON: something else answers there"
LAGS: Final = "a right that was just granted may take two minutes to count"
FRESH: Final = "a secret that was just made may take half a minute to show; see also region and project_id"

_UNKNOWN_KEY: Final = {
    "expired": "has expired",
    "not_found": "is not known: deleted, or mistyped",
    "invalid_argument": "is not accepted",
}
_WORD: Final = re.compile(r"[a-z0-9_.\[\]]{1,60}")


class Asked(NamedTuple):
    """What a request was for, in the words of messages: a permission set, the place, where the key is from."""

    permission: str
    place: str
    key_place: str


def body(answer: Answer) -> Mapping[str, Any] | None:
    """Return an answer's JSON object; None where it has none. The parser's error would hold the whole text."""
    if not _is_json(answer):
        return None
    try:
        found: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def failure(answer: Answer, asked: Asked) -> ProviderError | Unavailable:
    """Return the error that an answer stands for which is not 200 with a JSON object."""
    content = body(answer)
    status, note = answer.status, f"status {answer.status}{_request(answer)}"
    kind = _word((content or {}).get("type"))
    if status == 429 or kind == "too_many_requests":
        return Unavailable(f"the API asks to slow down ({note})", retry_after=_wait(answer, content or {}))
    ends_early = status == 200 and _is_json(answer) and answer.body.startswith(b"{")
    if status >= 500 or ends_early:
        what = "the API's answer ends early" if ends_early else "the API fails"
        return Unavailable(f"{what} ({note})", retry_after=answer.retry_after)
    if content is None:
        hint = "check SCW_API_URL and HTTPS_PROXY"
        return ProviderError(f"the answer has {note}, {NOT_JSON}", hint=hint)
    if status == 401 or kind == "denied_authentication":
        return _unauthenticated(content, asked, note)
    if status == 403:
        return _forbidden(kind, asked, note)
    return _refused(status, kind, content, asked, note)


def _refused(
    status: int, kind: str, content: Mapping[str, Any], asked: Asked, note: str
) -> ProviderError | Unavailable:
    if status == 404 or kind in {"not_found", "unknown_resource"}:
        return NotFound(f"not found in {asked.place} ({note}): absent, disabled or deleted", hint=FRESH)
    if status == 410 or kind in {"expired", "resource_expired"}:
        return NotFound(f"has expired ({note})")
    if kind == "already_exists":
        return Conflict(f"somebody has just made it ({note})")
    if kind == "transient_state":
        return Unavailable(f"the store is changing it just now ({note})")
    if kind == "locked":
        return ProviderError(f"is locked ({note})", hint="see the secret in the console")
    words = ", ".join(dict.fromkeys(filter(None, map(_argument, _details(content)))))
    reason = words or _word(content.get("precondition")) or kind
    return ProviderError(f"the API refuses the request{': ' if reason else ''}{reason} ({note})")


def _unauthenticated(content: Mapping[str, Any], asked: Asked, note: str) -> Denied:
    words = _UNKNOWN_KEY.get(_word(content.get("reason")), "is not accepted")
    return Denied(f"the secret key of {asked.key_place} {words} ({note})", hint="keys expire: see IAM, API keys")


def _forbidden(kind: str, asked: Asked, note: str) -> ProviderError:
    if kind == "quotas_exceeded":
        hint = "a secret has 20 revisions at most, an organization 100 or 250 secrets: delete old ones"
        return ProviderError(f"a quota is used up ({note})", hint=hint)
    what = f"the secret key of {asked.key_place} may not do this in {asked.place} ({note})"
    return Denied(what, hint=f"it needs the permission set {asked.permission}; {LAGS}")


def _details(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = content.get("details")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _argument(detail: Mapping[str, Any]) -> str:
    """Name a wrong argument and the kind of its fault; the API's own text may quote the argument."""
    name, reason = _word(detail.get("argument_name")), _word(detail.get("reason"))
    return f"{name} ({reason})" if name and reason else name


def _word(found: object) -> str:
    """Return a name of the API's vocabulary; empty for anything else, which is not shown."""
    return found if isinstance(found, str) and _WORD.fullmatch(found) else ""


def _request(answer: Answer) -> str:
    found = answer.headers.get("x-request-id", "")
    return f", request {found}" if re.fullmatch(r"[0-9A-Za-z-]{1,64}", found) else ""


def _wait(answer: Answer, content: Mapping[str, Any]) -> float | None:
    """Return how long to wait: the header's word first, then the body's."""
    header, reset = answer.retry_after, content.get("reset_seconds")
    if header is not None:
        return header
    known = isinstance(reset, (int, float)) and not isinstance(reset, bool) and 0 <= reset <= 86400
    return float(reset) if known and isinstance(reset, (int, float)) else None
