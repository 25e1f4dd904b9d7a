"""Session settings: the section's fields first, then the environment variables of Vault's own programs.

The variables are listed in https://developer.hashicorp.com/vault/docs/commands#environment-variables.
OpenBao's programs read BAO_… before VAULT_…, and a variable that is set but empty counts (observed with 2.7).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.http.servers import same_server
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Problem, ProviderError
from bridge_providers.vault import paths

if TYPE_CHECKING:
    from bridge_providers.vault import Vault

RETRIES: Final = 2
TIMEOUT: Final = 60.0  # seconds; like RETRIES, the default of Vault's own client
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")


class Settings(NamedTuple):
    """The server's address and how to reach it, without credentials. `timeout` is in seconds."""

    address: str
    namespace: str | None
    auth_namespace: str | None
    ca_file: Path | None
    ca_folder: Path | None
    client_cert: Path | None
    client_key: Path | None
    server_name: str | None
    verify: bool
    proxy: str | None  # its URL may contain a password
    direct: str  # hosts reached without the proxy, in the format of NO_PROXY
    timeout: float

    def __repr__(self) -> str:
        return f"Settings({self.address!r})"  # without the proxy


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return the value of BAO_NAME if it is set, else of VAULT_NAME; None if it is empty."""
    return environ.get(variable_name(environ, name)) or None


def variable_name(environ: Mapping[str, str], name: str) -> str:
    """Return which of the two variables counts: BAO_NAME if it is set, else VAULT_NAME."""
    return f"BAO_{name}" if f"BAO_{name}" in environ else f"VAULT_{name}"


def retries(environ: Mapping[str, str]) -> int:
    """Return how often to retry a read. The first read reports a value that is not a number."""
    text = variable(environ, "MAX_RETRIES")
    return int(text) if text and text.isdecimal() else RETRIES


def timeout(environ: Mapping[str, str]) -> float:
    """Return the time limit of a read in seconds. The first read reports a value that is not a duration."""
    return _seconds(variable(environ, "CLIENT_TIMEOUT") or "") or TIMEOUT


def load(options: "Vault", context: Context) -> Settings:
    """Combine the section and the environment; raise ProviderError for invalid settings."""
    environ = context.environ
    _check(environ)
    if problem := other_server(options.address, environ):
        raise ProviderError(problem.what, hint=problem.hint)
    address = options.address or _address(environ)
    cert, key = _pair(options, context)
    folder = variable(environ, "CAPATH")
    return Settings(
        address=address.rstrip("/"),
        namespace=_namespace(options.namespace or variable(environ, "NAMESPACE")),
        auth_namespace=_namespace(options.auth_namespace or options.namespace or variable(environ, "NAMESPACE")),
        ca_file=_file(options.ca_cert, variable(environ, "CACERT"), context.base),
        ca_folder=Path(folder) if folder and not options.ca_cert else None,
        client_cert=cert,
        client_key=key,
        server_name=variable(environ, "TLS_SERVER_NAME"),
        verify=not _is_true(variable(environ, "SKIP_VERIFY")),
        proxy=_own_proxy(environ) or _usual_proxy(environ, address),
        direct="" if _own_proxy(environ) else environ.get("no_proxy") or environ.get("NO_PROXY") or "",
        timeout=timeout(environ),
    )


def other_server(address: str | None, environ: Mapping[str, str]) -> Problem | None:
    """Return a problem if the section names a different server than the environment variable.

    Anyone who can push a branch can change the section, so the operator's variable decides where credentials may go.
    """
    named = variable(environ, "ADDR")
    if not address or not named or (not paths.problem_of_address(named) and same_server(address, named)):
        return None
    name = variable_name(environ, "ADDR")
    message = f"address {address} is not the server that {name} names"
    return Problem("", message, f"correct {name}, or unset it if this server may have your credentials")


def _check(environ: Mapping[str, str]) -> None:
    text = variable(environ, "MAX_RETRIES")
    if text and not text.isdecimal():
        raise ProviderError(f"{variable_name(environ, 'MAX_RETRIES')} is not a number")
    text = variable(environ, "CLIENT_TIMEOUT")
    if text and not _seconds(text):
        raise ProviderError(f"{variable_name(environ, 'CLIENT_TIMEOUT')} is not a duration", hint="write 30s or 30")


def _address(environ: Mapping[str, str]) -> str:
    # Vault's own default, https://127.0.0.1:8200, would hide that nothing is configured.
    address = variable(environ, "ADDR")
    if address is None:
        raise ProviderError("no server address is configured", hint="set VAULT_ADDR or the section's address")
    problem = paths.problem_of_address(address)
    if problem:
        raise ProviderError(
            f"{variable_name(environ, 'ADDR')} {problem}", hint="write it as https://vault.example.com:8200"
        )
    return address


def _pair(options: "Vault", context: Context) -> tuple[Path | None, Path | None]:
    """Return the client certificate and its key: both from the section, or both from the environment."""
    if options.client_cert:
        cert = context.base / options.client_cert
        return cert, context.base / options.client_key if options.client_key else None
    cert_text, key_text = variable(context.environ, "CLIENT_CERT"), variable(context.environ, "CLIENT_KEY")
    if bool(cert_text) != bool(key_text):
        lacking = "VAULT_CLIENT_CERT" if key_text else "VAULT_CLIENT_KEY"
        raise ProviderError(f"{lacking} is not set, but its counterpart is", hint="set both variables or neither")
    return (Path(cert_text), Path(key_text)) if cert_text and key_text else (None, None)


def _file(option: str | None, text: str | None, base: Path) -> Path | None:
    return base / option if option else Path(text) if text else None


def _namespace(text: str | None) -> str | None:
    return text.strip("/") or None if text else None


def _is_true(text: str | None) -> bool:
    """Parse a boolean like Go's strconv.ParseBool; anything invalid is False, so that no check is skipped."""
    return text in {"1", "t", "T", "true", "TRUE", "True"}


def _own_proxy(environ: Mapping[str, str]) -> str | None:
    """Return the proxy that is only for Vault; it is used for every address."""
    return variable(environ, "PROXY_ADDR") or variable(environ, "HTTP_PROXY")


def _usual_proxy(environ: Mapping[str, str], address: str) -> str | None:
    """Return the environment's proxy; as in Go programs, it is not used for loopback addresses."""
    parts = urlsplit(address)
    if parts.hostname == "localhost" or (parts.hostname or "").startswith("127.") or parts.hostname == "::1":
        return None
    return environ.get(f"{parts.scheme}_proxy") or environ.get(f"{parts.scheme.upper()}_PROXY") or None


def _seconds(text: str) -> float:
    """Parse a whole number of seconds or a Go duration (`1m30s`); return 0 for anything else."""
    if text.isdecimal():
        return float(text)
    if not _DURATION.fullmatch(text):
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))
