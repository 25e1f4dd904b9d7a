"""What a refusal or a failure tells: the step, the method, its mount, the address and the reason."""

from typing import Any

import pytest

from bridge.errors import BridgeError
from bridge.provider import Denied, NotFound, ProviderError, SecretValue, Unavailable
from bridge_providers.vault.answers import LOG_IN, UNKNOWN, Reply, Step, failure, grant
from tests.providers.vault.sessions import Desk
from tests.providers.vault.wire import Answer, Request, Wire, errors
from tests.servers.pki import Authority

METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "kubernetes": ({"role": "app", "token_file": "vault-jwt"}, "kubernetes app"),
    "jwt": ({"role": "app", "token_file": "vault-jwt", "mount": "gitlab"}, "jwt app"),
    "approle": ({"mount": "ci/approle"}, "approle"),
    "userpass": ({"username": "ann"}, "userpass ann"),
    "cert": ({"role": "app", "mount": "tls/cert"}, "cert app"),
}
STATUSES: dict[int, tuple[type[BridgeError], str]] = {
    400: (Denied, "is refused: status 400"),
    403: (Denied, "is refused: status 403"),
    404: (Denied, "is refused: status 404"),
    412: (Unavailable, "failed: the server has not caught up with the latest write (412)"),
    429: (Unavailable, "failed: the server asks to slow down (429)"),
    473: (Unavailable, "failed: the server is a performance standby (473)"),
    500: (Unavailable, "failed: the server fails (500)"),
    503: (Unavailable, "failed: the server is sealed (503)"),
}
KINDS_OF_A_READ: dict[int, tuple[type[BridgeError], str]] = {
    400: (ProviderError, "is refused: status 400"),
    404: (NotFound, "failed: not found (404)"),
}
READ = Step("reading secret/data/app", grant("secret/data/app", "read"))
CLOCKS = "the token is not valid yet: compare the clocks"
REVIEW = 'Post "https://10.0.0.1:443/apis/authentication.k8s.io/v1/tokenreviews": '


@pytest.fixture
def credentials(fake_desk: Desk) -> Desk:
    """The fake's desk with a credential for every method that sends one."""
    (fake_desk.folder / "vault-jwt").write_text("CANARY.b.c")
    fake_desk.environ = dict.fromkeys(("VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_PASSWORD"), "CANARY")
    ann = Authority(fake_desk.folder).client("ann")
    fake_desk.environ |= {"VAULT_CLIENT_CERT": str(ann.certificate), "VAULT_CLIENT_KEY": str(ann.key)}
    return fake_desk


def text_of(status: int) -> str:
    return "Vault is sealed" if status == 503 else "CANARY: this is not known"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", METHODS)
def test_a_login_names_method_mount_address_and_reason(fake: Wire, credentials: Desk, method: str, status: int) -> None:
    fake.answer = lambda _: errors(status, text_of(status))
    fields, who = METHODS[method]
    kind, outcome = STATUSES[status]
    message = credentials.refusal(kind, auth={"method": method, **fields})
    assert message == credentials.login(who, fields.get("mount", method), outcome)


@pytest.mark.parametrize("body", [b"<html>CANARY</html>", b'["CANARY"]', b""], ids=["html", "list", "empty"])
@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("method", METHODS)
def test_a_login_that_is_not_answered_with_vaults_json(
    fake: Wire, credentials: Desk, method: str, status: int, body: bytes
) -> None:
    fake.answer = lambda _: Answer(status, body)
    fields, who = METHODS[method]
    kind, outcome = STATUSES.get(status, (ProviderError, ""))
    if kind is Unavailable:
        outcome = outcome.replace("is sealed", "fails")  # which a text of Vault's would say
    else:
        kind, outcome = ProviderError, f"failed: something else than Vault answers at this address (status {status}, "
        outcome += "not Vault's JSON)"
    message = credentials.refusal(kind, auth={"method": method, **fields})
    assert message == credentials.login(who, fields.get("mount", method), outcome)


@pytest.mark.parametrize("status", STATUSES)
def test_a_read_names_its_place_its_method_and_the_address(fake: Wire, credentials: Desk, status: int) -> None:
    def answer(request: Request) -> Answer:
        if request.path.endswith("/login/ann"):
            return Answer(body={"auth": {"client_token": "hvs.own", "token_type": "batch"}})
        return errors(status, text_of(status))

    fake.answer = answer
    kind, outcome = KINDS_OF_A_READ.get(status, STATUSES[status])
    message = credentials.refusal(kind, auth={"method": "userpass", "username": "ann"})
    if status != 404:  # the document's reference names its place
        assert message == credentials.reading(outcome, who="userpass ann")


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('claim "iss" is invalid', "the token's issuer (iss) is not the one that the method accepts"),
        (
            "error validating token: invalid issuer (iss) claim",
            "the token's issuer (iss) is not the one that the method",
        ),
        (
            "invalid audience (aud) claim: audience claim does not match any expected audience",
            "the token is for another",
        ),
        (
            "error validating token: invalid subject (sub) claim",
            "the token's subject (sub) is not the one that the role",
        ),
        (
            'error validating claims: claim "ref" does not match any CANARY',
            "the role does not accept the token's claim ref",
        ),
        ('error validating claims: claim "/a/b" is missing', "the token has no claim /a/b, which the role asks for"),
        ("error validating token: invalid not before (nbf) claim: token not yet valid", CLOCKS),
        ("validation failed, token not valid yet (nbf)", CLOCKS),
        ("invalid issued at (iat) claim: token issued in the future", CLOCKS),
        ("invalid expiration time (exp) claim: token is expired", "the token has expired"),
        (
            'source address "10.1.2.3" unauthorized by CIDR restrictions on the secret ID: 10.9.0.0/24',
            "not from this addr",
        ),
        ("failed to verify the CIDR restrictions set on the role: CANARY", "not from this address (CIDR)"),
        ("service account name not authorized", "the role is not for this service account"),
        ("lookup failed: [invalid bearer token, CANARY]", "the cluster did not confirm the token"),
        (f"{REVIEW}x509: certificate signed by unknown authority", "Vault does not trust the cluster's certificate"),
        (
            f"{REVIEW}x509: certificate has expired or is not yet valid",
            "Vault does not trust the cluster's certificate",
        ),
        (
            'tokenreviews.authentication.k8s.io is forbidden: User "CANARY" cannot create',
            "Vault's own account may not ask",
        ),
    ],
)
def test_a_reason_is_told_whatever_the_status_of_a_login(
    fake: Wire, credentials: Desk, status: int, text: str, reason: str
) -> None:
    fake.answer = lambda _: errors(status, text)
    message = credentials.refusal(Denied, auth={"method": "kubernetes", "role": "app", "token_file": "vault-jwt"})
    assert message.startswith(credentials.login("kubernetes app", "kubernetes", f"is refused: {reason}"))


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{REVIEW}dial tcp 10.0.0.1:443: connect: connection refused", "Vault cannot reach the cluster"),
        (f"{REVIEW}context deadline exceeded", "Vault cannot reach the cluster"),
        (
            'error verifying token signature: fetching keys oidc: get keys failed: Get "CANARY"',
            "Vault cannot fetch the",
        ),
    ],
)
def test_what_vault_itself_cannot_reach_is_temporary(
    fake: Wire, credentials: Desk, status: int, text: str, reason: str
) -> None:
    fake.answer = lambda _: errors(status, text)
    message = credentials.refusal(Unavailable, auth={"method": "kubernetes", "role": "app", "token_file": "vault-jwt"})
    assert message.startswith(credentials.login("kubernetes app", "kubernetes", f"failed: {reason}"))


@pytest.mark.parametrize(
    "text", ["open /vault/data: permission denied CANARY", "lease expired", "a signature CANARY", "claim", "audience"]
)
def test_words_that_many_failures_have_make_none_of_them_lasting(fake: Wire, credentials: Desk, text: str) -> None:
    fake.answer = lambda _: errors(500, text)
    message = credentials.refusal(Unavailable, auth={"method": "jwt", "role": "app", "token_file": "vault-jwt"})
    assert message == credentials.login("jwt app", "jwt", "failed: the server fails (500)")


@pytest.mark.parametrize("name", ["re f", "CANARY value", 'x" is missing "', "", "a" * 65])
def test_only_what_can_be_the_name_of_a_claim_is_shown(fake: Wire, credentials: Desk, name: str) -> None:
    fake.answer = lambda _: errors(400, f'error validating claims: claim "{name}" does not match')
    message = credentials.refusal(Denied, auth={"method": "jwt", "role": "app", "token_file": "vault-jwt"})
    generic = credentials.login("jwt app", "jwt", "is refused: the role does not accept the token's claims")
    assert message in (
        generic,
        credentials.login("jwt app", "jwt", "is refused: the token has no claim x, which the role asks for"),
    )


def test_a_hint_says_what_to_do(fake: Wire, credentials: Desk) -> None:
    def hint(text: str, **options: Any) -> str:
        fake.answer = lambda _: errors(403, text)
        with credentials.session(**options) as session, pytest.raises(Denied) as caught:
            session.read("app")
        return caught.value.problems[0].hint

    jwt = {"auth": {"method": "jwt", "role": "app", "token_file": "vault-jwt"}}
    assert (
        hint("permission denied", **jwt)
        == "check the credential in vault-jwt, and that auth/jwt is enabled: vault auth list"
    )
    assert hint("invalid audience (aud) claim", **jwt) == "check the credential in vault-jwt"
    assert "a proxy or NAT in between may change it" in hint("unauthorized by CIDR restrictions", **jwt)
    credentials.environ["VAULT_TOKEN"] = "hvs.CANARY"
    missing = "1 error occurred:\n\t* permission denied\n\n"
    assert hint(missing) == 'add to the policy: path "secret/data/app" { capabilities = ["read"] }'


def test_of_a_long_error_only_the_beginning_is_looked_through() -> None:
    def message(text: str) -> str:
        return str(failure(Reply(400, {"errors": [SecretValue.of(text)]})))

    assert message("invalid role id") == "the request is refused: the role id is not valid"
    assert message("tokenreviews" * 1_000_000 + "invalid role id") == "the request is refused: status 400"


# A token that the server does not know, and one that lacks a right


@pytest.mark.parametrize(
    ("mounts", "reason"),
    [
        (errors(403, "permission denied"), UNKNOWN),
        (errors(403, "preflight capability check returned 403"), "permission denied"),
        (Answer(body={"data": {"path": "cubbyhole/", "type": "cubbyhole"}}), "permission denied"),
        (Answer(403, b"<html>CANARY"), "permission denied"),
        (errors(503, "Vault is sealed"), "permission denied"),
    ],
)
def test_one_more_request_tells_an_unknown_token_from_a_missing_right(
    fake: Wire, fake_desk: Desk, mounts: Answer, reason: str
) -> None:
    fake.answer = lambda request: mounts if "/mounts/" in request.path else errors(403, "permission denied")
    assert fake_desk.refusal(Denied) == fake_desk.reading(f"is refused: {reason}")
    assert fake.asked() == ["GET secret/data/app", "GET sys/internal/ui/mounts/cubbyhole"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(403, {"errors": [SecretValue(b"permission denied")]}, step=READ, is_of_nobody=True),
        Reply(403, {"errors": [SecretValue(b"2 errors occurred: permission denied, invalid token")]}, step=READ),
    ],
)
def test_a_token_that_is_not_valid_is_not_cured_by_a_policy(reply: Reply) -> None:
    assert [one.hint for one in failure(reply).problems] == [LOG_IN]


@pytest.mark.parametrize("text", ["1 error occurred:\n\t* permission denied\n\n", "permission denied\ninvalid token"])
def test_where_the_servers_words_tell_them_apart_nothing_is_asked(fake: Wire, fake_desk: Desk, text: str) -> None:
    fake.answer = lambda _: errors(403, *text.split("\ni"))
    fake_desk.refusal(Denied)
    assert fake.asked() == ["GET secret/data/app"]
