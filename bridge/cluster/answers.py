"""The API server's answers: the errors that they become, and what is taken out of a Status."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from bridge.errors import BridgeError, Problem, Refusal, Unavailable

_MANAGER: Final = re.compile(
    r'conflict with "([^"\\\x00-\x1f\x7f]{1,128})"'
    r'(?: with subresource "[a-z]+")?(?: using [a-z0-9./]+(?: at [0-9TZ:.-]+)?)?'
)
_FIELD: Final = re.compile(r"[A-Za-z0-9._\[\]/~-]{1,300}")


class Cause(NamedTuple):
    """One cause of a refusal: the server's reason and field, and the field manager of a conflict."""

    reason: str
    field: str
    manager: str | None


_PATH: Final = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)


class Resource(NamedTuple):
    """What a path of the API names; empty where it does not."""

    group: str
    namespace: str
    plural: str
    name: str


class Asked(NamedTuple):
    """What was asked: the Kubernetes verb, the path, and whether it is only a dry run.

    In messages `target` is the object, `server` the API server, and `source` where that comes from.
    """

    verb: str
    path: str
    target: str
    server: str
    source: str
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        """Whether the server is to change something, so that sending it twice may do harm."""
        return self.verb not in {"get", "list"} and not self.dry_run

    @property
    def resource(self) -> Resource | None:
        """What the path names; None for a path outside the resources."""
        found = _PATH.fullmatch(self.path)
        return Resource(*(unquote(text or "") for text in found.groups())) if found else None


class Unreachable(Unavailable):
    """No API server, or none that can answer now; nothing was written by this request."""


class LostAnswer(Unavailable):
    """A write was sent and no clear answer came (none, half of one, a 5xx, another object): it may have been made.

    `settled` is the error for a caller that has found out since that it was not made.
    """

    def __init__(self, problem: Problem, settled: BridgeError | None = None) -> None:
        super().__init__(problem)
        self.settled: Final = settled or Unreachable(problem)


class Untrusted(Refusal):
    """The server's certificate is not one that we may trust with secrets."""


class ApiError(Refusal):
    """The API server answered, and its answer is no. Nothing was written by this request."""

    def __init__(
        self,
        *problems: Problem,
        status: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(*problems)
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after


class Foreign(ApiError):
    """What answers is not the API server of a Kubernetes cluster, or something in front of it does."""


class NotFound(ApiError):
    """The object, or with `missing_namespace` its namespace, does not exist (404)."""

    missing_namespace: bool = False


class Forbidden(ApiError):
    """RBAC, an admission webhook or a quota forbids it (403)."""


class Conflict(ApiError):
    """Another manager owns a field, the object has changed, or it exists already (409)."""


class Invalid(ApiError):
    """The API server takes the request itself for wrong (any other 4xx)."""


def unreachable(what: str, asked: Asked) -> Unreachable:
    """Make the error for a server that cannot answer now; it has changed nothing."""
    return Unreachable(Problem(asked.server, what, f"check the network and the server in {asked.source}"))


def unclear(what: str, asked: Asked) -> BridgeError:
    """Make the error for a request that was sent and got no clear answer."""
    return lost(f"{asked.server} {what}", asked, unreachable(what, asked))


def lost(what: str, asked: Asked, settled: BridgeError) -> BridgeError:
    """Make the error for a request that may have been carried out if it was a write; `settled` is for all others."""
    if not asked.writes:
        return settled
    return LostAnswer(Problem(asked.target, f"{what}: the change may have been made or not"), settled)


class Status(NamedTuple):
    """What is used of a Kubernetes Status. `message` may quote values: it is for matching, never for showing."""

    reason: str
    kind: str
    causes: tuple[Cause, ...]
    codes: frozenset[str]
    message: str


def parse_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body is, or None. Every text in it can be encoded."""
    try:
        parsed = json.loads(body)
        if b"\\ud" in body or b"\\uD" in body:  # half a character, maybe
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def read_status(body: bytes) -> Status | None:
    """Return a body's Status, or None where it is none, so no API server of Kubernetes wrote it."""
    found = parse_object(body)
    if found is None or found.get("kind") != "Status":
        return None
    details = found.get("details")
    details = details if isinstance(details, dict) else {}
    listed = details.get("causes")
    causes = tuple(_causes(listed if isinstance(listed, list) else []))
    codes = frozenset(cause.reason for cause in causes)
    return Status(_word(found, "reason"), _word(details, "kind"), causes, codes, _text(found, "message"))


def _causes(listed: list[Any]) -> Iterator[Cause]:
    for item in listed:
        if isinstance(item, dict):
            field = _text(item, "field")
            manager = _MANAGER.fullmatch(_text(item, "message"))
            shown = field if _FIELD.fullmatch(field) else ""
            yield Cause(_word(item, "reason"), shown, manager[1] if manager else None)


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def _word(mapping: Mapping[str, Any], name: str) -> str:
    value = _text(mapping, name)
    return value if re.fullmatch(r"[A-Za-z]{1,64}", value) else ""
