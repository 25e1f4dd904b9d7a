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
    400: (Denied, "failed: status 400"),
    403: (Denied, "failed: status 403"),
    404: (Denied, "failed: status 404"),
    412: (Unavailable, "failed: the server has not caught up with the latest write (412)"),
    429: (Unavailable, "failed: rate limited (429)"),
    473: (Unavailable, "failed: the server is a performance standby (473)"),
    500: (Unavailable, "failed: server error (500)"),
    503: (Unavailable, "failed: the server is sealed (503)"),
}
KINDS_OF_A_READ: dict[int, tuple[type[BridgeError], str]] = {
    400: (ProviderError, "failed: status 400"),
    404: (NotFound, "failed: not found (404)"),
}
READ = Step("reading secret/data/app", grant("secret/data/app", "read"))
CLOCKS = "the token is not valid yet; a clock may be wrong"
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
def test_login_names_method_mount_address_and_reason(fake: Wire, credentials: Desk, method: str, status: int) -> None:
    fake.answer = lambda _: errors(status, text_of(status))
    fields, who = METHODS[method]
    kind, outcome = STATUSES[status]
    message = credentials.refusal(kind, auth={"method": method, **fields})
    assert message == credentials.login(who, fields.get("mount", method), outcome)


@pytest.mark.parametrize("body", [b"<html>CANARY</html>", b'["CANARY"]', b""], ids=["html", "list", "empty"])
@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("method", METHODS)
def test_login_that_is_not_answered_with_vaults_json(
    fake: Wire, credentials: Desk, method: str, status: int, body: bytes
) -> None:
    fake.answer = lambda _: Answer(status, body)
    fields, who = METHODS[method]
    kind, outcome = STATUSES.get(status, (ProviderError, ""))
    if kind is Unavailable:
        outcome = outcome.replace("the server is sealed", "server error")  # which a text of Vault's would say
    else:
        kind, outcome = ProviderError, f"failed: the server at this address is not Vault (status {status}, "
        outcome += "not Vault's JSON)"
    message = credentials.refusal(kind, auth={"method": method, **fields})
    assert message == credentials.login(who, fields.get("mount", method), outcome)


@pytest.mark.parametrize("status", STATUSES)
def test_read_names_its_place_its_method_and_address(fake: Wire, credentials: Desk, status: int) -> None:
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
        ('claim "iss" is invalid', "the auth method expects another issuer (iss) in the token"),
        (
            "error validating token: invalid issuer (iss) claim",
            "the auth method expects another issuer (iss)",
        ),
        (
            "invalid audience (aud) claim: audience claim does not match any expected audience",
            "the token has the wrong audience",
        ),
        (
            "error validating token: invalid subject (sub) claim",
            "the role expects another subject (sub)",
        ),
        (
            'error validating claims: claim "ref" does not match any CANARY',
            "the role does not accept the token's claim ref",
        ),
        ('error validating claims: claim "/a/b" is missing', "the token lacks the claim /a/b, which the role requires"),
        ("error validating token: invalid not before (nbf) claim: token not yet valid", CLOCKS),
        ("validation failed, token not valid yet (nbf)", CLOCKS),
        ("invalid issued at (iat) claim: token issued in the future", CLOCKS),
        ("invalid expiration time (exp) claim: token is expired", "the token has expired"),
        (
            'source address "10.1.2.3" unauthorized by CIDR restrictions on the secret ID: 10.9.0.0/24',
            "this client's addr",
        ),
        (
            "failed to verify the CIDR restrictions set on the role: CANARY",
            "this client's address is not allowed (CIDR)",
        ),
        ("service account name not authorized", "the role is not bound to this service account"),
        ("lookup failed: [invalid bearer token, CANARY]", "the Kubernetes API rejected the token"),
        (
            f"{REVIEW}x509: certificate signed by unknown authority",
            "Vault does not trust the certificate of the Kubernetes API",
        ),
        (
            f"{REVIEW}x509: certificate has expired or is not yet valid",
            "Vault does not trust the certificate of the Kubernetes API",
        ),
        (
            'tokenreviews.authentication.k8s.io is forbidden: User "CANARY" cannot create',
            "Vault's service account may not create TokenReviews",
        ),
    ],
)
def test_reason_is_reported_whatever_status_of_login(
    fake: Wire, credentials: Desk, status: int, text: str, reason: str
) -> None:
    fake.answer = lambda _: errors(status, text)
    message = credentials.refusal(Denied, auth={"method": "kubernetes", "role": "app", "token_file": "vault-jwt"})
    assert message.startswith(credentials.login("kubernetes app", "kubernetes", f"failed: {reason}"))


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{REVIEW}dial tcp 10.0.0.1:443: connect: connection refused", "Vault cannot reach the Kubernetes API"),
        (f"{REVIEW}context deadline exceeded", "Vault cannot reach the Kubernetes API"),
        (
            'error verifying token signature: fetching keys oidc: get keys failed: Get "CANARY"',
            "Vault cannot fetch the",
        ),
    ],
)
def test_service_unreachable_from_vault_is_temporary(
    fake: Wire, credentials: Desk, status: int, text: str, reason: str
) -> None:
    fake.answer = lambda _: errors(status, text)
    message = credentials.refusal(Unavailable, auth={"method": "kubernetes", "role": "app", "token_file": "vault-jwt"})
    assert message.startswith(credentials.login("kubernetes app", "kubernetes", f"failed: {reason}"))


@pytest.mark.parametrize(
    "text", ["open /vault/data: permission denied CANARY", "lease expired", "a signature CANARY", "claim", "audience"]
)
def test_ambiguous_error_text_is_not_permanent_refusal(fake: Wire, credentials: Desk, text: str) -> None:
    fake.answer = lambda _: errors(500, text)
    message = credentials.refusal(Unavailable, auth={"method": "jwt", "role": "app", "token_file": "vault-jwt"})
    assert message == credentials.login("jwt app", "jwt", "failed: server error (500)")


@pytest.mark.parametrize("name", ["re f", "CANARY value", 'x" is missing "', "", "a" * 65])
def test_only_valid_claim_names_are_shown(fake: Wire, credentials: Desk, name: str) -> None:
    fake.answer = lambda _: errors(400, f'error validating claims: claim "{name}" does not match')
    message = credentials.refusal(Denied, auth={"method": "jwt", "role": "app", "token_file": "vault-jwt"})
    generic = credentials.login("jwt app", "jwt", "failed: the role does not accept the token's claims")
    assert message in (
        generic,
        credentials.login("jwt app", "jwt", "failed: the token lacks the claim x, which the role requires"),
    )


def test_hints_are_instructions(fake: Wire, credentials: Desk) -> None:
    def hint(text: str, **options: Any) -> str:
        fake.answer = lambda _: errors(403, text)
        with credentials.session(**options) as session, pytest.raises(Denied) as caught:
            session.read("app")
        return caught.value.problems[0].hint

    jwt = {"auth": {"method": "jwt", "role": "app", "token_file": "vault-jwt"}}
    assert (
        hint("permission denied", **jwt) == "check the credential in vault-jwt, and that `vault auth list` shows jwt/"
    )
    assert hint("invalid audience (aud) claim", **jwt) == "check the credential in vault-jwt"
    assert "a proxy or NAT may change it" in hint("unauthorized by CIDR restrictions", **jwt)
    credentials.environ["VAULT_TOKEN"] = "hvs.CANARY"
    missing = "1 error occurred:\n\t* permission denied\n\n"
    assert hint(missing) == 'add to the policy: path "secret/data/app" { capabilities = ["read"] }'


def test_only_beginning_of_long_error_is_searched() -> None:
    def message(text: str) -> str:
        return str(failure(Reply(400, {"errors": [SecretValue.of(text)]})))

    assert message("invalid role id") == "the request failed: the role ID is invalid"
    assert message("tokenreviews" * 1_000_000 + "invalid role id") == "the request failed: status 400"


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
def test_extra_request_distinguishes_unknown_token_from_missing_permission(
    fake: Wire, fake_desk: Desk, mounts: Answer, reason: str
) -> None:
    fake.answer = lambda request: mounts if "/mounts/" in request.path else errors(403, "permission denied")
    assert fake_desk.refusal(Denied) == fake_desk.reading(f"failed: {reason}")
    assert fake.asked() == ["GET secret/data/app", "GET sys/internal/ui/mounts/cubbyhole"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(403, {"errors": [SecretValue(b"permission denied")]}, step=READ, is_token_unknown=True),
        Reply(403, {"errors": [SecretValue(b"2 errors occurred: permission denied, invalid token")]}, step=READ),
    ],
)
def test_token_that_is_not_valid_is_not_cured_by_policy(reply: Reply) -> None:
    assert [one.hint for one in failure(reply).problems] == [LOG_IN]


@pytest.mark.parametrize("text", ["1 error occurred:\n\t* permission denied\n\n", "permission denied\ninvalid token"])
def test_unambiguous_refusal_needs_no_extra_request(fake: Wire, fake_desk: Desk, text: str) -> None:
    fake.answer = lambda _: errors(403, *text.split("\ni"))
    fake_desk.refusal(Denied)
    assert fake.asked() == ["GET secret/data/app"]
