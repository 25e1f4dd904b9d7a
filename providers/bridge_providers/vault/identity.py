"""Who we are to the server: one login for a run, one more after a refusal, and nothing left behind."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.provider import Denied, Problem, ProviderError, SecretValue, Unavailable
from bridge_providers.vault import answers
from bridge_providers.vault.answers import Step
from bridge_providers.vault.credentials import Credentials
from bridge_providers.vault.methods import AppRole, LoginMethod, Method, Secrets, Token

if TYPE_CHECKING:
    from bridge_providers.vault.answers import Reply
    from bridge_providers.vault.client import Client, Connection

CLOSED: Final = Unavailable("the run has ended")
REVOKE: Final = "auth/token/revoke-self"
UNITS: Final = (("days", 86400), ("h", 3600), ("min", 60))
PATIENCE: Final = 1.0  # seconds that closing waits for a login that is on its way


class _Issued(NamedTuple):
    """A token that is ours to revoke, by which login, and when it ends by itself (a `time.monotonic()`)."""

    token: str
    who: str
    ends: float

    def __repr__(self) -> str:
        return f"_Issued({self.who})"

    @property
    def fate(self) -> str:
        """Say how long the token lives if nobody revokes it."""
        if math.isinf(self.ends):
            return "never expires"
        seconds = max(0.0, self.ends - time.monotonic())
        unit, size = next((one for one in UNITS if seconds >= 2 * one[1]), ("s", 1))
        return f"lives for {round(seconds / size)} {unit} more"


class Identity:
    """Gives clients that are logged in. Of the methods, the first whose credential is present is used, and no other."""

    def __init__(
        self,
        connection: "Connection",
        candidates: Sequence[Method],
        credentials: Credentials,
        *,
        namespace: str | None,
        auth_namespace: str | None,
    ) -> None:
        self.address: Final = connection.address
        self._connection: Final = connection
        self._candidates: Final = candidates
        self._credentials: Final = credentials
        self._namespace: Final = namespace
        self._auth_namespace: Final = auth_namespace
        self._lock: Final = threading.Lock()
        self._method: Method | None = None
        self._secrets: Secrets = ()
        self._client: Client | None = None
        self._issued: list[_Issued] = []
        self.left: list[Problem] = []
        self._attempts = 0
        self._failed: ProviderError | Unavailable | None = None
        self._renewed = False
        self._closed = False

    @property
    def who(self) -> str:
        """Say by what the server was told who we are."""
        role = getattr(self._method, "role", None) or getattr(self._method, "username", None)
        return f"{self._method.name if self._method else 'nobody'}{f' {role}' if role else ''}"

    def client(self) -> "Client":
        """Return a client that is logged in; raises Denied, Unavailable or ProviderError."""
        attempts = self._attempts
        with self._lock:
            if self._client is None:
                # A login that was refused, or failed while this thread waited for it, is not tried by each thread.
                if self._failed is not None and (self._attempts != attempts or isinstance(self._failed, ProviderError)):
                    raise self._failed
                self._client = self._enter()
            return self._client

    def after_refusal(self, refused: "Client") -> "Client | None":
        """Return another client for one whose token was refused: a token may end in the middle. None if there is none.

        There is one new login in a session, whatever the number of refusals.
        """
        with self._lock:
            if self._client is not refused:
                return self._client
            if self._renewed or isinstance(self._method, Token):
                return None
            self._renewed = True
            try:
                self._client = self._enter()
            except Unavailable:
                self._renewed = False  # the next try of the core may have it
                raise
            return self._client

    def close(self) -> None:
        """Revoke the tokens that were issued to us, never one that the user gave; `left` says which could not be."""
        self._closed = True
        held = self._lock.acquire(timeout=PATIENCE)
        try:
            while self._issued:
                self._revoke(self._issued.pop())
        finally:
            if held:
                self._lock.release()

    def _enter(self) -> "Client":
        if self._closed:
            raise CLOSED
        self._attempts += 1
        try:
            token = self._token()
        except (ProviderError, Unavailable) as error:
            self._failed = error
            raise
        return self._connection.client(token, self._namespace)

    def _token(self) -> str:
        method, secrets = self._chosen()
        if isinstance(method, Token):
            return _header(secrets[0], method)
        return self._login(method, secrets)

    def _chosen(self) -> tuple[Method, Secrets]:
        """Choose the method once: what it found (a wrapped secret id above all) serves a second login too."""
        if self._method is None:
            self._method, self._secrets = self._present()
        return self._method, self._secrets

    def _present(self) -> tuple[Method, Secrets]:
        for method in self._candidates:
            found = self._credentials.of(method, self.address)
            if found is not None:
                return method, self._unwrapped(method, found)
        places = ", ".join(f"{method.name} ({method.places})" for method in self._candidates)
        raise Denied(f"no credential is present: looked for {places}")

    def _unwrapped(self, method: Method, found: Secrets) -> Secrets:
        if not isinstance(method, AppRole) or not method.wrapped:
            return found
        role_id, wrapping = found
        client = self._connection.client(_header(wrapping, method), self._auth_namespace)
        return role_id, _unwrap(client, method, self.address)

    def _login(self, method: LoginMethod, secrets: Secrets) -> str:
        """Exchange a credential for a token, and remember to revoke it."""
        step = Step(
            f"{self.address}: the login by {self.who} at auth/{method.mount}",
            f"check the credential in {method.places}",
        )
        reply = replace(method.login(self._connection.client(None, self._auth_namespace), secrets), step=step)
        if not reply.is_ok:
            raise self._refused(method, reply)
        token = answers.text(reply.body, "auth", "client_token")
        if not token:
            raise ProviderError(f"{step.what} gave no token", hint="a second factor is not supported")
        if answers.text(reply.body, "auth", "token_type") != "batch":  # those cannot be revoked
            self._issued.append(_Issued(token, self.who, _end(answers.text(reply.body, "auth", "lease_duration"))))
            if self._closed:
                self._revoke(self._issued.pop())
                raise CLOSED
        return token

    def _refused(self, method: LoginMethod, reply: "Reply") -> ProviderError | Unavailable:
        error = answers.failure(reply)
        if isinstance(error, Unavailable) or not reply.is_refusal or reply.body is None:
            return error
        others = "; no other method is tried" if len(self._candidates) > 1 else ""
        enabled = f", and that auth/{method.mount} is enabled: vault auth list" if reply.is_ambiguous else ""
        return Denied(f"{answers.refused(reply)}{others}", hint=f"{reply.hint}{enabled}")

    def _revoke(self, issued: _Issued) -> None:
        """Revoke a token, or keep in `left` why it stays."""
        try:
            client = self._connection.client(issued.token, self._auth_namespace)
            reply: Reply = client.auth.token.revoke_self()
        except (ProviderError, Unavailable) as error:
            self._keep(issued, error.problems[0].what.removeprefix(f"{self.address} "))
            return
        # A token that the server does not know any more is not left.
        if not reply.is_ok and not reply.is_ambiguous and reply.reason != answers.NOT_VALID:
            hint = answers.grant(REVOKE, "update") if reply.status == 403 else ""
            self._keep(issued, reply.reason or f"status {reply.status}", hint)

    def _keep(self, issued: _Issued, why: str, hint: str = "") -> None:
        what = f"the token of the login by {issued.who} could not be revoked ({why}), and {issued.fate}"
        self.left.append(Problem("", f"{self.address}: {what}", hint, warning=True))


def _end(duration: str) -> float:
    """Return when a token ends, by its lease in seconds; 0 is a token that never expires."""
    seconds = float(duration) if duration.isascii() and duration.isdecimal() else 0.0
    return time.monotonic() + seconds if seconds else math.inf


def _unwrap(client: "Client", method: AppRole, address: str) -> SecretValue:
    """Open a response-wrapped secret id with its own token, which works once; raises Denied, Unavailable or others."""
    step = Step(f"{address}: unwrapping the secret id", f"check the credential in {method.places}")
    reply: Reply = replace(client.sys.unwrap(), step=step)
    if not reply.is_ok:
        error = answers.failure(reply)
        if reply.status not in {400, 403, 404}:
            raise error
        raise Denied(
            f"{address}: the secret id cannot be unwrapped ({method.places}): "
            "its token is not valid, used already, or expired",
            hint="issue a new one; if nobody of yours opened this one, somebody else did",
        )
    found = answers.part(reply.body, "data", "secret_id")
    if isinstance(found, SecretValue):
        return found
    raise Denied(f"what is wrapped is not a secret id ({method.places})")


def _header(secret: SecretValue, method: Method) -> str:
    """Return a token as a header can carry it; Denied for another, since the library would quote it in its error."""
    token = secret.reveal().decode()
    if token.isascii() and " " not in token:
        return token
    wrong = "has a blank inside" if " " in token else "has a character that no token has"
    raise Denied(f"the token in {method.places} {wrong}", hint="write the token alone, on one line")
