"""Auth methods: the fields of each, where its credential is, and how it logs in."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.provider import OptionError, SecretValue
from bridge_providers.vault import origin
from bridge_providers.vault.origin import SERVICE_ACCOUNT

if TYPE_CHECKING:
    from bridge_providers.vault.answers import Reply
    from bridge_providers.vault.client import Client
    from bridge_providers.vault.credentials import VaultCredentials

_NAME: Final = re.compile(r"[\w.@+-]+(?:/[\w.@+-]+)*", re.ASCII)

EXAMPLE: Final = "write {method: kubernetes, role: NAME}"

Secrets: TypeAlias = tuple[SecretValue, ...]
"""The credentials that a method logs in with."""


class Token(NamedTuple):
    """The user's own token, from VAULT_TOKEN or ~/.vault-token (see `vault login`). It is never revoked."""

    @property
    def name(self) -> str:
        """What the section calls this method."""
        return "token"

    @property
    def places(self) -> str:
        """Name where the credential is looked for."""
        return "VAULT_TOKEN, ~/.vault-token"

    def find(self, credentials: "VaultCredentials") -> Secrets | None:
        """Return the credential, or None if it is missing."""
        credential = credentials.own("TOKEN")
        if credential is None:
            credential = credentials.home(".vault-token")
        return None if credential is None else (credential,)


class Kubernetes(NamedTuple):
    """A pod's service account. Each run reads the projected token again, because the kubelet renews it."""

    role: str
    mount: str = "kubernetes"
    token_file: str = SERVICE_ACCOUNT

    @property
    def name(self) -> str:
        """What the section calls this method."""
        return "kubernetes"

    @property
    def places(self) -> str:
        """Name where the credential is looked for."""
        return self.token_file

    def find(self, credentials: "VaultCredentials") -> Secrets | None:
        """Return the credential, or None if it is missing."""
        credential = credentials.file(self.token_file)
        return None if credential is None else (credential,)

    def login(self, client: "Client", secrets: Secrets) -> "Reply":
        """Request a token."""
        jwt = _text(secrets[0])
        return client.auth.kubernetes.login(self.role, jwt, use_token=False, mount_point=self.mount)  # type: ignore[no-any-return]


class Jwt(NamedTuple):
    """A signed token from an issuer that the server trusts, such as a pipeline or a cluster's OIDC issuer."""

    role: str | None = None
    mount: str = "jwt"
    token_file: str | None = None
    token_variable: str = "VAULT_ID_TOKEN"  # noqa: S105 - the variable's name, as in GitLab's documentation

    @property
    def name(self) -> str:
        """What the section calls this method."""
        return "jwt"

    @property
    def places(self) -> str:
        """Name where the credential is looked for."""
        return self.token_file or self.token_variable

    def find(self, credentials: "VaultCredentials") -> Secrets | None:
        """Return the credential, or None if it is missing."""
        credential = credentials.either(self.token_file, self.token_variable)
        return None if credential is None else (credential,)

    def login(self, client: "Client", secrets: Secrets) -> "Reply":
        """Request a token."""
        return client.auth.jwt.jwt_login(self.role, _text(secrets[0]), use_token=False, path=self.mount)  # type: ignore[no-any-return]


class AppRole(NamedTuple):
    """A role ID and a secret ID; with `wrapped`, the secret ID is a wrapping token that can be opened once."""

    mount: str = "approle"
    role_id_file: str | None = None
    role_id_variable: str = "VAULT_ROLE_ID"
    secret_id_file: str | None = None
    secret_id_variable: str = "VAULT_SECRET_ID"  # noqa: S105 - the variable's name
    wrapped: bool = False

    @property
    def name(self) -> str:
        """What the section calls this method."""
        return "approle"

    @property
    def places(self) -> str:
        """Name where the credential is looked for."""
        role = self.role_id_file or self.role_id_variable
        return f"{role} and {self.secret_id_file or self.secret_id_variable}"

    def find(self, credentials: "VaultCredentials") -> Secrets | None:
        """Return the credential, or None if it is missing."""
        role_id = credentials.either(self.role_id_file, self.role_id_variable)
        secret_id = credentials.either(self.secret_id_file, self.secret_id_variable)
        return None if role_id is None or secret_id is None else (role_id, secret_id)

    def login(self, client: "Client", secrets: Secrets) -> "Reply":
        """Request a token."""
        role_id, secret_id = map(_text, secrets)
        return client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=self.mount)  # type: ignore[no-any-return]


class UserPass(NamedTuple):
    """A user name and a password."""

    username: str
    mount: str = "userpass"
    password_file: str | None = None
    password_variable: str = "VAULT_PASSWORD"  # noqa: S105 - the variable's name

    @property
    def name(self) -> str:
        """What the section calls this method."""
        return "userpass"

    @property
    def places(self) -> str:
        """Name where the credential is looked for."""
        return self.password_file or self.password_variable

    def find(self, credentials: "VaultCredentials") -> Secrets | None:
        """Return the credential, or None if it is missing."""
        credential = credentials.either(self.password_file, self.password_variable)
        return None if credential is None else (credential,)

    def login(self, client: "Client", secrets: Secrets) -> "Reply":
        """Request a token."""
        password = _text(secrets[0])
        return client.auth.userpass.login(self.username, password, use_token=False, mount_point=self.mount)  # type: ignore[no-any-return]


class Cert(NamedTuple):
    """The TLS client certificate of the connection itself."""

    role: str | None = None
    mount: str = "cert"

    @property
    def name(self) -> str:
        """What the section calls this method."""
        return "cert"

    @property
    def places(self) -> str:
        """Name where the credential is looked for."""
        return "client_cert, VAULT_CLIENT_CERT"

    def find(self, credentials: "VaultCredentials") -> Secrets | None:
        """Return an empty tuple if there is a client certificate, else None: nothing else is sent."""
        return () if credentials.has_certificate else None

    def login(self, client: "Client", _secrets: Secrets) -> "Reply":
        """Request a token."""
        # Do not use hvac's own method: it needs file names and would change what is verified.
        body = {"name": self.role} if self.role else {}
        return client.adapter.post(f"/v1/auth/{self.mount}/login", json=body)  # type: ignore[no-any-return]


LoginMethod: TypeAlias = Kubernetes | Jwt | AppRole | UserPass | Cert
Method: TypeAlias = Token | LoginMethod
_KINDS: Final[Mapping[str, type[Method]]] = {
    "token": Token,
    "kubernetes": Kubernetes,
    "jwt": Jwt,
    "approle": AppRole,
    "userpass": UserPass,
    "cert": Cert,
}


def parse(value: object) -> tuple[Method, ...]:
    """Check the field `auth` and return its methods; raise OptionError if it is invalid."""
    items = [value] if isinstance(value, Mapping) else value
    if not isinstance(items, Sequence) or isinstance(items, (str, bytes)) or not items:
        raise OptionError("auth", "must be a method or a list of methods", hint=EXAMPLE)
    return tuple(_method(item, f"auth[{number}]") for number, item in enumerate(items))


def _method(method: object, where: str) -> Method:
    if not isinstance(method, Mapping):
        raise OptionError(where, "must be a mapping", hint=EXAMPLE)
    options = dict(method)
    kind = _KINDS.get(str(options.pop("method", "")))
    if kind is None:
        raise OptionError(f"{where}.method", f"must be one of {', '.join(_KINDS)}")
    for name, value in options.items():
        _check(kind._fields, name, value, f"{where}.{name}")
    for name in kind._fields:
        if name not in options and name not in kind._field_defaults:
            raise OptionError(f"{where}.{name}", "is required")
    return kind(**options)


def _check(fields: Collection[str], name: str, value: object, where: str) -> None:
    """Check one field of a method: a string, safe for a URL if it becomes part of one."""
    if name not in fields:
        close = difflib.get_close_matches(str(name), fields, 1)
        raise OptionError(where, "unknown key", hint=f"did you mean {close[0]}?" if close else "")
    if name == "wrapped":
        if not isinstance(value, bool):
            raise OptionError(where, "must be true or false")
    elif not isinstance(value, str) or not value or not value.isprintable():
        raise OptionError(where, "must be a string")
    elif name.endswith("_variable") and not origin.is_variable(value):
        raise OptionError(where, origin.NO_VARIABLE, hint="rename the variable, for example to VAULT_ID_TOKEN")
    elif name in {"mount", "username"} and (not _NAME.fullmatch(value) or ".." in value.split("/")):
        raise OptionError(where, "may contain only letters, digits and _ . @ + - /")


def _text(secret: SecretValue) -> str:
    return secret.reveal().decode()
