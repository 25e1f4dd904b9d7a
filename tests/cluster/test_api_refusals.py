"""What an API server's refusals become: class, attributes, exact words, and nothing of the server's text."""

import re

import pytest

from bridge.cluster.api import (
    ApiError,
    Cause,
    Forbidden,
    Foreign,
    Invalid,
    LostAnswer,
    ObjectConflict,
    ObjectNotFound,
    Unreachable,
)
from bridge.errors import BridgeError, Problem, Refusal
from tests.cluster.wire import CANARY, FINE, PATH, TARGET, TOKEN, Step, Wire, api, assert_clean, reply, status

SERVER = "the API server at URL"
RULE = (
    'allow it with a Role in namespace voice: apiGroups [""], resources ["secrets"], '
    'resourceNames ["agent-secrets"], verbs ["{}"]'
)


def refused(step: Step, verb: str = "patch", path: str = PATH) -> ApiError:
    with Wire(step) as server:
        client = api(server.url)
        with pytest.raises(ApiError) as caught:
            client.request(verb, path, target=TARGET, body=b"{}")
        client.close()
    assert_clean(caught.value, CANARY, TOKEN)
    assert isinstance(caught.value, Refusal)
    assert caught.value.exit_status == 1
    return caught.value


def shown(error: ApiError) -> str:
    """Return the message, with the server's address as in `SERVER`."""
    return re.sub(r"http://127\.0\.0\.1:[0-9]+", "URL", str(error))


def forbidden(message: str) -> Step:
    return status(403, "Forbidden", message, {"name": "agent-secrets", "kind": "secrets"})


def rbac(verb: str, user: str = "system:serviceaccount:voice:bridge") -> str:
    return (
        f'secrets "agent-secrets" is forbidden: User "{user}" cannot {verb} resource "secrets" '
        'in API group "" in the namespace "voice"'
    )


def test_rbac_names_verb_user_and_rule_that_is_wanted() -> None:
    error = refused(forbidden(rbac("patch")))
    assert type(error) is Forbidden
    what = 'the API server forbids "patch" (user "system:serviceaccount:voice:bridge")'
    assert error.problems == (Problem(TARGET, what, RULE.format("patch")),)
    assert (error.status, error.reason) == (403, "Forbidden")


def test_credential_of_no_user_is_not_accepted_although_server_takes_it_for_anonymous() -> None:
    error = refused(forbidden(rbac("get", "system:anonymous")))
    assert shown(error) == f"the credentials of context test of config: {SERVER} rejected them"
    assert (error.problems[0].hint, error.status) == ("renew the credentials of context test of config", 403)


def test_apply_to_missing_object_is_refused_for_verb_create() -> None:
    error = refused(forbidden(rbac("create")))
    assert str(error) == f'{TARGET}: the API server forbids "create" (user "system:serviceaccount:voice:bridge")'
    assert error.problems[0].hint == RULE.format("create")


def test_verb_that_server_does_not_name_is_ours_and_strange_user_is_not_shown() -> None:
    error = refused(forbidden(f'User "a b {CANARY}" cannot frobnicate {CANARY}'))
    assert str(error) == f'{TARGET}: the API server forbids "patch"'


@pytest.mark.parametrize(
    ("path", "role", "rule"),
    [
        (
            "/apis/coordination.k8s.io/v1/namespaces/voice/leases/bridge-a",
            "a Role in namespace voice",
            'apiGroups ["coordination.k8s.io"], resources ["leases"], resourceNames ["bridge-a"]',
        ),
        (
            "/api/v1/namespaces/voice/configmaps",
            "a Role in namespace voice",
            'apiGroups [""], resources ["configmaps"]',
        ),
        (
            "/api/v1/namespaces/voice",
            "a Role in namespace voice",
            'apiGroups [""], resources ["namespaces"], resourceNames ["voice"]',
        ),
    ],
)
def test_rule_follows_path(path: str, role: str, rule: str) -> None:
    assert refused(forbidden(""), "list", path).problems[0].hint == f'allow it with {role}: {rule}, verbs ["list"]'


def test_path_without_object_has_no_rule() -> None:
    assert not refused(forbidden(""), "get", "/version").problems[0].hint


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (
            status(400, "BadRequest", 'admission webhook "policy.example.com" denied the request: because'),
            'the admission webhook "policy.example.com" denies the change',
        ),
        (
            status(422, "Invalid", "ValidatingAdmissionPolicy 'no-secrets' with binding 'all' denied request: because"),
            'the admission policy "no-secrets" denies the change',
        ),
        (
            forbidden(
                'secrets "a" is forbidden: exceeded quota: small, requested: count/secrets=1, used: 1, limited: 1'
            ),
            'the change would exceed the resource quota "small"',
        ),
        (
            status(
                403, "Forbidden", "", {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
            ),
            "the namespace is being terminated",
        ),
    ],
)
def test_other_denials_name_source_but_not_reason(step: Step, what: str) -> None:
    error = refused(step)
    assert error.problems == (Problem(TARGET, what, ""),)


def test_missing_object_is_not_missing_namespace() -> None:
    error = refused(status(404, "NotFound", details={"name": "agent-secrets", "kind": "secrets"}), "get")
    assert isinstance(error, ObjectNotFound)
    assert str(error) == f"{TARGET}: does not exist"
    assert not error.missing_namespace


def test_missing_namespace_is_reported() -> None:
    error = refused(status(404, "NotFound", details={"name": "voice", "kind": "namespaces"}))
    assert isinstance(error, ObjectNotFound)
    assert str(error) == f"{TARGET}: the namespace does not exist"
    assert error.missing_namespace


@pytest.mark.parametrize("body", [b"404 page not found CANARY", b"<html>CANARY", b'{"error": "CANARY"}', b"[]"])
def test_404_without_status_does_not_mean_missing_object(body: bytes) -> None:
    error = refused(reply(404, body), "get")
    assert type(error) is Foreign
    assert shown(error) == f"{SERVER}: this is not a Kubernetes API server (status 404)"
    assert error.problems[0].hint == "check the server in context test of config"
    assert_clean(error, "CANARY")


def test_conflict_names_managers_and_their_fields() -> None:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-client-side-apply" using v1',
            "field": ".data.A",
        },
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using v1 at 2026-11-23T10:00:00Z',
            "field": ".data.B",
        },
        {"reason": "FieldManagerConflict", "message": 'conflict with "helm"', "field": ".type"},
        {"reason": "FieldManagerConflict", "message": f'conflict with "x" and {CANARY}', "field": f".data {CANARY}"},
    ]
    error = refused(status(409, "Conflict", "Apply failed with 4 conflicts", {"causes": causes}))
    assert type(error) is ObjectConflict
    assert error.causes == (
        Cause("FieldManagerConflict", ".data.A", "kubectl-client-side-apply"),
        Cause("FieldManagerConflict", ".data.B", "kubectl-edit"),
        Cause("FieldManagerConflict", ".type", "helm"),
        Cause("FieldManagerConflict", "", None),
    )
    assert str(error) == (
        f'{TARGET}: "kubectl-client-side-apply" owns .data.A; "kubectl-edit" owns .data.B; "helm" owns .type'
    )


@pytest.mark.parametrize(
    ("reason", "what"), [("Conflict", "changed since it was read"), ("AlreadyExists", "already exists")]
)
def test_other_conflicts_have_no_causes(reason: str, what: str) -> None:
    error = refused(status(409, reason))
    assert isinstance(error, ObjectConflict)
    assert (error.reason, error.causes, str(error)) == (reason, (), f"{TARGET}: {what}")


def test_invalid_object_names_its_fields_only() -> None:
    causes = [
        {"reason": "FieldValueForbidden", "message": f"Forbidden: {CANARY}", "field": "data"},
        {"reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}"', "field": "data[A/B]"},
        {"reason": f"{CANARY}", "message": "", "field": f'"{CANARY}"'},
    ]
    error = refused(status(422, "Invalid", f"Invalid value: {CANARY}", {"causes": causes}))
    assert type(error) is Invalid
    assert str(error) == f"{TARGET}: the API server rejected the request (422 Invalid): data, data[A/B]"
    assert error.causes[0] == Cause("FieldValueForbidden", "data", None)
    assert error.causes[2] == Cause("", "", None)


def test_refused_credentials_are_retried_once_and_then_told() -> None:
    with Wire(status(401, "Unauthorized"), status(401, "Unauthorized"), FINE) as server:
        client = api(server.url)
        with pytest.raises(ApiError) as caught:
            client.request("patch", PATH, target=TARGET, body=b"{}")
        client.close()
    assert shown(caught.value) == f"the credentials of context test of config: {SERVER} rejected them"
    assert caught.value.problems[0].hint == "renew the credentials of context test of config"
    assert caught.value.status == 401
    assert len(server.requests) == 2
    assert_clean(caught.value, CANARY, TOKEN)


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("body", [b"<html>CANARY", b"", b'{"type": "error", "status": "403", "message": "CANARY"}'])
def test_refusal_without_status_is_attributed_to_gateway(code: int, body: bytes) -> None:
    error = refused(reply(code, body), "get")
    assert type(error) is Foreign
    assert shown(error) == f"{SERVER}: something in front of it, such as a gateway or a proxy, answers {code}"
    assert "Role" not in error.problems[0].hint
    assert_clean(error, "CANARY")


def test_webhook_without_dry_runs_is_named_with_remedy() -> None:
    message = 'admission webhook "guard.example.com" does not support dry run'
    error = refused(status(400, "BadRequest", message))
    assert str(error) == f'{TARGET}: the admission webhook "guard.example.com" does not support dry runs'
    assert "`sideEffects: None`" in error.problems[0].hint


def outage(message: str, verb: str, code: int = 500) -> BridgeError:
    with Wire(status(code, "InternalError", message)) as server:
        client = api(server.url, seconds=5)
        with pytest.raises(BridgeError) as caught:
            client.request(verb, PATH, target=TARGET, body=b"{}")
        client.close()
    assert_clean(caught.value, CANARY, TOKEN)
    return caught.value


WEBHOOK = (
    'Internal error occurred: failed calling webhook "guard.example.com": failed to call webhook: '
    'Post "https://guard.voice.svc:443/?timeout=10s": dial tcp 10.0.0.1:443: connect: connection refused'
)
TRANSFORM = 'Internal error occurred: unable to transform key "/registry/secrets/voice/agent-secrets": rpc error'


@pytest.mark.parametrize(
    ("message", "verb", "what"),
    [
        (WEBHOOK, "patch", f'{TARGET}: the admission webhook "guard.example.com" cannot be reached'),
        (
            TRANSFORM,
            "get",
            f"{TARGET}: cannot be encrypted or decrypted by the API server (encryption at rest)",
        ),
        ("etcdserver: mvcc: database space exceeded", "patch", f"{SERVER}: its database (etcd) is full"),
        ("etcdserver: no leader", "get", f"{SERVER}: its database (etcd) has no leader"),
        ("etcdserver: request timed out", "get", f"{SERVER}: its database (etcd) did not answer in time"),
    ],
)
def test_5xx_names_outage_and_is_temporary(message: str, verb: str, what: str) -> None:
    error = outage(message, verb)
    assert type(error) is Unreachable
    assert re.sub(r"http://127\.0\.0\.1:[0-9]+", "URL", str(error)) == what
    assert "network" not in error.problems[0].hint


@pytest.mark.parametrize(
    "message",
    [
        "etcdserver: request is too large",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3000000 vs. 2097152)",
    ],
)
def test_too_large_object_is_permanent_refusal(message: str) -> None:
    error = outage(message, "patch")
    assert type(error) is ApiError
    assert (str(error), error.exit_status) == (f"{TARGET}: is too large for the cluster's database (etcd)", 1)


@pytest.mark.parametrize(("message", "what"), [(TRANSFORM, "cannot be encrypted"), ("etcdserver: no leader", "etcd")])
def test_write_during_outage_is_verified(message: str, what: str) -> None:
    error = outage(message, "patch")
    assert isinstance(error, LostAnswer)
    assert what in str(error)
    assert str(error).endswith(": the change may or may not have been made")
    assert "may have been" not in str(error.settled)


@pytest.mark.parametrize(
    "details",
    [[], "text", {"causes": "text"}, {"causes": ["text", {"reason": 1, "field": 2, "message": 3}]}, {"kind": 7}],
)
def test_status_of_another_shape_is_still_refusal(details: object) -> None:
    error = refused(reply(422, {"kind": "Status", "reason": 5, "message": None, "details": details}))
    assert str(error) == f"{TARGET}: the API server rejected the request (422)"
