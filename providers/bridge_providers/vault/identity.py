"""Log in to the server: once for each run, once more after a refusal, and revoke the tokens at the end."""

import math
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Denied, Problem, ProviderError, SecretValue, Unavailable
from bridge_providers.vault import answers
from bridge_providers.vault.answers import Step
from bridge_providers.vault.credentials import VaultCredentials
from bridge_providers.vault.methods import AppRole, LoginMethod, Method, Secrets, Token

if TYPE_CHECKING:
    from bridge_providers.vault.answers import Reply
    from bridge_providers.vault.client import Client, Connection

CLOSED: Final = Unavailable("the run has ended")
REVOKE: Final = "auth/token/revoke-self"
UNITS: Final = (("days", 86400), ("h", 3600), ("min", 60))
PATIENCE: Final = 1.0  # how many seconds `close` waits for a login in progress


class _Issued(NamedTuple):
    """A token that we must revoke, the login that issued it, and when it expires (a `time.monotonic()`)."""

    token: str
    who: str
    ends: float

    def __repr__(self) -> str:
        return f"_Issued({self.who})"

    @property
    def fate(self) -> str:
        """Describe how long the token lives if it is not revoked."""
        if math.isinf(self.ends):
            return "never expires"
        seconds = max(0.0, self.ends - time.monotonic())
        unit, size = next((one for one in UNITS if seconds >= 2 * one[1]), ("s", 1))
        return f"lives for {round(seconds / size)} {unit} more"


class Identity:
    """Gives clients that are logged in. It uses only the first method that finds its credential."""

    def __init__(
        self,
        connection: "Connection",
        candidates: Sequence[Method],
        credentials: VaultCredentials,
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
        """Name the method and the role or user that we log in with."""
        role = getattr(self._method, "role", None) or getattr(self._method, "username", None)
        name = "nobody" if self._method is None else self._method.name  # a Token is empty, and so false
        return f"{name}{f' {role}' if role else ''}"

    def client(self) -> "Client":
        """Return a client that is logged in; raise Denied, Unavailable or ProviderError."""
        attempts = self._attempts
        with self._lock:
            if self._client is None:
                # Do not retry a login in each thread if it was refused, or failed while this thread waited for it.
                if self._failed is not None and (self._attempts != attempts or isinstance(self._failed, ProviderError)):
                    raise self._failed
                self._client = self._enter()
            return self._client

    def after_refusal(self, refused: "Client") -> "Client | None":
        """Return a client with a new token after `refused` was rejected, or None: a token may expire during a run.

        A session logs in again only once, however many requests are refused.
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
                self._renewed = False  # the next attempt of the core may log in again
                raise
            return self._client

    def close(self) -> None:
        """Revoke the tokens that were issued to us, never the user's own; `left` lists those that remain."""
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
        """Choose the method once: a second login needs the same credential, above all a wrapped secret ID."""
        if self._method is None:
            self._method, self._secrets = self._present()
        return self._method, self._secrets

    def _present(self) -> tuple[Method, Secrets]:
        for method in self._candidates:
            secrets = self._credentials.of(method, self.address)
            if secrets is not None:
                return method, self._unwrapped(method, secrets)
        places = ", ".join(f"{method.name} ({method.places})" for method in self._candidates)
        raise Denied(f"no credential found: looked for {places}")

    def _unwrapped(self, method: Method, secrets: Secrets) -> Secrets:
        if not isinstance(method, AppRole) or not method.wrapped:
            return secrets
        role_id, wrapping = secrets
        client = self._connection.client(_header(wrapping, method), self._auth_namespace)
        return role_id, _unwrap(client, method, self.address)

    def _login(self, method: LoginMethod, secrets: Secrets) -> str:
        """Exchange a credential for a token, and keep it to be revoked."""
        step = Step(
            f"{self.address}: the login as {self.who} at auth/{method.mount}",
            f"check the credential in {method.places}",
        )
        reply = method.login(self._connection.client(None, self._auth_namespace), secrets)._replace(step=step)
        if not reply.is_ok:
            raise self._refused(method, reply)
        token = answers.text(reply.body, "auth", "client_token")
        if not token:
            raise ProviderError(f"{step.what} returned no token", hint="use a login without a second factor (MFA)")
        if answers.text(reply.body, "auth", "token_type") != "batch":  # batch tokens cannot be revoked
            self._issued.append(_Issued(token, self.who, _end(answers.text(reply.body, "auth", "lease_duration"))))
            if self._closed:
                self._revoke(self._issued.pop())
                raise CLOSED
        return token

    def _refused(self, method: LoginMethod, reply: "Reply") -> ProviderError | Unavailable:
        error = answers.failure(reply)
        if isinstance(error, Unavailable) or not reply.is_refusal or reply.body is None:
            return error
        others = "; no other method was tried" if len(self._candidates) > 1 else ""
        enabled = f", and that `vault auth list` shows {method.mount}/" if reply.is_ambiguous else ""
        return Denied(f"{answers.refused(reply)}{others}", hint=f"{reply.hint}{enabled}")

    def _revoke(self, issued: _Issued) -> None:
        """Revoke a token, or record in `left` why it could not be revoked."""
        try:
            client = self._connection.client(issued.token, self._auth_namespace)
            reply: Reply = client.auth.token.revoke_self()
        except (ProviderError, Unavailable) as error:
            self._keep(issued, error.problems[0].what.removeprefix(f"{self.address} "))
            return
        # A token that the server no longer knows does not remain.
        if not reply.is_ok and not reply.is_ambiguous and reply.reason != answers.NOT_VALID:
            hint = answers.grant(REVOKE, "update") if reply.status == 403 else ""
            self._keep(issued, reply.reason or f"status {reply.status}", hint)

    def _keep(self, issued: _Issued, why: str, hint: str = "") -> None:
        message = f"the token of the login as {issued.who} could not be revoked ({why}) and {issued.fate}"
        self.left.append(Problem("", f"{self.address}: {message}", hint, warning=True))


def _end(duration: str) -> float:
    """Return when a token expires, given its lease in seconds; 0 means never."""
    seconds = float(duration) if duration.isascii() and duration.isdecimal() else 0.0
    return time.monotonic() + seconds if seconds else math.inf


def _unwrap(client: "Client", method: AppRole, address: str) -> SecretValue:
    """Unwrap a secret ID with its wrapping token, which works only once; raise Denied, Unavailable or others."""
    step = Step(f"{address}: unwrapping the secret ID", f"check the credential in {method.places}")
    reply: Reply = client.sys.unwrap()._replace(step=step)
    if not reply.is_ok:
        error = answers.failure(reply)
        if reply.status not in {400, 403, 404}:
            raise error
        raise Denied(
            f"{address}: the secret ID cannot be unwrapped ({method.places}): "
            "its token is invalid, expired or already used",
            hint="issue a new secret ID; if none of you unwrapped this one, someone else did",
        )
    secret_id = answers.part(reply.body, "data", "secret_id")
    if isinstance(secret_id, SecretValue):
        return secret_id
    raise Denied(f"the wrapping token holds no secret ID ({method.places})")


def _header(secret: SecretValue, method: Method) -> str:
    """Return a token that fits into a header; raise Denied for others, which the library's error would quote."""
    token = secret.reveal().decode()
    if token.isascii() and " " not in token:
        return token
    wrong = "contains a space" if " " in token else "contains a character that no token has"
    raise Denied(f"the token in {method.places} {wrong}", hint="write only the token, on one line")
