"""What the server's answers mean. The words of its errors are recognised and never shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from bridge.http.headers import retry_after
from bridge.provider import Denied, Node, NotFound, ProviderError, SecretValue, Unavailable

FOREIGN: Final = "something else than Vault answers at this address"
NOT_VALID: Final = "the token is not valid: expired or revoked"
UNKNOWN: Final = "the token is not valid: expired, revoked, or not for this address (CIDR)"
DENIED: Final = "permission denied"
LOG_IN: Final = "replace the token: vault login, or another VAULT_TOKEN"
LONGEST: Final = 4096  # characters of the server's errors in which a reason is looked for


class Reason(NamedTuple):
    """Why the server refuses: a pattern of its words, and ours, which may take a claim's name out of it: no secret."""

    pattern: re.Pattern[str]
    words: str
    hint: str = ""
    passes: bool = False  # it may be gone at the next try


def _reason(pattern: str, words: str, hint: str = "", *, passes: bool = False) -> Reason:
    return Reason(re.compile(pattern, re.IGNORECASE), words, hint, passes)


_NAME: Final = r"[\w./:@-]{1,64}"
_CLOCKS: Final = "compare the clocks of Vault and of the token's issuer: date -u"
_NO_CERTIFICATE: Final = "no client certificate that the role accepts was shown"

# Parts of the errors of Vault 1.8 to 1.21 and OpenBao 2.7 (sdk/logical, builtin/credential, vault-plugin-auth-*) and
# what they mean. These count whatever the status is: older servers answer many a login with 500.
_CERTAIN: Final = (
    _reason(
        r"tokenreviews.*x509:",
        "Vault does not trust the cluster's certificate, which it needs to ask about the token",
        "write the cluster's authority into kubernetes_ca_cert of the method's config",
    ),
    _reason(
        r"tokenreviews.* is forbidden|cannot create resource \W{0,2}tokenreviews",
        "Vault's own account may not ask the cluster about tokens (create tokenreviews)",
        "kubectl create clusterrolebinding vault-token-review --clusterrole=system:auth-delegator"
        " --serviceaccount=NAMESPACE:NAME",
    ),
    _reason(
        r"tokenreviews.*(?:dial tcp|refused|no such host|timeout|deadline|reset|EOF)",
        "Vault cannot reach the cluster, which it needs to ask about the token",
        passes=True,
    ),
    _reason(r"get keys failed|fetching keys", "Vault cannot fetch the issuer's keys", passes=True),
    _reason(
        r"CIDR restrictions|invalid CIDR",
        "not from this address (CIDR)",
        "compare the address that Vault sees with the role's bound CIDRs: a proxy or NAT in between may change it",
    ),
    _reason("certificate has expired", "the client certificate has expired, or is not valid yet"),
    _reason(
        r"\(nbf\)|not yet valid|claim \W?nbf\W? is invalid", "the token is not valid yet: compare the clocks", _CLOCKS
    ),
    _reason(r"\(iat\)|before issued", "the token is not valid yet: compare the clocks", _CLOCKS),
    _reason(r"\(exp\)|token is expired|claim \W?exp\W? is invalid", "the token has expired"),
    _reason(
        r"\(iss\)|issuer claim|claim \W?iss\W? is invalid",
        "the token's issuer (iss) is not the one that the method accepts",
    ),
    _reason(r"\(aud\)|claim \W?aud\W? is invalid|audience claim", "the token is for another audience"),
    _reason(
        r"\(sub\)|subject claim|claim \W?sub\W? is invalid",
        "the token's subject (sub) is not the one that the role accepts",
    ),
    _reason(rf'claim "({_NAME})" is missing', r"the token has no claim \1, which the role asks for"),
    _reason(rf'claim "({_NAME})" (?:does not match|is invalid)', r"the role does not accept the token's claim \1"),
    _reason("service account name not authorized", "the role is not for this service account"),
    _reason("namespace not authorized", "the role is not for this namespace of the cluster"),
    _reason("lookup failed: ", "the cluster did not confirm the token"),
)

# These are a reason only where the status says that the request is refused: other failures have such words too.
_LIKELY: Final = (
    _reason("wrapping token is not valid", "the wrapping token is not valid: used already, or expired"),
    _reason("tls connection required", "the method needs a connection with TLS", "give an https address"),
    _reason("no client certificate", _NO_CERTIFICATE),
    _reason("match(?:ing)? all constraints", _NO_CERTIFICATE),
    _reason("invalid certificate", _NO_CERTIFICATE),
    _reason("invalid role(?: or |_id or )secret.id", "the role id or the secret id is not valid"),
    _reason("invalid secret.id", "the secret id is not valid: expired, used up or revoked"),
    _reason("invalid role.id", "the role id is not valid"),
    _reason("invalid role name|could not be found", "there is no such role"),
    _reason("missing role", "the role is missing, and the method has no default one"),
    _reason("invalid username or password", "the user name or the password is not valid"),
    _reason("audience", "the token is for another audience"),
    _reason("expired", "the token has expired"),
    _reason("signature", "the token is not signed by the issuer that the method knows"),
    _reason("claim", "the role does not accept the token's claims"),
    _reason("token not found|invalid token|bad token", NOT_VALID, LOG_IN),
    _reason("missing client token", "no token was sent"),
    _reason("unsupported path", "this engine or method has no such path"),
    _reason("no handler for route", "nothing is mounted there"),
    _reason(DENIED, DENIED),
)

_TEMPORARY: Final = {
    412: "the server has not caught up with the latest write",
    429: "the server asks to slow down",
    472: "the server is a standby for disaster recovery",
    473: "the server is a performance standby",
    501: "the server is not initialised",
}


class Step(NamedTuple):
    """What a request is for, as an error names it, and what to do where it is refused."""

    what: str
    hint: str = ""


UNNAMED: Final = Step("the request")


def grant(path: str, *capabilities: str) -> str:
    """Return the hint that a policy lacks a rule."""
    listed = ", ".join(f'"{one}"' for one in capabilities)
    return f'add to the policy: path "{path}" {{ capabilities = [{listed}] }}'


@dataclass(frozen=True, eq=False, repr=False)
class Reply:
    """An answer of the server, whatever its status. `body` is None where it is no JSON object.

    `step` is what was asked for. `is_of_nobody` says that the server admits this token to nothing.
    """

    status: int
    body: Mapping[str, Node] | None
    retry_after: float | None = None
    location: str = ""
    step: Step = UNNAMED
    is_of_nobody: bool = False

    @property
    def is_ok(self) -> bool:
        """Say whether the request was done."""
        return 200 <= self.status < 300 and (self.body is not None or self.status == 204)

    @property
    def refuses_us(self) -> bool:
        """Say whether another login may help; not where only the question about a mount is refused."""
        return self.status in {401, 403} and "preflight" not in self.errors

    @property
    def is_ambiguous(self) -> bool:
        """Say whether the server refuses with words that do not tell a missing right from a token that is not valid.

        OpenBao says this of an unknown token, both servers of a token that is bound to other addresses. Where a
        policy lacks the right, they number their errors.
        """
        return self.status == 403 and self.errors == DENIED

    @property
    def is_refusal(self) -> bool:
        """Say whether the request is refused for good; older servers have 500 for many a login."""
        reason = self._found(_CERTAIN)
        return not reason.passes if reason else 400 <= self.status < 500 and self.status not in _TEMPORARY

    @property
    def errors(self) -> str:
        """Return the server's errors in lower case, to recognise them; not to be shown."""
        return self._errors.lower()

    @property
    def reason(self) -> str:
        """Return why the server refuses, in our words; empty where it is not known."""
        if self.is_of_nobody:
            return UNKNOWN
        reason = self._reason
        match = reason.pattern.search(self._errors) if reason else None
        return match.expand(reason.words) if reason and match else ""

    @property
    def hint(self) -> str:
        """Return what to do about the reason, or about the step where the reason says nothing of that."""
        if self.is_of_nobody:
            return LOG_IN
        return (self._reason.hint if self._reason else "") or self.step.hint

    @property
    def _reason(self) -> Reason | None:
        return self._found(_CERTAIN) or (self._found(_LIKELY) if self.status < 500 else None)

    @property
    def _errors(self) -> str:
        given = (self.body or {}).get("errors")
        texts = given if isinstance(given, list) else []
        found = "\n".join(one.reveal().decode(errors="replace") for one in texts if isinstance(one, SecretValue))
        return found[:LONGEST]

    def _found(self, reasons: tuple[Reason, ...]) -> Reason | None:
        if self.status < 400:
            return None
        return next((one for one in reasons if one.pattern.search(self._errors)), None)


def failure(reply: Reply) -> ProviderError | Unavailable:
    """Return the error that an answer other than success stands for: which step it was, and why it failed."""
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
    """Say that a step is refused, and why."""
    return f"{reply.step.what} is refused: {reply.reason or f'status {reply.status}'}"


def foreign(reply: Reply, why: str = "", hint: str = "check the address") -> ProviderError:
    """Return the error for an answer that Vault does not give."""
    return ProviderError(f"{reply.step.what} failed: {FOREIGN}{why}", hint=hint)


def _temporary(reply: Reply) -> Unavailable | None:
    """Return the error of an answer that may be another one later."""
    if reply.is_refusal and "upgrading from non-versioned" not in reply.errors:
        return None
    hint = ""
    if reply.status == 503 and "sealed" in reply.errors:
        why, hint = "the server is sealed (503)", "unseal it, then run again"
    elif reply.status == 400 and "upgrading from non-versioned" in reply.errors:
        why = "the engine is being upgraded to version 2"
    elif reply.reason:
        why, hint = f"{reply.reason} ({reply.status})", reply.hint
    elif reply.status >= 400:
        why = f"{_TEMPORARY.get(reply.status, 'the server fails')} ({reply.status})"
    else:
        return None
    return Unavailable(f"{reply.step.what} failed: {why}", hint=hint, retry_after=reply.retry_after)


def _redirected(reply: Reply) -> ProviderError:
    place = f" to {reply.location}" if reply.location else ""
    why = f"the server redirects{place} ({reply.status}), and a redirect is not followed: it would take the token along"
    hint = "give the address of the active node, or of a load balancer that knows it"
    return ProviderError(f"{reply.step.what} failed: {why}", hint=hint)


def seconds(header: str | None, date: str | None = None) -> float | None:
    """Read a Retry-After: seconds, or a date after the server's own. None where there is none that can be read."""
    return retry_after(header or "", date or "")


def part(node: Node | None, *names: str) -> Node | None:
    """Follow names through mappings; None where one is missing."""
    for name in names:
        if not isinstance(node, Mapping):
            return None
        node = node.get(name)
    return node


def text(node: Node | None, *names: str) -> str:
    """Return a text or a literal as the server wrote it; empty where there is none."""
    leaf = part(node, *names)
    return leaf.reveal().decode() if isinstance(leaf, SecretValue) else ""
