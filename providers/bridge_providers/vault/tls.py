"""TLS to the server, from the files that the operator names, without a fallback to other CAs."""

import os
import ssl
from pathlib import Path

from bridge.http.tls import refused_certificate
from bridge.provider import Denied, ProviderError
from bridge_providers.vault.settings import Settings


def context(settings: Settings) -> ssl.SSLContext:
    """Return the TLS context, with the operator's CAs or, if none are named, the system's."""
    for path in (settings.ca_file, settings.ca_folder, settings.client_cert, settings.client_key):
        if path is not None and not os.access(path, os.R_OK):
            raise ProviderError(f"cannot read the file {path}")
    tls_context = _trusting(settings)
    if not settings.verify:
        tls_context.check_hostname = False
        tls_context.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        _present(tls_context, settings.client_cert, settings.client_key)
    return tls_context


def _trusting(settings: Settings) -> ssl.SSLContext:
    # As in Vault's own programs, a file takes precedence over a folder.
    folder = settings.ca_folder if settings.ca_file is None else None
    try:
        return ssl.create_default_context(cafile=settings.ca_file, capath=folder)
    except OSError as error:
        place, reason = settings.ca_file or folder, type(error).__name__
    raise ProviderError(f"cannot use the certificate authorities in {place} ({reason})")


def _present(tls_context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Load the client's certificate."""
    try:
        # Without a password function, OpenSSL would prompt on the terminal for an encrypted key's password.
        tls_context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError):
        pass
    else:
        return
    # Raise outside the handler, so that OpenSSL's error, which may quote the key, is not chained.
    raise ProviderError(
        f"cannot use the client certificate {cert}",
        hint="use PEM files: the certificate and its own unencrypted key",
    )


def _no_password() -> str:
    return ""


def failure(error: BaseException, address: str) -> ProviderError | None:
    """Return what is wrong with the server's certificate or with ours, or None if the connection just broke."""
    ssl_error = _innermost(error)
    if isinstance(ssl_error, ssl.SSLCertVerificationError):
        hint = "set ca_cert or VAULT_CACERT to its CA, or VAULT_TLS_SERVER_NAME if only the name differs"
        return ProviderError(f"the certificate of {address} is not trusted: {ssl_error.verify_message}", hint=hint)
    refusal = refused_certificate(ssl_error) if ssl_error else None
    if refusal:
        hint = "set client_cert and client_key, or VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, to a valid pair"
        return Denied(f"{address} {refusal}", hint=hint)
    if ssl_error and ssl_error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        return ProviderError(f"{address} does not speak TLS", hint="write the address with http://")
    return None


def _innermost(error: BaseException) -> ssl.SSLError | None:
    """Find the ssl module's error that a library has wrapped, as an argument or as `reason`."""
    waiting: list[object] = [error]
    while waiting:
        candidate = waiting.pop()
        if isinstance(candidate, ssl.SSLError):
            return candidate
        if isinstance(candidate, BaseException):
            waiting += [*candidate.args, getattr(candidate, "reason", None), candidate.__cause__, candidate.__context__]
    return None
