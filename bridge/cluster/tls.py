"""TLS contexts: the authorities that we trust, and the client certificate that we present."""

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bridge.errors import ConfigError, Problem
from bridge.http.tls import trusting_the_system
from bridge.secret import SecretValue

_CERTIFICATE: Final = rb"^-----BEGIN CERTIFICATE-----.*?^-----END CERTIFICATE-----"
"""The part of a bundle that counts, as in kubectl; comments around it may have any encoding."""


def trusting(authority: bytes | None, where: str) -> ssl.SSLContext:
    """Return a context that trusts only the given PEM certificates, or the system's CAs if none are given."""
    if authority is None:
        return trusting_the_system()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    certificates = [
        one.decode("ascii", "replace") for one in re.findall(_CERTIFICATE, authority, re.DOTALL | re.MULTILINE)
    ]
    if not certificates:
        raise ConfigError(Problem(where, "certificate-authority contains no readable PEM certificate"))
    wrong = [str(number) for number, one in enumerate(certificates, 1) if not _add_authority(context, one)]
    if wrong:
        message = f"certificate-authority: cannot read certificate number {', '.join(wrong)} of {len(certificates)}"
        raise ConfigError(Problem(where, message, "remove or replace it"))
    return context


def _add_authority(context: ssl.SSLContext, certificate: str) -> bool:
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        return False
    return True


def trusting_anyone() -> ssl.SSLContext:
    """Return a context for `insecure-skip-tls-verify`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def show_certificate(context: ssl.SSLContext, certificate: bytes, key: SecretValue, where: str) -> None:
    """Make new connections of a context present this client certificate (both in PEM, with an unencrypted key)."""
    with _as_file(certificate + b"\n" + key.reveal()) as path:
        loaded = _load_chain(context, path)
    if not loaded:
        hint = "use PEM for both, a key that belongs to the certificate, and no password"
        raise ConfigError(Problem(where, "cannot use the client certificate and its key", hint))


def _load_chain(context: ssl.SSLContext, path: str) -> bool:
    try:
        # Without a password argument, OpenSSL would prompt for one on the terminal.
        context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError):
        return False
    return True


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give bytes a path, in memory if possible, because OpenSSL's chain loader only reads files."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("bridge"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - start-up: only needed without memfd

    with TemporaryDirectory() as folder:  # created with mode 0700
        path = Path(folder, "chain.pem")
        path.write_bytes(content)
        yield str(path)
