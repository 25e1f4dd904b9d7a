"""Tokens that a session was issued and cannot revoke: they are told, with how long they live and what is missing."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.provider import Problem, Unavailable
from tests.providers.vault.sessions import Desk, told
from tests.providers.vault.test_login import Role, role
from tests.providers.vault.wire import Answer, Request, Wire, document, errors

__all__ = ["role"]  # a fixture

MISSING = errors(403, "1 error occurred:\n\t* permission denied\n\n")
POLICY = 'add to the policy: path "auth/token/revoke-self" { capabilities = ["update"] }'
ANN = {"method": "userpass", "username": "ann"}


def issuing(lease: object, revoked: Answer) -> Callable[[Request], Answer]:
    """Answer every login with a token that lives so long, every read with a document, and every revocation so."""

    def answer(request: Request) -> Answer:
        if request.path.endswith("/login/ann"):
            auth = {"client_token": "hvs.own", "token_type": "service", "lease_duration": lease}
            return Answer(body={"auth": auth})
        return revoked if "revoke" in request.path else document({"A": "CANARY"})

    return answer


def left(desk: Desk) -> tuple[Problem, ...]:
    """Return what a session tells once it has read and is closed."""
    with desk.session(auth=ANN) as session:
        assert session.read("app").warnings == ()
        assert session.warnings == ()
    return session.warnings


@pytest.fixture
def ann(fake_desk: Desk) -> Desk:
    fake_desk.environ = {"VAULT_PASSWORD": "CANARY"}
    return fake_desk


@pytest.mark.parametrize(
    ("lease", "fate"),
    [
        (2764800, "lives for 32 days more"),
        (86400, "lives for 24 h more"),
        (1800, "lives for 30 min more"),
        (100, "lives for 100 s more"),
        (0, "never expires"),
        ("CANARY", "never expires"),
        (10**400, "never expires"),
    ],
)
def test_token_that_may_not_revoke_itself_is_reported(fake: Wire, ann: Desk, lease: object, fate: str) -> None:
    fake.answer = issuing(lease, MISSING)
    what = f"the token of the login as userpass ann could not be revoked (permission denied) and {fate}"
    assert left(ann) == (Problem("", f"{fake.address}: {what}", POLICY, warning=True),)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (errors(503, "Vault is sealed"), "status 503"),
        (errors(429, "CANARY"), "status 429"),
        (Answer(script=lambda connection: connection.close()), "cannot be reached"),
    ],
)
def test_server_that_cannot_revoke_now_is_reported_without_policy(
    fake: Wire, ann: Desk, answer: Answer, why: str
) -> None:
    fake.answer = issuing(1800, answer)
    (warning,) = left(ann)
    assert f"could not be revoked ({why}) and lives for 30 min more" in warning.what
    assert warning.hint == ""


@pytest.mark.parametrize(
    "answer", [Answer(204), errors(403, "permission denied", "invalid token"), errors(403, "permission denied")]
)
def test_token_that_no_longer_exists_is_not_told(fake: Wire, ann: Desk, answer: Answer) -> None:
    fake.answer = issuing(1800, answer)
    assert left(ann) == ()


def test_second_token_is_revoked_although_first_one_cannot_be(fake: Wire, ann: Desk) -> None:
    answers = [errors(403, "permission denied", "invalid token"), document({"A": "CANARY"})]
    fake.answer = lambda request: answers.pop(0) if "data/" in request.path else issuing(1800, MISSING)(request)
    with ann.session(auth=ANN) as session:
        session.read("app")
    assert fake.asked().count("POST auth/token/revoke-self") == 2
    assert len(session.warnings) == 1


def test_session_that_never_logged_in_leaves_nothing(fake: Wire, ann: Desk) -> None:
    fake.answer = lambda _: errors(503, "Vault is sealed")
    with ann.session(auth=ANN) as session:
        told(Unavailable, lambda: session.read("app"))
    assert session.warnings == ()


def test_role_without_default_policy_needs_one_line_more(role: Role) -> None:
    path, role_id = role.approle(token_no_default_policy=True, token_ttl="30m")
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": role.secret_id(path)}
    auth: dict[str, Any] = {"method": "approle", "mount": path}
    before = role.vault.tokens()
    with role.desk.session(auth=auth) as session:
        session.read("app")
    assert role.vault.tokens() == before + 1
    (warning,) = session.warnings
    assert "could not be revoked (permission denied) and lives for 30 min more" in warning.what
    policy = role.vault.do("GET", f"sys/policies/acl/{role.policy}")["data"]["policy"]
    role.vault.policy(role.policy, f"{policy}\n{warning.hint.removeprefix('add to the policy: ')}")
    with role.desk.session(auth=auth) as session:
        session.read("app")
    assert role.vault.tokens() == before + 1
    assert session.warnings == ()
