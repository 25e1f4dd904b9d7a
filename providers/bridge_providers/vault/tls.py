"""TLS towards the server, from the files that the operator names. No fallback to other authorities."""

import os
import ssl
from pathlib import Path

from bridge.http.alerts import refused_certificate
from bridge.provider import Denied, ProviderError
from bridge_providers.vault.settings import Settings


def context(settings: Settings) -> ssl.SSLContext:
    """Return how connections are made: the operator's authorities, or where none is named the system's."""
    for path in (settings.ca_file, settings.ca_folder, settings.client_cert, settings.client_key):
        if path is not None and not os.access(path, os.R_OK):
            raise ProviderError(f"the file {path} cannot be read")
    made = _trusting(settings)
    if not settings.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        _present(made, settings.client_cert, settings.client_key)
    return made


def _trusting(settings: Settings) -> ssl.SSLContext:
    # As in Vault's own programs a file wins over a folder.
    folder = settings.ca_folder if settings.ca_file is None else None
    try:
        return ssl.create_default_context(cafile=settings.ca_file, capath=folder)
    except OSError as error:
        place, reason = settings.ca_file or folder, type(error).__name__
    raise ProviderError(f"the certificate authorities in {place} cannot be used ({reason})")


def _present(made: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Load the client's certificate."""
    try:
        # Without a password function OpenSSL would ask on the terminal for an encrypted key's.
        made.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError):
        pass
    else:
        return
    # Raised here and not in the handler: nobody promises that OpenSSL's errors quote nothing of a key.
    raise ProviderError(
        f"the client certificate {cert} cannot be used",
        hint="it must be PEM, with its own key, which must not be encrypted",
    )


def _no_password() -> str:
    return ""


def failure(error: BaseException, address: str) -> ProviderError | None:
    """Return what is wrong with the server's certificate, or what it misses in ours; None for a mere break."""
    found = _innermost(error)
    if isinstance(found, ssl.SSLCertVerificationError):
        hint = "name the authority with ca_cert or VAULT_CACERT; VAULT_TLS_SERVER_NAME if only the name differs"
        return ProviderError(f"the certificate of {address} is not trusted: {found.verify_message}", hint=hint)
    refusal = refused_certificate(found) if found else None
    if refusal:
        hint = "set client_cert and client_key, or VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, to a valid pair"
        return Denied(f"{address} {refusal}", hint=hint)
    if found and found.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        return ProviderError(f"{address} does not speak TLS", hint="write the address with http://")
    return None


def _innermost(error: BaseException) -> ssl.SSLError | None:
    """Find the error of the ssl module that a library has wrapped, as an argument or as `reason`."""
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ssl.SSLError):
            return one
        if isinstance(one, BaseException):
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return None
