"""The API server's answers: the errors they become, and the parts of a Status that are used."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from bridge.errors import BridgeError, Problem, Refusal, Unavailable
from bridge.named_tuple import NamedTuple

_MANAGER: Final = (
    r'conflict with "([^"\\\x00-\x1f\x7f]{1,128})"'
    r'(?: with subresource "[a-z]+")?(?: using [a-z0-9./]+(?: at [0-9TZ:.-]+)?)?'
)
_FIELD: Final = r"[A-Za-z0-9._\[\]/~-]{1,300}"


class Cause(NamedTuple):
    """One cause of a refusal: the server's reason, the field and, for a conflict, the field manager."""

    reason: str
    field: str
    manager: str | None


_PATH: Final = (
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)


class Resource(NamedTuple):
    """The parts that an API path names; a part that it does not name is empty."""

    group: str
    namespace: str
    plural: str
    name: str


class ApiRequest(NamedTuple):
    """A request: the Kubernetes verb, the path, and whether it is only a dry run.

    For messages, `target` names the object, `server` the API server, and `source` where the server was configured.
    """

    verb: str
    path: str
    target: str
    server: str
    source: str
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        """True if the request changes something, so that sending it twice may do harm."""
        return self.verb not in {"get", "list"} and not self.dry_run

    @property
    def resource(self) -> Resource | None:
        """The resource that the path names, or None if the path names no resource."""
        match = re.fullmatch(_PATH, self.path)
        return Resource(*(unquote(text or "") for text in match.groups())) if match else None


class Unreachable(Unavailable):
    """The API server cannot be reached or cannot answer now; this request wrote nothing."""


class LostAnswer(Unavailable):
    """A write was sent without a clear answer (none, half an answer, a 5xx, another object), so it may have happened.

    `settled` is the error to raise once the caller has found out that the write did not happen.
    """

    def __init__(self, problem: Problem, settled: BridgeError | None = None) -> None:
        super().__init__(problem)
        self.settled: Final = settled or Unreachable(problem)


class Untrusted(Refusal):
    """The server's certificate is not trusted, so it must not receive secrets."""


class ApiError(Refusal):
    """The API server refused the request; the request wrote nothing."""

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
    """The answer does not come from a Kubernetes API server, or comes from something in front of it."""


class ObjectNotFound(ApiError):
    """The object, or with `missing_namespace` its namespace, does not exist (404)."""

    missing_namespace: bool = False


class Forbidden(ApiError):
    """RBAC, an admission webhook or a quota forbids it (403)."""


class ObjectConflict(ApiError):
    """Another manager owns a field, the object has changed, or it already exists (409)."""


class Invalid(ApiError):
    """The API server considers the request itself invalid (any other 4xx)."""


def unreachable(reason: str, asked: ApiRequest) -> Unreachable:
    """Return the error for a server that cannot answer now and has changed nothing."""
    return Unreachable(Problem(asked.server, reason, f"check the network and the server in {asked.source}"))


def unclear(reason: str, asked: ApiRequest) -> BridgeError:
    """Return the error for a request that was sent but got no clear answer."""
    return lost(f"{asked.server} {reason}", asked, unreachable(reason, asked))


def lost(reason: str, asked: ApiRequest, settled: BridgeError) -> BridgeError:
    """Return the error for a request that may have been carried out: LostAnswer for a write, else `settled`."""
    if not asked.writes:
        return settled
    return LostAnswer(Problem(asked.target, f"{reason}: the change may or may not have been made"), settled)


class Status(NamedTuple):
    """The parts of a Kubernetes Status that are used. `message` may quote values, so match it but never show it."""

    reason: str
    kind: str
    causes: tuple[Cause, ...]
    codes: frozenset[str]
    message: str


def parse_object(body: bytes) -> dict[str, Any] | None:
    """Return a body's JSON object, or None. Every string in the object can be encoded."""
    try:
        parsed = json.loads(body)
        if b"\\ud" in body or b"\\uD" in body:  # may be a lone surrogate
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def read_status(body: bytes) -> Status | None:
    """Return a body's Status, or None if it is not a Status and so does not come from a Kubernetes API server."""
    content = parse_object(body)
    if content is None or content.get("kind") != "Status":
        return None
    details = content.get("details")
    details = details if isinstance(details, dict) else {}
    listed = details.get("causes")
    causes = tuple(_causes(listed if isinstance(listed, list) else []))
    codes = frozenset(cause.reason for cause in causes)
    return Status(_word(content, "reason"), _word(details, "kind"), causes, codes, _text(content, "message"))


def _causes(listed: list[Any]) -> Iterator[Cause]:
    for item in listed:
        if isinstance(item, dict):
            field = _text(item, "field")
            manager = re.fullmatch(_MANAGER, _text(item, "message"))
            shown = field if re.fullmatch(_FIELD, field) else ""
            yield Cause(_word(item, "reason"), shown, manager[1] if manager else None)


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def _word(mapping: Mapping[str, Any], name: str) -> str:
    value = _text(mapping, name)
    return value if re.fullmatch(r"[A-Za-z]{1,64}", value) else ""
