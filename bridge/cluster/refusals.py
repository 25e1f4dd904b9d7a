"""Wording what the API server refuses.

A Status may quote what was sent to it, values included. So its text is never shown: what a message says
is matched out of it by patterns that admit names alone.
"""

import re
from typing import Final, NamedTuple

from bridge.cluster.answers import (
    ApiError,
    Asked,
    Conflict,
    Forbidden,
    Foreign,
    Invalid,
    NotFound,
    Status,
    Unreachable,
    lost,
    unclear,
    unreachable,
)
from bridge.errors import BridgeError, Problem

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9])?"
_USER: Final = re.compile(r'\bUser "([A-Za-z0-9:._@/+=-]{1,256})"')
_VERB: Final = re.compile(r"\bcannot (get|list|create|update|patch|delete) resource\b")
_WEBHOOK: Final = re.compile(rf'\badmission webhook "({_NAME})" denied\b')
_NO_DRY_RUN: Final = re.compile(rf'\badmission webhook "({_NAME})" does not support dry run\b')
_WEBHOOK_DOWN: Final = re.compile(rf'\bfailed calling webhook "({_NAME})"')
_POLICY: Final = re.compile(rf"\bValidatingAdmissionPolicy '({_NAME})'(?: with binding '{_NAME}')? denied\b")
_QUOTA: Final = re.compile(rf"\bexceeded quota: ({_NAME})[,:]")
_CLASSES: Final = {401: ApiError, 403: Forbidden, 404: NotFound, 409: Conflict}


class _Outage(NamedTuple):
    """What a 5xx says in the text of its Status: what is wrong, what to do, and for whom it is meant.

    `lasts` where the same request can never pass, `spares` where it is certain that nothing was written.
    """

    pattern: re.Pattern[str]
    what: str
    hint: str
    of_object: bool = False
    lasts: bool = False
    spares: bool = False


_OUTAGES: Final = (
    _Outage(
        _WEBHOOK_DOWN,
        'the admission webhook "{}" cannot be reached',
        "ask its owner, or see `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`",
        of_object=True,
        spares=True,
    ),
    _Outage(
        re.compile(r"\betcdserver: request is too large\b|\btrying to send message larger than max\b"),
        "is too large for the cluster's database (etcd)",
        "split the object, or shorten its keys and values",
        of_object=True,
        lasts=True,
        spares=True,
    ),
    _Outage(
        re.compile(r"\bdatabase space exceeded\b"),
        "its database (etcd) is full",
        "compact and defragment etcd, then clear its alarm with `etcdctl alarm disarm`",
        spares=True,
    ),
    _Outage(
        re.compile(r"\bunable to transform (?:key|to storage)\b|\bfailed to (?:en|de)crypt\b"),
        "cannot be encrypted or decrypted by the API server (encryption at rest)",
        "see the API server's log, and whether its KMS plugin runs",
        of_object=True,
    ),
    _Outage(re.compile(r"\betcdserver: (?:no leader|leader changed)\b"), "its database (etcd) has no leader", ""),
    _Outage(re.compile(r"\betcdserver: request timed out\b"), "its database (etcd) does not answer in time", ""),
)


def refusal(code: int, status: Status | None, asked: Asked, retry_after: float | None) -> BridgeError:
    """Make the error for an answer other than 2xx.

    Without a Status it is none of Kubernetes, and says nothing of the object or of our rights.
    """
    if code < 400:
        what = f"answers with a redirect ({code}), and a redirect is not followed"
        return Foreign(Problem(asked.server, what, f"check the server in {asked.source}"), status=code)
    if code == 429:
        return unreachable("has too much to do (429)", asked)
    if code >= 500:
        return _outage(code, status, asked)
    if status is None:
        return _foreign(code, asked)
    problem = _wording(code, status, asked)
    error = _CLASSES.get(code, Invalid)(
        problem, status=code, reason=status.reason, causes=status.causes, retry_after=retry_after
    )
    if isinstance(error, NotFound):
        error.missing_namespace = status.kind == "namespaces"
    return error


def _foreign(code: int, asked: Asked) -> Foreign:
    what = f"what answers ({code}) is not the API server of a Kubernetes cluster"
    hint = f"check the server in {asked.source}"
    if code in {401, 403}:
        what = f"something in front of it answers {code}, such as a gateway or a proxy"
        hint = f"see what that asks for, and check the server in {asked.source}; rights in the cluster do not matter"
    return Foreign(Problem(asked.server, what, hint), status=code)


def _outage(code: int, status: Status | None, asked: Asked) -> BridgeError:
    """Make the error for a 5xx. What a Status says of an object is told of that; all else is a matter of the server."""
    message = status.message if status else ""
    for one in _OUTAGES:
        if found := one.pattern.search(message):
            what = one.what.format(*found.groups())
            problem = Problem(asked.target if one.of_object else asked.server, what, one.hint)
            if one.lasts:
                return ApiError(problem, status=code)
            settled = Unreachable(problem)
            return settled if one.spares else lost(what if one.of_object else str(problem), asked, settled)
    what = f"answers {code}{f' ({status.reason})' if status and status.reason else ''}"
    if status is None or code != 500 or asked.verb in {"get", "list"}:
        return unclear(what, asked)
    # It may be this very object that the server cannot handle: an apply has 500 for content of a wrong type.
    what = f"{asked.server} {what}"
    return lost(what, asked, Unreachable(Problem(asked.target, what, "see the log of the API server")))


def _wording(code: int, status: Status, asked: Asked) -> Problem:
    if denial := _denial(status):
        return Problem(asked.target, *denial)
    user = _USER.search(status.message)
    if code == 401 or (code == 403 and user and user[1] == "system:anonymous"):  # a credential was sent all the same
        where = f"the credentials of {asked.source}"
        return Problem(where, f"not accepted by {asked.server}", f"renew {where}")
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
    """Return who denies the change although RBAC would admit it, and the hint."""
    if "NamespaceTerminating" in status.codes:
        return "the namespace is being terminated", ""
    if webhook := _NO_DRY_RUN.search(status.message):
        hint = "ask its owner to set `sideEffects: None` or `NoneOnDryRun`: bridge tries each change before it writes"
        return f'the admission webhook "{webhook[1]}" does not support dry runs', hint
    if webhook := _WEBHOOK.search(status.message):
        return f'the admission webhook "{webhook[1]}" denies the change', ""
    if policy := _POLICY.search(status.message):
        return f'the admission policy "{policy[1]}" denies the change', ""
    if quota := _QUOTA.search(status.message):
        return f'the change would exceed the resource quota "{quota[1]}"', ""
    return None


def _forbidden(status: Status, asked: Asked) -> tuple[str, str]:
    # Not always our verb: an apply to an object that is not there needs "create" too.
    verb = found[1] if (found := _VERB.search(status.message)) else asked.verb
    user = f' (user "{found[1]}")' if (found := _USER.search(status.message)) else ""
    return f'the API server forbids "{verb}"{user}', _rule(verb, asked)


def _rule(verb: str, asked: Asked) -> str:
    """Word the RBAC rule that would admit the request."""
    if asked.resource is None:
        return ""
    group, namespace, plural, name = asked.resource
    names = f', resourceNames ["{name}"]' if name else ""
    if plural == "namespaces":  # a Role in a namespace may admit reading the namespace itself
        namespace = name
    role = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
    return f'{role} must admit it: apiGroups ["{group}"], resources ["{plural}"]{names}, verbs ["{verb}"]'


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
