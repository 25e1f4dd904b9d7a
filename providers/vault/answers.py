"""What the server's answers mean. The words of its errors are recognised and never shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.http.headers import retry_after
from bridge.provider import Denied, Node, NotFound, ProviderError, SecretValue, Unavailable

FOREIGN: Final = "something else than Vault answers at this address"

# Parts of Vault's errors (sdk/logical, builtin/credential, vault-plugin-auth-*, 1.12 to 1.21) and what they mean.
_REASONS: Final = (
    ("wrapping token is not valid", "the wrapping token is not valid: used already, or expired"),
    ("certificate has expired", "the client certificate has expired, or is not valid yet"),
    ("no client certificate supplied", "no client certificate that the role accepts was shown"),
    ("failed to match all constraints", "no client certificate that the role accepts was shown"),
    ("invalid certificate", "no client certificate that the role accepts was shown"),
    ("invalid role or secret id", "the role id or the secret id is not valid"),
    ("invalid role_id or secret_id", "the role id or the secret id is not valid"),
    ("invalid secret id", "the secret id is not valid: expired, used up or revoked"),
    ("invalid secret_id", "the secret id is not valid: expired, used up or revoked"),
    ("invalid role id", "the role id is not valid"),
    ("invalid role_id", "the role id is not valid"),
    ("invalid role name", "there is no such role"),
    ("could not be found", "there is no such role"),
    ("missing role", "the role is missing, and the method has no default one"),
    ("invalid username or password", "the user name or the password is not valid"),
    ("(aud)", "the token is for another audience"),
    ("audience", "the token is for another audience"),
    ("expired", "the token has expired"),
    ("signature", "the token is not signed by the issuer that the method knows"),
    ("service account name not authorized", "the role is not for this service account"),
    ("namespace not authorized", "the role is not for this namespace of the cluster"),
    ("claim", "the role does not accept the token's claims"),
    ("lookup failed", "the cluster did not confirm the token"),
    ("token not found", "the token is not valid: expired or revoked"),
    ("invalid token", "the token is not valid: expired or revoked"),
    ("bad token", "the token is not valid: expired or revoked"),
    ("missing client token", "no token was sent"),
    ("unsupported path", "this engine or method has no such path"),
    ("no handler for route", "nothing is mounted there"),
    ("permission denied", "permission denied"),
)

_TEMPORARY: Final = {
    412: "the server has not caught up with the latest write",
    429: "the server asks to slow down",
    501: "the server is not initialised",
}


@dataclass(frozen=True, eq=False, repr=False)
class Reply:
    """An answer of the server, whatever its status. `body` is None where it is no JSON object."""

    status: int
    body: Mapping[str, Node] | None
    retry_after: float | None = None
    location: str = ""

    @property
    def is_ok(self) -> bool:
        """Say whether the request was done."""
        return 200 <= self.status < 300 and (self.body is not None or self.status == 204)

    @property
    def refuses_us(self) -> bool:
        """Say whether another login may help; not where only the question about a mount is refused."""
        return self.status in {401, 403} and "preflight" not in self.errors

    @property
    def is_refusal(self) -> bool:
        """Say whether the request is refused for good; Vault has 500 for a client certificate that has expired."""
        return 400 <= self.status < 500 or "certificate has expired" in self.errors

    @property
    def errors(self) -> str:
        """Return the server's errors in lower case, to recognise them; not to be shown."""
        found = (self.body or {}).get("errors")
        texts = found if isinstance(found, list) else []
        return "\n".join(one.reveal().decode(errors="replace") for one in texts if isinstance(one, SecretValue)).lower()

    @property
    def reason(self) -> str:
        """Return why the server refuses, in our words; empty where it is not known."""
        return next((words for part, words in _REASONS if part in self.errors), "")


def failure(reply: Reply) -> ProviderError | Unavailable:
    """Return the error that an answer other than success stands for."""
    if 300 <= reply.status < 400:
        return _redirected(reply)
    temporary = _temporary(reply)
    if temporary is not None:
        return temporary
    if reply.body is None or not reply.body.keys() & {"errors", "data"}:
        return ProviderError(f"{FOREIGN} (status {reply.status}, not Vault's JSON)", hint="check the address")
    if reply.status in {401, 403}:
        return Denied(_with("the server refuses", reply), hint="see the policy of the token or of the role")
    if reply.status == 404:
        return NotFound(_with("not found", reply))
    return ProviderError(_with("the server refuses the request", reply))


def _temporary(reply: Reply) -> Unavailable | None:
    """Return the error of an answer that may be another one later."""
    hint = ""
    if reply.status == 503 and "sealed" in reply.errors:
        what, hint = "the server is sealed (503)", "unseal it, then run again"
    elif reply.status == 400 and "upgrading from non-versioned" in reply.errors:
        what = "the engine is being upgraded to version 2"
    elif reply.status in _TEMPORARY or (reply.status >= 500 and not reply.is_refusal):
        what = f"{_TEMPORARY.get(reply.status, 'the server fails')} ({reply.status})"
    else:
        return None
    return Unavailable(what, hint=hint, retry_after=reply.retry_after)


def _redirected(reply: Reply) -> ProviderError:
    place = f" to {reply.location}" if reply.location else ""
    return ProviderError(
        f"the server redirects{place} ({reply.status}), and a redirect is not followed: it would take the token along",
        hint="give the address of the active node, or of a load balancer that knows it",
    )


def _with(what: str, reply: Reply) -> str:
    return f"{what}: {reply.reason}" if reply.reason else f"{what} ({reply.status})"


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
