"""The API's refusals: `Status` objects with kube-apiserver's wording."""

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.named_tuple import NamedTuple

REASONS: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    415: "UnsupportedMediaType",
    422: "Invalid",
}
STALE = "the object has been modified; please apply your changes to the latest version and try again"


class Cause(NamedTuple):
    """One entry of a Status's `details.causes`."""

    reason: str
    message: str
    field: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """A request failed."""

    def __init__(
        self, code: int, message: str, *, reason: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = REASONS.get(code) if reason is None else reason
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the Status object."""
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(self)}
        reason = {"reason": self.reason} if self.reason else {}
        details = {} if self.details is None else {"details": dict(self.details)}
        return head | reason | details | {"code": self.code}


class Resource(NamedTuple):
    """The names of a resource in messages: group `coordination.k8s.io`, plural `leases`, kind `Lease`."""

    group: str
    plural: str
    kind: str

    def _named(self, name: str, kind: str) -> dict[str, str]:
        group = {"group": self.group} if self.group else {}
        return ({"name": name} if name else {}) | group | {"kind": kind}

    def _long(self, kind: str) -> str:
        return f"{kind}.{self.group}" if self.group else kind

    def missing(self, name: str) -> ApiError:
        """Return a 404."""
        message = f'{self._long(self.plural)} "{name}" not found'
        return ApiError(404, message, details=self._named(name, self.plural))

    def exists(self, name: str) -> ApiError:
        """Return a 409 for a create."""
        message = f'{self._long(self.plural)} "{name}" already exists'
        return ApiError(409, message, reason="AlreadyExists", details=self._named(name, self.plural))

    def conflict(self, name: str, why: str) -> ApiError:
        """Return a 409 without causes, for a resourceVersion or a uid that is not the object's."""
        message = f'Operation cannot be fulfilled on {self._long(self.plural)} "{name}": {why}'
        return ApiError(409, message, details=self._named(name, self.plural))

    def precondition(self, name: str, why: str) -> ApiError:
        """Return a 409 for a delete, which names the kind instead of the resource."""
        message = f'Operation cannot be fulfilled on {self._long(self.kind)} "{name}": {why}'
        return ApiError(409, message, details=self._named(name, self.kind))

    def invalid(self, name: str, causes: Iterable[Cause]) -> ApiError:
        """Return a 422 with a cause for each field."""
        all_causes = list(causes)
        listed = list(dict.fromkeys(map(str, all_causes)))
        shown = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
        message = f'{self._long(self.kind)} "{name}" is invalid: {shown}'
        details = self._named(name, self.kind) | {"causes": [cause._asdict() for cause in all_causes]}
        return ApiError(422, message, details=details)

    def terminating(self, name: str, namespace: str) -> ApiError:
        """Return a 403 for a create in a terminating namespace."""
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
        details = self._named(name, self.plural) | {"causes": [cause._asdict()]}
        return ApiError(403, f'{self._long(self.plural)} "{name}" is forbidden: {why}', details=details)
