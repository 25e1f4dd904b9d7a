"""Wording what the API server refuses.

A Status may quote what was sent to it, values included. So its text is never shown: what a message says
is matched out of it by patterns that admit names alone.
"""

import re
from typing import Final

from bridge.cluster.answers import ApiError, Asked, Conflict, Forbidden, Invalid, NotFound, Status
from bridge.errors import Problem

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9])?"
_USER: Final = re.compile(r'\bUser "([A-Za-z0-9:._@/+=-]{1,256})"')
_VERB: Final = re.compile(r"\bcannot (get|list|create|update|patch|delete) resource\b")
_WEBHOOK: Final = re.compile(rf'\badmission webhook "({_NAME})" denied\b')
_POLICY: Final = re.compile(rf"\bValidatingAdmissionPolicy '({_NAME})'(?: with binding '{_NAME}')? denied\b")
_QUOTA: Final = re.compile(rf"\bexceeded quota: ({_NAME})[,:]")
_PATH: Final = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?"
)
_CLASSES: Final = {401: ApiError, 403: Forbidden, 404: NotFound, 409: Conflict}
_NO_STATUS: Final = Status("", "", (), frozenset(), "")


def refusal(code: int, status: Status | None, asked: Asked, retry_after: float | None) -> ApiError:
    """Make the error for a 4xx answer; without a Status it is none of Kubernetes and says nothing of the object."""
    if status is None and code not in {401, 403}:
        what = f"what answers ({code}) is not the API server of a Kubernetes cluster"
        return ApiError(Problem(asked.target, what, f"check the server in {asked.source}"), status=code)
    status = status or _NO_STATUS
    problem = Problem(asked.target, *_wording(code, status, asked))
    error = _CLASSES.get(code, Invalid)(
        problem, status=code, reason=status.reason, causes=status.causes, retry_after=retry_after
    )
    if isinstance(error, NotFound):
        error.missing_namespace = status.kind == "namespaces"
    return error


def _wording(code: int, status: Status, asked: Asked) -> tuple[str, str]:
    """Return what is wrong, and the hint."""
    if denial := _denial(status):
        return denial, ""
    match code:
        case 401:
            return "the API server does not accept our credentials", f"renew the credentials of {asked.source}"
        case 403:
            return _forbidden(status, asked)
        case 404:
            return "the namespace does not exist" if status.kind == "namespaces" else "does not exist", ""
        case 409:
            return _conflict(status), ""
        case _:
            return _invalid(code, status), ""


def _denial(status: Status) -> str:
    """Return who denies the change although RBAC would admit it."""
    if "NamespaceTerminating" in status.codes:
        return "the namespace is being terminated"
    if webhook := _WEBHOOK.search(status.message):
        return f'the admission webhook "{webhook[1]}" denies the change'
    if policy := _POLICY.search(status.message):
        return f'the admission policy "{policy[1]}" denies the change'
    if quota := _QUOTA.search(status.message):
        return f'the change would exceed the resource quota "{quota[1]}"'
    return ""


def _forbidden(status: Status, asked: Asked) -> tuple[str, str]:
    # Not always our verb: an apply to an object that is not there needs "create" too.
    verb = found[1] if (found := _VERB.search(status.message)) else asked.verb
    user = f' (user "{found[1]}")' if (found := _USER.search(status.message)) else ""
    return f'the API server forbids "{verb}"{user}', _rule(verb, asked)


def _rule(verb: str, asked: Asked) -> str:
    """Word the RBAC rule that would admit the request."""
    parts = _PATH.fullmatch(asked.path)
    if parts is None:
        return ""
    group, namespace, resource, name = parts.group("group", "namespace", "resource", "name")
    names = f', resourceNames ["{name}"]' if name else ""
    role = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
    return f'{role} must admit it: apiGroups ["{group or ""}"], resources ["{resource}"]{names}, verbs ["{verb}"]'


def _conflict(status: Status) -> str:
    if status.reason == "AlreadyExists":
        return "exists already"
    owners = [f'"{cause.manager}" owns {cause.field}' for cause in status.causes if cause.manager]
    if "FieldManagerConflict" not in status.codes:
        return "has changed since it was read"
    return "; ".join(dict.fromkeys(owners)) or "another field manager owns one of its fields"


def _invalid(code: int, status: Status) -> str:
    fields = ", ".join(dict.fromkeys(cause.field for cause in status.causes if cause.field))
    reason = f"{code} {status.reason}" if status.reason else f"{code}"
    return f"the API server does not take the request ({reason}){f': {fields}' if fields else ''}"
