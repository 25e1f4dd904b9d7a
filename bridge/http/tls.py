"""TLS contexts without a client certificate, and whose certificate was refused: the server's by us, or ours by it.

The alerts: RFC 8446, 6.2, and RFC 5246, 7.2.2.
"""

import ssl
from typing import Final

_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "requires a client certificate",
    "CERTIFICATE_EXPIRED": "says that the client certificate has expired",
    "CERTIFICATE_REVOKED": "says that the client certificate was revoked",
    "UNKNOWN_CA": "does not trust the CA of the client certificate",
    "BAD_CERTIFICATE": "rejected the client certificate, or requires one",
    "CERTIFICATE_UNKNOWN": "rejected the client certificate",
    "UNSUPPORTED_CERTIFICATE": "rejected the client certificate",
    "ACCESS_DENIED": "rejected the client certificate",
    "HANDSHAKE_FAILURE": "ended the handshake; it may require another client certificate",
}
"""The key is the end of OpenSSL's name for the alert; the beginning differs between alerts."""


def trusting_the_system() -> ssl.SSLContext:
    """Return a context that trusts the system's CAs, or those in SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    return context


def refused_certificate(error: BaseException) -> str | None:
    """Return the server's complaint about our certificate, to follow its name, or None for any other error."""
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    _, alert, name = str(reason or "").partition("_ALERT_")
    return _ALERTS.get(name) if alert else None


def is_untrusted(error: object) -> bool:
    """Return whether an exception, or an exception that a library has wrapped in it, rejects the server's certificate.

    urllib3 compares names itself if it was given a TLS context, and then raises an error of its own.
    """
    while isinstance(error, Exception):
        if isinstance(error, ssl.SSLCertVerificationError) or type(error).__name__ == "CertificateError":
            return True
        error = getattr(error, "reason", None) or next(iter(error.args), None)
    return False
