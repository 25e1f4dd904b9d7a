"""Credentials that are fixed or come from a file, and the headers for impersonation."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final, Protocol
from urllib.parse import quote

from bridge.cluster.kubeconfig import MOST, KubeconfigSection, problem_of_token, reason_of
from bridge.config.textfile import read_bounded
from bridge.errors import ConfigError, Problem
from bridge.secret import SecretValue

KEPT: Final = 60.0
"""How many seconds a token file's content is used before it is read again, as in client-go."""


class Credentials(Protocol):
    """Credentials as headers. Safe to use from several threads."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers for the next request, renewed if they have expired."""
        ...

    def renew(self) -> None:
        """Forget the cached credential, because the server rejected it."""
        ...


def bearer(token: SecretValue | None) -> Mapping[str, str]:
    """Return the header for a token, or no header if the client certificate is the credential."""
    return {} if token is None else {"Authorization": f"Bearer {token.reveal().decode('ascii')}"}


def checked_token(text: str, where: str, name: str) -> SecretValue:
    """Strip one trailing newline and wrap a token; raise ConfigError, without its text, if it does not fit a header."""
    token = text.removesuffix("\n").removesuffix("\r")
    if problem := problem_of_token(token):
        raise ConfigError(Problem(where, f"{name} {problem}", "write only the token, on one line"))
    return SecretValue.of(token)


class Fixed:
    """A token that never changes, or no token if there is a client certificate."""

    def __init__(self, token: SecretValue | None) -> None:
        self._token: Final = token

    def headers(self) -> Mapping[str, str]:
        """Return the same headers each time."""
        return bearer(self._token)

    def renew(self) -> None:
        """Do nothing: no other token is available."""


class TokenFile:
    """A token in a file that is renewed from outside, such as a pod's. It is read again after `KEPT` seconds."""

    def __init__(self, path: Path, where: str, name: str, deadline: float = math.inf) -> None:
        """Read the file at `path`; `deadline` is a `time.monotonic()`, in case the file is a pipe."""
        self._path: Final = path
        self._where: Final = where
        self._name: Final = name
        self._deadline: Final = deadline
        self._lock: Final = Lock()
        self._read_at = time.monotonic()
        self._token: SecretValue | None = self._read()

    def headers(self) -> Mapping[str, str]:
        """Return the token that the file contained within the last `KEPT` seconds."""
        with self._lock:
            if self._token is None or time.monotonic() - self._read_at >= KEPT:
                self._read_at = time.monotonic()
                self._token = self._read()
            return bearer(self._token)

    def renew(self) -> None:
        """Make the next request read the file."""
        with self._lock:
            self._token = None

    def _read(self) -> SecretValue:
        try:
            text = read_bounded(self._path, self._deadline, MOST).decode("ascii", "replace").strip()
        except OSError as error:
            message = f"{self._name}: cannot read {self._path}: {reason_of(error)}"
            raise ConfigError(Problem(self._where, message)) from None
        except ValueError:  # a zero byte, or a character that the locale lacks
            raise ConfigError(Problem(self._where, f"{self._name}: its path is invalid on this system")) from None
        return checked_token(text, self._where, f"{self._name} {self._path}".strip())


def impersonation(user: KubeconfigSection) -> tuple[tuple[str, str], ...]:
    """Return the headers for a user's `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    headers = [("Impersonate-User", user.text("as")), ("Impersonate-Uid", user.text("as-uid"))]
    headers += [("Impersonate-Group", group) for group in user.texts("as-groups")]
    if extra := user.section("as-user-extra"):
        # A header name cannot hold arbitrary text, so Kubernetes expects it percent-encoded.
        names = {name: f"Impersonate-Extra-{quote(name, safe='')}" for name in extra.fields}
        headers += [(names[name], value) for name in names for value in extra.texts(name)]
    result = tuple((name, _header(user, value)) for name, value in headers if value)
    if result and not user.has("as"):
        raise user.wrong("has as-groups, as-uid or as-user-extra, but no as")
    return result


def _header(user: KubeconfigSection, value: str) -> str:
    """Return text as a header value: its UTF-8 bytes, which http.client treats as Latin-1."""
    if not value.isprintable():
        raise user.wrong("impersonates a name that contains control characters")
    return value.encode().decode("latin-1")
