"""Describe why the API server refused a request.

A Status may quote the request, including values, so its text is never shown. Messages use only names that patterns
extract from it.
"""

import re
from typing import Final

from bridge.cluster.answers import (
    ApiError,
    ApiRequest,
    Forbidden,
    Foreign,
    Invalid,
    ObjectConflict,
    ObjectNotFound,
    Status,
    Unreachable,
    lost,
    unclear,
    unreachable,
)
from bridge.errors import BridgeError, Problem
from bridge.named_tuple import NamedTuple

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9])?"
_USER: Final = r'\bUser "([A-Za-z0-9:._@/+=-]{1,256})"'
_VERB: Final = r"\bcannot (get|list|create|update|patch|delete) resource\b"
_WEBHOOK_DOWN: Final = rf'\bfailed calling webhook "({_NAME})"'
_DENIALS: Final = (
    (
        "dry run",
        rf'\badmission webhook "({_NAME})" does not support dry run\b',
        'the admission webhook "{}" does not support dry runs',
        "set `sideEffects: None` or `NoneOnDryRun` in the webhook: bridge dry-runs each change first",
    ),
    (
        "webhook",
        rf'\badmission webhook "({_NAME})" denied\b',
        'the admission webhook "{}" denies the change',
        "",
    ),
    (
        "ValidatingAdmissionPolicy",
        rf"\bValidatingAdmissionPolicy '({_NAME})'(?: with binding '{_NAME}')? denied\b",
        'the admission policy "{}" denies the change',
        "",
    ),
    ("quota", rf"\bexceeded quota: ({_NAME})[,:]", 'the change would exceed the resource quota "{}"', ""),
)
"""A word of the message, so that few runs compile a pattern; the pattern; what is said, and the hint."""
_CLASSES: Final = {401: ApiError, 403: Forbidden, 404: ObjectNotFound, 409: ObjectConflict}


class _Outage(NamedTuple):
    """A cause of a 5xx, recognised by the text of its Status.

    - `of_object`: the message is about the object, not about the server.
    - `is_permanent`: the same request can never succeed.
    - `is_unwritten`: it is certain that nothing was written.
    """

    pattern: str
    message: str
    hint: str
    of_object: bool = False
    is_permanent: bool = False
    is_unwritten: bool = False


_OUTAGES: Final = (
    _Outage(
        _WEBHOOK_DOWN,
        'the admission webhook "{}" cannot be reached',
        "find it with `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`",
        of_object=True,
        is_unwritten=True,
    ),
    _Outage(
        r"\betcdserver: request is too large\b|\btrying to send message larger than max\b",
        "is too large for the cluster's database (etcd)",
        "split the object, or shorten its keys and values",
        of_object=True,
        is_permanent=True,
        is_unwritten=True,
    ),
    _Outage(
        r"\bdatabase space exceeded\b",
        "its database (etcd) is full",
        "compact and defragment etcd, then clear its alarm with `etcdctl alarm disarm`",
        is_unwritten=True,
    ),
    _Outage(
        r"\bunable to transform (?:key|to storage)\b|\bfailed to (?:en|de)crypt\b",
        "cannot be encrypted or decrypted by the API server (encryption at rest)",
        "check the API server's log, and that its KMS plugin is running",
        of_object=True,
    ),
    _Outage(r"\betcdserver: (?:no leader|leader changed)\b", "its database (etcd) has no leader", ""),
    _Outage(r"\betcdserver: request timed out\b", "its database (etcd) did not answer in time", ""),
)


def refusal(code: int, status: Status | None, asked: ApiRequest, retry_after: float | None) -> BridgeError:
    """Return the error for an answer other than 2xx.

    An answer without a Status does not come from Kubernetes, and says nothing about the object or our permissions.
    """
    if code < 400:
        message = f"answers with a redirect ({code}), which bridge does not follow"
        return Foreign(Problem(asked.server, message, f"check the server in {asked.source}"), status=code)
    if code == 429:
        return unreachable("is overloaded (429)", asked)
    if code >= 500:
        return _outage(code, status, asked)
    if status is None:
        return _foreign(code, asked)
    problem = _described(code, status, asked)
    error = _CLASSES.get(code, Invalid)(
        problem, status=code, reason=status.reason, causes=status.causes, retry_after=retry_after
    )
    if isinstance(error, ObjectNotFound):
        error.missing_namespace = status.kind == "namespaces"
    return error


def _foreign(code: int, asked: ApiRequest) -> Foreign:
    message = f"this is not a Kubernetes API server (status {code})"
    hint = f"check the server in {asked.source}"
    if code in {401, 403}:
        message = f"something in front of it, such as a gateway or a proxy, answers {code}"
        hint = f"log in to the gateway or proxy, or check the server in {asked.source}; RBAC is not the cause"
    return Foreign(Problem(asked.server, message, hint), status=code)


def _outage(code: int, status: Status | None, asked: ApiRequest) -> BridgeError:
    """Return the error for a 5xx: about the object if the Status says so, else about the server."""
    text = status.message if status else ""
    for outage in _OUTAGES:
        if match := re.search(outage.pattern, text):
            message = outage.message.format(*match.groups())
            problem = Problem(asked.target if outage.of_object else asked.server, message, outage.hint)
            if outage.is_permanent:
                return ApiError(problem, status=code)
            settled = Unreachable(problem)
            return (
                settled if outage.is_unwritten else lost(message if outage.of_object else str(problem), asked, settled)
            )
    message = f"answers {code}{f' ({status.reason})' if status and status.reason else ''}"
    if status is None or code != 500 or asked.verb in {"get", "list"}:
        return unclear(message, asked)
    # The server may be unable to handle this object: an apply gets 500 for content of a wrong type.
    message = f"{asked.server} {message}"
    return lost(message, asked, Unreachable(Problem(asked.target, message, "check the log of the API server")))


def _described(code: int, status: Status, asked: ApiRequest) -> Problem:
    if denial := _denial(status):
        return Problem(asked.target, *denial)
    if code == 401 or (code == 403 and _user(status) == "system:anonymous"):  # although a credential was sent
        where = f"the credentials of {asked.source}"
        return Problem(where, f"{asked.server} rejected them", f"renew {where}")
    match code:
        case 403:
            return Problem(asked.target, *_forbidden(status, asked))
        case 404:
            missing = "the namespace does not exist" if status.kind == "namespaces" else "does not exist"
            return Problem(asked.target, missing)
        case 409:
            return Problem(asked.target, _conflict(status))
        case _:
            return Problem(asked.target, _invalid(code, status))


def _denial(status: Status) -> tuple[str, str] | None:
    """Return what denies the change although RBAC allows it, and the hint."""
    if "NamespaceTerminating" in status.codes:
        return "the namespace is being terminated", ""
    for word, pattern, message, hint in _DENIALS:
        if word in status.message and (match := re.search(pattern, status.message)):
            return message.format(match[1]), hint
    return None


def _forbidden(status: Status, asked: ApiRequest) -> tuple[str, str]:
    # Not always our verb: applying a missing object also needs "create".
    verb = match[1] if (match := re.search(_VERB, status.message)) else asked.verb
    user = f' (user "{name}")' if (name := _user(status)) else ""
    return f'the API server forbids "{verb}"{user}', _rule(verb, asked)


def _user(status: Status) -> str:
    match = re.search(_USER, status.message)
    return match[1] if match else ""


def _rule(verb: str, asked: ApiRequest) -> str:
    """Format the RBAC rule that would allow the request."""
    if asked.resource is None:
        return ""
    group, namespace, plural, name = asked.resource
    names = f', resourceNames ["{name}"]' if name else ""
    if plural == "namespaces":  # a Role in a namespace can allow reading the namespace itself
        namespace = name
    role = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
    return f'allow it with {role}: apiGroups ["{group}"], resources ["{plural}"]{names}, verbs ["{verb}"]'


def _conflict(status: Status) -> str:
    if status.reason == "AlreadyExists":
        return "already exists"
    owners = [f'"{cause.manager}" owns {cause.field}' for cause in status.causes if cause.manager]
    if "FieldManagerConflict" not in status.codes:
        return "changed since it was read"
    return "; ".join(dict.fromkeys(owners)) or "another field manager owns one of its fields"


def _invalid(code: int, status: Status) -> str:
    fields = ", ".join(dict.fromkeys(cause.field for cause in status.causes if cause.field))
    reason = f"{code} {status.reason}" if status.reason else f"{code}"
    return f"the API server rejected the request ({reason}){f': {fields}' if fields else ''}"
