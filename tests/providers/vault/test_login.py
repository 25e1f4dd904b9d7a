"""Every way to log in, on the real Vault: with the right credential, a wrong one, an expired one, a missing role."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Denied, ProviderError, Unavailable
from bridge_providers.vault.answers import NOT_VALID, UNKNOWN
from tests.providers.vault import jwts
from tests.providers.vault.sessions import Desk, told
from tests.providers.vault.wire import Answer, Request, Wire, document, errors
from tests.servers.pki import key_pair
from tests.servers.vault import DevVault
from tests.waiting import until

VALUES = {"A": "CANARY-a"}
MOUNTS = "GET sys/internal/ui/mounts/cubbyhole"


class Role:
    """A fresh engine with a document, a policy that may read it, and a desk without any credential."""

    def __init__(self, desk: Desk, vault: DevVault, mount: str) -> None:
        self.vault = vault
        self.mount = mount
        self.policy = f"read-{mount}"
        vault.put("app", VALUES, mount)
        vault.policy(self.policy, f'path "{mount}/data/app" {{ capabilities = ["read"] }}')
        self.desk = replace(desk, environ={}, options={"mount": mount, "kv_version": 2})

    @property
    def not_valid(self) -> str:
        """Return what is told of a token that the server does not know; OpenBao tells less than Vault."""
        return UNKNOWN if self.vault.is_openbao else NOT_VALID

    def method(self, kind: str) -> str:
        """Enable an auth method at a path of its own."""
        path = f"{kind}-{self.mount}"
        self.vault.do("POST", f"sys/auth/{path}", {"type": kind})
        return path

    def approle(self, **options: object) -> tuple[str, str]:
        """Make a role `r` and return the mount and the role's id."""
        path = self.method("approle")
        self.vault.do("POST", f"auth/{path}/role/r", {"token_policies": [self.policy], **options})
        return path, self.vault.do("GET", f"auth/{path}/role/r/role-id")["data"]["role_id"]

    def secret_id(self, path: str, **options: str) -> Any:
        return self.vault.do("POST", f"auth/{path}/role/r/secret-id", options)["data"]["secret_id"]

    def wrapped(self, path: str) -> Any:
        """Return a token that opens a secret id, once."""
        reply = self.vault.request("POST", f"auth/{path}/role/r/secret-id", {}, X_Vault_Wrap_TTL="60s")
        return reply.body["wrap_info"]["token"]


@pytest.fixture
def role(desk: Desk, dev_vault: DevVault, mount: str) -> Role:
    return Role(desk, dev_vault, mount)


@pytest.fixture
def leftovers(dev_vault: DevVault) -> Iterator[None]:
    """Make sure that a test leaves as many tokens as there were."""
    before = dev_vault.tokens()
    yield
    assert dev_vault.tokens() == before


# Tokens


def test_token_of_environment_is_used_and_never_revoked(role: Role) -> None:
    token = role.vault.token(role.policy)
    role.desk.environ["VAULT_TOKEN"] = token
    assert role.desk.texts("app") == VALUES
    assert role.vault.is_alive(token)


def test_token_of_vault_login_is_used_and_never_revoked(role: Role, tmp_path: Path) -> None:
    token = role.vault.token(role.policy)
    (tmp_path / ".vault-token").write_text(f"{token}\n")
    assert role.desk.texts("app") == VALUES
    assert role.vault.is_alive(token)


@pytest.mark.parametrize("how", ["wrong", "revoked", "expired"])
def test_token_that_is_not_valid_is_reported_without_second_try(role: Role, relay: Wire, how: str) -> None:
    token = role.vault.token(role.policy, ttl="1s")
    if how == "revoked":
        role.vault.request("POST", "auth/token/revoke-self", token=token)
    until(lambda: not role.vault.is_alive(token))  # that it has expired; a revoked one is gone at once
    role.desk.environ["VAULT_TOKEN"] = "hvs.CANARY" if how == "wrong" else token
    message = role.desk.reading(f"failed: {role.not_valid}", f"{role.mount}/data/app")
    assert role.desk.refusal(Denied) == message
    assert len(relay.requests) == (2 if role.vault.is_openbao else 1)


def test_token_without_right_is_denied(role: Role) -> None:
    role.desk.environ["VAULT_TOKEN"] = role.vault.token("default")
    denied = role.desk.reading("failed: permission denied", f"{role.mount}/data/app")
    assert role.desk.refusal(Denied) == denied
    assert role.desk.refusal(Denied, kv_version=None) == denied


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("hvs.CANARY\nX-Evil: 1", "VAULT_TOKEN contains control characters, so it is no credential"),
        ("hvs.CANARYé", "the token in VAULT_TOKEN, ~/.vault-token contains a character that no token has"),
        ("hvs. CANARY", "the token in VAULT_TOKEN, ~/.vault-token contains a space"),
    ],
)
def test_token_unfit_for_header_is_refused_without_showing_it(
    fake_desk: Desk, fake: Wire, text: str, wrong: str
) -> None:
    fake_desk.environ["VAULT_TOKEN"] = text
    assert fake_desk.refusal(Denied) == wrong
    assert fake.requests == []


@pytest.mark.parametrize("text", ["hvs.CANARY\n", "hvs.CANARY ", " hvs.CANARY\r\n"])
def test_white_space_around_token_is_stripped(fake_desk: Desk, fake: Wire, tmp_path: Path, text: str) -> None:
    fake.answer = lambda _: document({"A": "CANARY-a"})
    fake_desk.environ["VAULT_TOKEN"] = text
    fake_desk.read("app")
    del fake_desk.environ["VAULT_TOKEN"]
    (tmp_path / ".vault-token").write_text(text)
    fake_desk.read("app")
    assert [one.headers["x-vault-token"] for one in fake.requests] == ["hvs.CANARY"] * 2


def test_token_that_is_bound_to_other_addresses_is_reported(role: Role) -> None:
    role.vault.do("POST", f"auth/token/roles/{role.mount}", {"token_bound_cidrs": ["192.0.2.0/24"]})
    made = role.vault.do("POST", f"auth/token/create/{role.mount}", {"policies": [role.policy]})
    role.desk.environ["VAULT_TOKEN"] = made["auth"]["client_token"]
    message = role.desk.reading(f"failed: {UNKNOWN}", f"{role.mount}/data/app")
    assert role.desk.refusal(Denied) == message


def test_without_credential_every_place_is_named(role: Role, relay: Wire) -> None:
    auth = [{"method": "kubernetes", "role": "r"}, {"method": "jwt"}, {"method": "approle"}, {"method": "token"}]
    assert role.desk.refusal(Denied, auth=auth) == (
        "no credential found: looked for kubernetes (/var/run/secrets/kubernetes.io/serviceaccount/token), "
        "jwt (VAULT_ID_TOKEN), approle (VAULT_ROLE_ID and VAULT_SECRET_ID), token (VAULT_TOKEN, ~/.vault-token)"
    )
    assert relay.requests == []


# AppRole


@pytest.mark.usefixtures("leftovers")
def test_approle_from_environment(role: Role, relay: Wire) -> None:
    path, role_id = role.approle()
    role.desk.environ |= {"VAULT_ROLE_ID": f" {role_id}\n", "VAULT_SECRET_ID": role.secret_id(path)}
    assert role.desk.texts("app", auth={"method": "approle", "mount": path}) == VALUES
    assert relay.asked() == [
        f"POST auth/{path}/login",
        f"GET {role.mount}/data/app",
        "POST auth/token/revoke-self",
    ]
    login = relay.requests[0]
    assert "x-vault-token" not in login.headers


@pytest.mark.usefixtures("leftovers")
def test_approle_from_files(role: Role, tmp_path: Path) -> None:
    path, role_id = role.approle()
    (tmp_path / "vault-role-id").write_text(f"{role_id}\n")
    (tmp_path / "vault-secret-id").write_text(f"{role.secret_id(path)}\n")
    auth = {"method": "approle", "mount": path, "role_id_file": "vault-role-id", "secret_id_file": "vault-secret-id"}
    assert role.desk.texts("app", auth=auth) == VALUES
    (tmp_path / "vault-secret-id").write_text("\n")
    assert role.desk.refusal(Denied, auth=auth) == "the file vault-secret-id contains no credential"


@pytest.mark.usefixtures("leftovers")
def test_approle_with_wrapped_secret_id_that_is_opened_once(role: Role, relay: Wire) -> None:
    path, role_id = role.approle()
    wrapped = role.wrapped(path)
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": wrapped}
    auth = {"method": "approle", "mount": path, "wrapped": True}
    assert role.desk.texts("app", auth=auth) == VALUES
    assert [one for one in relay.asked() if "unwrap" in one] == ["POST sys/wrapping/unwrap"]
    relay.requests.clear()
    assert role.desk.refusal(Denied, auth=auth) == (
        f"{role.desk.address}: the secret ID cannot be unwrapped (VAULT_ROLE_ID and VAULT_SECRET_ID): "
        "its token is invalid, expired or already used"
    )
    assert relay.asked() == ["POST sys/wrapping/unwrap"]


def test_wrapped_token_without_secret_id_is_refused(role: Role) -> None:
    path, role_id = role.approle()
    wrapped = role.vault.request("POST", "sys/wrapping/wrap", {"a": "CANARY"}, X_Vault_Wrap_TTL="60s").body
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": wrapped["wrap_info"]["token"]}
    message = role.desk.refusal(Denied, auth={"method": "approle", "mount": path, "wrapped": True})
    assert message == "the wrapping token holds no secret ID (VAULT_ROLE_ID and VAULT_SECRET_ID)"


@pytest.mark.parametrize("bound", ["role", "secret"])
def test_approle_from_address_that_it_is_not_bound_to(role: Role, bound: str) -> None:
    path, role_id = role.approle(**({"secret_id_bound_cidrs": ["192.0.2.0/24"]} if bound == "role" else {}))
    secret_id = role.secret_id(path, **({"cidr_list": "192.0.2.0/24"} if bound == "secret" else {}))
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id}
    message = role.desk.login("approle", path, "failed: this client's address is not allowed (CIDR)")
    assert role.desk.refusal(Denied, auth={"method": "approle", "mount": path}) == message


@pytest.mark.parametrize("wrong", ["role", "secret", "used"])
def test_approle_with_credential_that_is_not_valid(role: Role, wrong: str) -> None:
    path, role_id = role.approle(secret_id_num_uses=1)
    secret_id = role.secret_id(path)
    role.desk.environ |= {
        "VAULT_ROLE_ID": "CANARY-role" if wrong == "role" else role_id,
        "VAULT_SECRET_ID": "CANARY-secret" if wrong == "secret" else secret_id,
    }
    auth = {"method": "approle", "mount": path}
    if wrong == "used":
        assert role.desk.texts("app", auth=auth) == VALUES
    message = role.desk.login("approle", path, "failed: the role ID or the secret ID is invalid")
    assert role.desk.refusal(Denied, auth=auth) == message


# UserPass


@pytest.mark.usefixtures("leftovers")
def test_userpass(role: Role) -> None:
    path = role.method("userpass")
    role.vault.do("POST", f"auth/{path}/users/ann", {"password": "CANARY pä$$", "token_policies": [role.policy]})
    role.desk.environ["VAULT_PASSWORD"] = "CANARY pä$$"
    auth = {"method": "userpass", "mount": path, "username": "ann"}
    assert role.desk.texts("app", auth=auth) == VALUES
    role.desk.environ["VAULT_PASSWORD"] = "CANARY"
    for name in ("ann", "nobody"):
        message = role.desk.login(f"userpass {name}", path, "failed: wrong username or password")
        assert role.desk.refusal(Denied, auth={**auth, "username": name}) == message


# JWT


@pytest.fixture
def pipeline(role: Role, tmp_path: Path) -> dict[str, Any]:
    """A jwt method that trusts the key of a pipeline, and the method's section."""
    pair = key_pair(tmp_path, "pipeline")
    path = role.method("jwt")
    config = {"jwt_validation_pubkeys": [pair.certificate.read_text()], "bound_issuer": CLAIMS["iss"]}
    role.vault.do("POST", f"auth/{path}/config", config)
    options = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_subject": "project:deploy"}
    options |= {"bound_claims": {"ref": "main"}}
    role.vault.do("POST", f"auth/{path}/role/deploy", {**options, "token_policies": [role.policy]})
    return {"method": "jwt", "mount": path, "role": "deploy"}


CLAIMS = {"iss": "https://ci.example", "sub": "project:deploy", "aud": "vault", "ref": "main"}


@pytest.mark.usefixtures("leftovers")
def test_jwt_of_pipeline(role: Role, pipeline: dict[str, Any], tmp_path: Path) -> None:
    token = jwts.signed(tmp_path / "pipeline.key", CLAIMS)
    role.desk.environ["VAULT_ID_TOKEN"] = token
    assert role.desk.texts("app", auth=pipeline) == VALUES
    del role.desk.environ["VAULT_ID_TOKEN"]
    role.desk.environ["VAULT_MY_TOKEN"] = token
    assert role.desk.texts("app", auth={**pipeline, "token_variable": "VAULT_MY_TOKEN"}) == VALUES
    (tmp_path / "vault-jwt").write_text(token)
    assert role.desk.texts("app", auth={**pipeline, "token_file": "vault-jwt"}) == VALUES


@pytest.mark.usefixtures("leftovers")
def test_one_role_is_for_two_environments_of_pipeline(role: Role, pipeline: dict[str, Any], tmp_path: Path) -> None:
    """As config/pipelines says that Vault is set up."""
    claims = {"project_path": "voice/agent", "environment": ["staging", "staging-plan"]}
    options = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_claims": claims}
    path = f"auth/{pipeline['mount']}/role/deploy"
    role.vault.do("POST", path, {**options, "bound_subject": "", "token_policies": [role.policy]})
    for environment, is_admitted in (("staging", True), ("staging-plan", True), ("prod", False)):
        given = CLAIMS | {"project_path": "voice/agent", "environment": environment}
        role.desk.environ["VAULT_ID_TOKEN"] = jwts.signed(tmp_path / "pipeline.key", given)
        if is_admitted:
            assert role.desk.texts("app", auth=pipeline) == VALUES
        else:
            assert "the role does not accept the token's claim environment" in role.desk.refusal(Denied, auth=pipeline)


@pytest.mark.parametrize(
    ("claims", "lives", "name", "reason"),
    [
        (CLAIMS | {"aud": "other"}, 600, "deploy", "the token has the wrong audience (aud)"),
        (CLAIMS | {"iss": "CANARY"}, 600, "deploy", "the auth method expects another issuer (iss) in the token"),
        (CLAIMS | {"sub": "CANARY"}, 600, "deploy", "the role expects another subject (sub) in the token"),
        (CLAIMS | {"ref": "CANARY"}, 600, "deploy", "the role does not accept the token's claim ref"),
        (
            {name: claim for name, claim in CLAIMS.items() if name != "ref"},
            600,
            "deploy",
            "the token lacks the claim ref, which the role requires",
        ),
        (CLAIMS | {"nbf": 900}, 600, "deploy", "the token is not valid yet; a clock may be wrong"),
        (CLAIMS | {"iat": 900}, 600, "deploy", "the token is not valid yet; a clock may be wrong"),
        (CLAIMS, -600, "deploy", "the token has expired"),
        (CLAIMS, 600, "nobody", "the role does not exist"),
    ],
)
def test_jwt_that_is_refused(
    role: Role,
    pipeline: dict[str, Any],
    tmp_path: Path,
    *,
    claims: dict[str, Any],
    lives: int,
    name: str,
    reason: str,
) -> None:
    # Reckoned now: the test may run long after its parameters were collected.
    times = {claim: int(time.time()) + seconds for claim, seconds in claims.items() if claim in {"iat", "nbf"}}
    role.desk.environ["VAULT_ID_TOKEN"] = jwts.signed(tmp_path / "pipeline.key", claims | times, lives=lives)
    message = role.desk.login(f"jwt {name}", pipeline["mount"], f"failed: {reason}")
    assert role.desk.refusal(Denied, auth={**pipeline, "role": name}) == message


def test_jwt_of_someone_else_is_refused(role: Role, pipeline: dict[str, Any], tmp_path: Path) -> None:
    key_pair(tmp_path, "other")
    role.desk.environ["VAULT_ID_TOKEN"] = jwts.signed(tmp_path / "other.key", CLAIMS)
    assert role.desk.refusal(Denied, auth=pipeline).endswith(
        " failed: the token's signature does not match the keys of the auth method"
    )


# The list of methods


def test_first_method_whose_credential_is_present_is_used(role: Role, relay: Wire, tmp_path: Path) -> None:
    path, role_id = role.approle()
    auth = [{"method": "jwt", "role": "r"}, {"method": "approle", "mount": path}, {"method": "token"}]
    role.desk.environ |= {"VAULT_TOKEN": role.vault.token(role.policy)}
    assert role.desk.texts("app", auth=auth) == VALUES
    assert relay.asked() == [f"GET {role.mount}/data/app"]
    relay.requests.clear()
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": role.secret_id(path)}
    assert role.desk.texts("app", auth=auth) == VALUES
    assert relay.asked()[0] == f"POST auth/{path}/login"


def test_if_method_is_refused_no_other_is_tried(role: Role, relay: Wire) -> None:
    path, role_id = role.approle()
    token = role.vault.token(role.policy)
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": "CANARY", "VAULT_TOKEN": token}
    with role.desk.session(auth=[{"method": "approle", "mount": path}, {"method": "token"}]) as session:
        for _ in range(2):
            assert told(Denied, lambda: session.read("app")) == (
                role.desk.login("approle", path, "failed: the role ID or the secret ID is invalid; ")
                + "no other method was tried"
            )
    assert relay.asked() == [f"POST auth/{path}/login"]


def test_method_that_is_not_mounted_is_reported(role: Role) -> None:
    role.desk.environ["VAULT_ID_TOKEN"] = "CANARY"
    message = role.desk.refusal(Denied, auth={"method": "jwt", "role": "r", "mount": "nowhere"})
    assert message == role.desk.login("jwt r", "nowhere", "failed: permission denied")


# One login, one more after a refusal, nothing left behind


@pytest.fixture
def approle(role: Role) -> dict[str, Any]:
    path, role_id = role.approle()
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": role.secret_id(path)}
    return {"method": "approle", "mount": path}


def sent(relay: Wire) -> str:
    return relay.requests[-1].headers["x-vault-token"]


@pytest.mark.usefixtures("leftovers")
def test_token_that_ends_in_middle_is_replaced_once(role: Role, relay: Wire, approle: dict[str, Any]) -> None:
    with role.desk.session(auth=approle) as session:
        session.read("app")
        role.vault.do("POST", "auth/token/revoke", {"token": sent(relay)})
        relay.requests.clear()
        assert session.read("app").revision.id == "1"
        login, read = f"POST auth/{approle['mount']}/login", f"GET {role.mount}/data/app"
        assert relay.asked() == [read, login, read]
        role.vault.do("POST", "auth/token/revoke", {"token": sent(relay)})
        relay.requests.clear()
        message = role.desk.reading(f"failed: {role.not_valid}", f"{role.mount}/data/app", "approle")
        assert told(Denied, lambda: session.read("app")) == message
        assert relay.asked() == [read, *(one for one in [MOUNTS] if role.vault.is_openbao)]


@pytest.mark.usefixtures("leftovers")
def test_temporary_login_failure_does_not_use_up_retry(role: Role, relay: Wire, approle: dict[str, Any]) -> None:
    with role.desk.session(auth=approle) as session:
        session.read("app")
        role.vault.do("POST", "auth/token/revoke", {"token": sent(relay)})
        relay.answer = lambda request: errors(503, "Vault is sealed") if "login" in request.path else None
        message = role.desk.login("approle", approle["mount"], "failed: the server is sealed (503)")
        assert told(Unavailable, lambda: session.read("app")) == message
        relay.answer = lambda _: None
        assert session.read("app").revision.id == "1"


@pytest.mark.usefixtures("leftovers")
def test_missing_permission_causes_one_extra_login_and_both_tokens_are_revoked(
    role: Role, relay: Wire, approle: dict[str, Any]
) -> None:
    with role.desk.session(auth=approle) as session:
        for _ in range(3):
            message = role.desk.reading("failed: permission denied", f"{role.mount}/data/other", "approle")
            assert told(Denied, lambda: session.read("other")) == message
    assert len([one for one in relay.asked() if one.endswith("/login")]) == 2
    assert len([one for one in relay.asked() if one.endswith("/revoke-self")]) == 2


@pytest.mark.usefixtures("leftovers")
def test_many_threads_share_one_login(role: Role, relay: Wire, approle: dict[str, Any]) -> None:
    found: list[str] = []
    with role.desk.session(auth=approle, kv_version=None) as session:
        threads = [threading.Thread(target=lambda: found.append(session.read("app").revision.id)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["1"] * 8
    assert len(relay.asked()) == 1 + 1 + 8 + 1


def test_many_threads_share_one_refused_login(role: Role, relay: Wire, approle: dict[str, Any]) -> None:
    role.desk.environ["VAULT_SECRET_ID"] = "CANARY"
    refused: list[Denied] = []

    def read() -> None:
        with pytest.raises(Denied) as caught:
            session.read("app")
        refused.append(caught.value)

    with role.desk.session(auth=approle) as session:
        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(refused) == 8
    assert len(relay.requests) == 1


def test_batch_token_is_not_revoked(role: Role, relay: Wire) -> None:
    path, role_id = role.approle(token_type="batch")
    role.desk.environ |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": role.secret_id(path)}
    assert role.desk.texts("app", auth={"method": "approle", "mount": path}) == VALUES
    assert not [one for one in relay.asked() if "revoke" in one]


@pytest.mark.usefixtures("leftovers")
def test_token_that_comes_after_session_was_closed_is_revoked(role: Role, relay: Wire, approle: dict[str, Any]) -> None:
    arrived, go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def hold(request: Request) -> None:
        if request.path.endswith("/login"):
            arrived.set()
            assert go_on.wait(120)

    relay.answer = hold
    with role.desk.session(auth=approle) as session:
        reader = threading.Thread(target=lambda: ended.append(told(Unavailable, lambda: session.read("app"))))
        reader.start()
        assert arrived.wait(120)
        session.close()
        go_on.set()
        reader.join()
    assert ended == ["the run has ended"]
    assert relay.asked() == [f"POST auth/{approle['mount']}/login", "POST auth/token/revoke-self"]


def test_login_that_wants_second_factor_is_reported(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: Answer(body={"auth": {"client_token": "", "mfa_requirement": {"x": "CANARY"}}})
    fake_desk.environ = {"VAULT_PASSWORD": "CANARY"}
    message = fake_desk.refusal(ProviderError, auth={"method": "userpass", "username": "ann"})
    assert message == fake_desk.login("userpass ann", "userpass", "returned no token")


def test_namespaces_go_along_with_login_reads_and_revocation(fake: Wire, fake_desk: Desk) -> None:
    def answer(request: Request) -> Answer:
        if request.path.endswith("/login/ann"):
            return Answer(body={"auth": {"client_token": "hvs.own", "token_type": "service"}})
        return Answer(204) if "revoke" in request.path else document(VALUES)

    def namespaces(**options: Any) -> list[tuple[str, str | None]]:
        fake.requests.clear()
        assert fake_desk.texts("app", auth={"method": "userpass", "username": "ann"}, **options) == VALUES
        return [(one.path.rpartition("/")[2], one.headers.get("x-vault-namespace")) for one in fake.requests]

    fake.answer = answer
    fake_desk.environ = {"VAULT_PASSWORD": "CANARY"}
    assert namespaces() == [("ann", None), ("app", None), ("revoke-self", None)]
    assert namespaces(namespace="a/b/") == [("ann", "a/b"), ("app", "a/b"), ("revoke-self", "a/b")]
    both = {"namespace": "a/b", "auth_namespace": "a"}
    assert namespaces(**both) == [("ann", "a"), ("app", "a/b"), ("revoke-self", "a")]
    fake_desk.environ["VAULT_NAMESPACE"] = "env"
    assert namespaces() == [("ann", "env"), ("app", "env"), ("revoke-self", "env")]
    fake_desk.environ["BAO_NAMESPACE"] = "bao"
    assert namespaces(auth_namespace="a") == [("ann", "a"), ("app", "bao"), ("revoke-self", "a")]
    assert json.loads(fake.requests[0].body) == {"password": "CANARY"}


def test_credential_that_cannot_be_read_is_reported_and_no_other_is_tried(role: Role, tmp_path: Path) -> None:
    role.desk.environ["VAULT_TOKEN"] = "hvs.CANARY"
    auth = [{"method": "jwt", "role": "r", "token_file": "vault-jwt"}, {"method": "token"}]
    (tmp_path / "vault-jwt").write_bytes(b"CANARY\xff")
    assert role.desk.refusal(Denied, auth=auth) == "the file vault-jwt contains no credential"
    (tmp_path / "vault-jwt").write_bytes(b"CANARY\0")
    assert role.desk.refusal(Denied, auth=auth).startswith("the file vault-jwt contains control characters")
    (tmp_path / "vault-jwt").unlink()
    (tmp_path / "vault-jwt").mkdir()
    assert role.desk.refusal(Denied, auth=auth) == "cannot read the file vault-jwt: Is a directory"
