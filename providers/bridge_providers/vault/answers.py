"""Interpret the server's answers. Its error texts are matched against known patterns and never shown."""

import re
from collections.abc import Mapping
from typing import Final

from bridge.http.response import retry_after
from bridge.named_tuple import NamedTuple
from bridge.provider import Denied, Node, NotFound, ProviderError, SecretValue, Unavailable

FOREIGN: Final = "the server at this address is not Vault"
NOT_VALID: Final = "the token is invalid, expired or revoked"
UNKNOWN: Final = "the token is invalid, expired, revoked, or bound to other addresses (CIDR)"
DENIED: Final = "permission denied"
LOG_IN: Final = "get a new token with `vault login`, or set VAULT_TOKEN"
LONGEST: Final = 4096  # how many characters of the server's errors are searched for a reason


class Reason(NamedTuple):
    """Why the server refuses a request: a pattern for its text, and our message.

    The message may quote a claim's name that the pattern captures, because the name is no secret.
    """

    pattern: re.Pattern[str]
    message: str
    hint: str = ""
    is_temporary: bool = False


def _reason(pattern: str, message: str, hint: str = "", *, is_temporary: bool = False) -> Reason:
    return Reason(re.compile(pattern, re.IGNORECASE), message, hint, is_temporary)


_NAME: Final = r"[\w./:@-]{1,64}"
_CLOCKS: Final = "compare the clocks of Vault and the token's issuer with `date -u`"
_NO_CERTIFICATE: Final = "the role accepts no client certificate that was sent"

# Parts of the errors of Vault 1.8 to 1.21 and OpenBao 2.7 (sdk/logical, builtin/credential, vault-plugin-auth-*).
# These apply to any status, because older servers answer many refused logins with 500.
_CERTAIN: Final = (
    _reason(
        r"tokenreviews.*x509:",
        "Vault does not trust the certificate of the Kubernetes API, so it cannot review the token",
        "set kubernetes_ca_cert in the auth method's config to the cluster's CA",
    ),
    _reason(
        r"tokenreviews.* is forbidden|cannot create resource \W{0,2}tokenreviews",
        "Vault's service account may not create TokenReviews in the cluster",
        "kubectl create clusterrolebinding vault-token-review --clusterrole=system:auth-delegator"
        " --serviceaccount=NAMESPACE:NAME",
    ),
    _reason(
        r"tokenreviews.*(?:dial tcp|refused|no such host|timeout|deadline|reset|EOF)",
        "Vault cannot reach the Kubernetes API to review the token",
        is_temporary=True,
    ),
    _reason(r"get keys failed|fetching keys", "Vault cannot fetch the issuer's keys", is_temporary=True),
    _reason(
        r"CIDR restrictions|invalid CIDR",
        "this client's address is not allowed (CIDR)",
        "compare the role's bound CIDRs with the address that Vault sees; a proxy or NAT may change it",
    ),
    _reason("certificate has expired", "the client certificate has expired or is not valid yet"),
    _reason(
        r"\(nbf\)|not yet valid|claim \W?nbf\W? is invalid", "the token is not valid yet; a clock may be wrong", _CLOCKS
    ),
    _reason(r"\(iat\)|before issued", "the token is not valid yet; a clock may be wrong", _CLOCKS),
    _reason(r"\(exp\)|token is expired|claim \W?exp\W? is invalid", "the token has expired"),
    _reason(
        r"\(iss\)|issuer claim|claim \W?iss\W? is invalid",
        "the auth method expects another issuer (iss) in the token",
    ),
    _reason(r"\(aud\)|claim \W?aud\W? is invalid|audience claim", "the token has the wrong audience (aud)"),
    _reason(
        r"\(sub\)|subject claim|claim \W?sub\W? is invalid",
        "the role expects another subject (sub) in the token",
    ),
    _reason(rf'claim "({_NAME})" is missing', r"the token lacks the claim \1, which the role requires"),
    _reason(rf'claim "({_NAME})" (?:does not match|is invalid)', r"the role does not accept the token's claim \1"),
    _reason("service account name not authorized", "the role is not bound to this service account"),
    _reason("namespace not authorized", "the role is not bound to this Kubernetes namespace"),
    _reason("lookup failed: ", "the Kubernetes API rejected the token"),
)

# These apply only if the status is a refusal, because other failures contain the same words.
_LIKELY: Final = (
    _reason("wrapping token is not valid", "the wrapping token is invalid, expired or already used"),
    _reason("tls connection required", "the auth method requires TLS", "use an https address"),
    _reason("no client certificate", _NO_CERTIFICATE),
    _reason("match(?:ing)? all constraints", _NO_CERTIFICATE),
    _reason("invalid certificate", _NO_CERTIFICATE),
    _reason("invalid role(?: or |_id or )secret.id", "the role ID or the secret ID is invalid"),
    _reason("invalid secret.id", "the secret ID is invalid, expired, used up or revoked"),
    _reason("invalid role.id", "the role ID is invalid"),
    _reason("invalid role name|could not be found", "the role does not exist"),
    _reason("missing role", "no role is given, and the auth method has no default role"),
    _reason("invalid username or password", "wrong username or password"),
    _reason("audience", "the token has the wrong audience (aud)"),
    _reason("expired", "the token has expired"),
    _reason("signature", "the token's signature does not match the keys of the auth method"),
    _reason("claim", "the role does not accept the token's claims"),
    _reason("token not found|invalid token|bad token", NOT_VALID, LOG_IN),
    _reason("missing client token", "no token was sent"),
    _reason("unsupported path", "this engine or auth method has no such path"),
    _reason("no handler for route", "nothing is mounted at this path"),
    _reason(DENIED, DENIED),
)

_TEMPORARY: Final = {
    412: "the server has not caught up with the latest write",
    429: "rate limited",
    472: "the server is a disaster recovery standby",
    473: "the server is a performance standby",
    501: "the server is not initialised",
}


class Step(NamedTuple):
    """What a request does, as an error names it, and the hint to give if the server refuses it."""

    what: str
    hint: str = ""


UNNAMED: Final = Step("the request")


def grant(path: str, *capabilities: str) -> str:
    """Return a hint with the rule that the policy lacks."""
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'add to the policy: path "{path}" {{ capabilities = [{listed}] }}'


class Reply(NamedTuple):
    """An answer from the server, with any status. `body` is None if it is not a JSON object.

    `step` is what the request was for. `is_token_unknown` is True if the server accepts this token for nothing at all.
    """

    status: int
    body: Mapping[str, Node] | None
    retry_after: float | None = None
    location: str = ""
    step: Step = UNNAMED
    is_token_unknown: bool = False

    def __repr__(self) -> str:
        return f"Reply({self.status})"  # without the body, which contains values

    @property
    def is_ok(self) -> bool:
        """True if the request succeeded."""
        return 200 <= self.status < 300 and (self.body is not None or self.status == 204)

    @property
    def refuses_us(self) -> bool:
        """True if another login may help. A refused question about a mount does not count."""
        return self.status in {401, 403} and "preflight" not in self.errors

    @property
    def is_ambiguous(self) -> bool:
        """True if the error does not distinguish a missing permission from an invalid token.

        OpenBao gives this error for an unknown token, and both servers give it for a token bound to other addresses.
        If only a policy lacks the permission, they number their errors.
        """
        return self.status == 403 and self.errors == DENIED

    @property
    def is_refusal(self) -> bool:
        """True if the request is refused for good; older servers answer many refused logins with 500."""
        reason = self._first_match(_CERTAIN)
        return not reason.is_temporary if reason else 400 <= self.status < 500 and self.status not in _TEMPORARY

    @property
    def errors(self) -> str:
        """Return the server's errors in lower case for matching; they must not be shown."""
        return self._errors.lower()

    @property
    def reason(self) -> str:
        """Return why the server refuses, in our words, or "" if the reason is unknown."""
        if self.is_token_unknown:
            return UNKNOWN
        reason = self._reason
        match = reason.pattern.search(self._errors) if reason else None
        return match.expand(reason.message) if reason and match else ""

    @property
    def hint(self) -> str:
        """Return the hint of the reason, or else of the step."""
        if self.is_token_unknown:
            return LOG_IN
        return (self._reason.hint if self._reason else "") or self.step.hint

    @property
    def _reason(self) -> Reason | None:
        return self._first_match(_CERTAIN) or (self._first_match(_LIKELY) if self.status < 500 else None)

    @property
    def _errors(self) -> str:
        errors = (self.body or {}).get("errors")
        leaves = errors if isinstance(errors, list) else []
        texts = (leaf.reveal().decode(errors="replace") for leaf in leaves if isinstance(leaf, SecretValue))
        return "\n".join(texts)[:LONGEST]

    def _first_match(self, reasons: tuple[Reason, ...]) -> Reason | None:
        if self.status < 400:
            return None
        return next((reason for reason in reasons if reason.pattern.search(self._errors)), None)


def failure(reply: Reply) -> ProviderError | Unavailable:
    """Return the error for an answer that is not a success: it names the step and the reason."""
    if 300 <= reply.status < 400:
        return _redirected(reply)
    temporary = _temporary(reply)
    if temporary is not None:
        return temporary
    if reply.body is None or not reply.body.keys() & {"errors", "data"}:
        return foreign(reply, f" (status {reply.status}, not Vault's JSON)")
    if reply.status in {401, 403}:
        return Denied(refused(reply), hint=reply.hint)
    if reply.status == 404:
        return NotFound(f"{reply.step.what} failed: {reply.reason or 'not found'} (404)")
    return ProviderError(refused(reply), hint=reply.hint)


def refused(reply: Reply) -> str:
    """Describe a refused step and the reason."""
    return f"{reply.step.what} failed: {reply.reason or f'status {reply.status}'}"


def foreign(reply: Reply, why: str = "", hint: str = "check the address") -> ProviderError:
    """Return the error for an answer that cannot come from Vault."""
    return ProviderError(f"{reply.step.what} failed: {FOREIGN}{why}", hint=hint)


def _temporary(reply: Reply) -> Unavailable | None:
    """Return the error if the failure may be temporary, or None."""
    if reply.is_refusal and "upgrading from non-versioned" not in reply.errors:
        return None
    hint = ""
    if reply.status == 503 and "sealed" in reply.errors:
        why, hint = "the server is sealed (503)", "unseal it with `vault operator unseal`, then run again"
    elif reply.status == 400 and "upgrading from non-versioned" in reply.errors:
        why = "the engine is being upgraded to version 2"
    elif reply.reason:
        why, hint = f"{reply.reason} ({reply.status})", reply.hint
    elif reply.status >= 400:
        why = f"{_TEMPORARY.get(reply.status, 'server error')} ({reply.status})"
    else:
        return None
    return Unavailable(f"{reply.step.what} failed: {why}", hint=hint, retry_after=reply.retry_after)


def _redirected(reply: Reply) -> ProviderError:
    place = f" to {reply.location}" if reply.location else ""
    why = f"the server redirects{place} ({reply.status}); bridge does not follow, as that would send the token there"
    hint = "set the address to the active node, or to a load balancer that finds it"
    return ProviderError(f"{reply.step.what} failed: {why}", hint=hint)


def seconds(header: str | None, date: str | None = None) -> float | None:
    """Parse Retry-After: seconds, or a date relative to the server's own. Return None if it is missing or invalid."""
    return retry_after(header or "", date or "")


def part(node: Node | None, *names: str) -> Node | None:
    """Follow `names` through nested mappings; return None if a name is missing."""
    for name in names:
        if not isinstance(node, Mapping):
            return None
        node = node.get(name)
    return node


def text(node: Node | None, *names: str) -> str:
    """Return a string or a literal as the server wrote it, or "" if it is missing."""
    leaf = part(node, *names)
    return leaf.reveal().decode() if isinstance(leaf, SecretValue) else ""
