"""TLS contexts: whom we trust, and the client certificate that we show."""

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

_CERTIFICATE: Final = re.compile(
    rb"^-----BEGIN CERTIFICATE-----.*?^-----END CERTIFICATE-----", re.DOTALL | re.MULTILINE
)
"""What counts of a bundle, as for kubectl: comments around it may be in any encoding."""


def trusting(authority: bytes | None, where: str) -> ssl.SSLContext:
    """Make a context that trusts the given PEM certificates alone, or the system's where none are given."""
    if authority is None:
        return trusting_the_system()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    found = [one.decode("ascii", "replace") for one in _CERTIFICATE.findall(authority)]
    if not found:
        raise ConfigError(Problem(where, "certificate-authority holds no PEM certificate that can be read"))
    wrong = [str(number) for number, one in enumerate(found, 1) if not _add_authority(context, one)]
    if wrong:
        what = f"certificate-authority: number {', '.join(wrong)} of its {len(found)} certificates cannot be read"
        raise ConfigError(Problem(where, what, "take it out, or get it again"))
    return context


def _add_authority(context: ssl.SSLContext, certificate: str) -> bool:
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        return False
    return True


def trusting_anybody() -> ssl.SSLContext:
    """Make a context for `insecure-skip-tls-verify`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def show_certificate(context: ssl.SSLContext, certificate: bytes, key: SecretValue, where: str) -> None:
    """Let new connections of a context show this client certificate (both PEM, the key not encrypted)."""
    with _as_file(certificate + b"\n" + key.reveal()) as path:
        loaded = _load_chain(context, path)
    if not loaded:
        hint = "both are PEM and belong together, and the key has no password"
        raise ConfigError(Problem(where, "the client certificate and its key cannot be used", hint))


def _load_chain(context: ssl.SSLContext, path: str) -> bool:
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError):
        return False
    return True


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give bytes a path, because OpenSSL's chain loader reads files only: in memory wherever that can be."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("bridge"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    from tempfile import TemporaryDirectory  # noqa: PLC0415 -- start-up: only where there is no memfd

    with TemporaryDirectory() as folder:  # made with mode 0700
        path = Path(folder, "chain.pem")
        path.write_bytes(content)
        yield str(path)
