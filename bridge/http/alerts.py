"""What a server says of our client certificate when it ends the handshake (RFC 8446, 6.2; RFC 5246, 7.2.2)."""

import ssl
from typing import Final

_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "wants a client certificate",
    "CERTIFICATE_EXPIRED": "says that the client certificate has expired",
    "CERTIFICATE_REVOKED": "says that the client certificate was revoked",
    "UNKNOWN_CA": "does not know the authority of the client certificate",
    "BAD_CERTIFICATE": "does not accept the client certificate, or wants one",
    "CERTIFICATE_UNKNOWN": "does not accept the client certificate",
    "UNSUPPORTED_CERTIFICATE": "does not accept the client certificate",
    "ACCESS_DENIED": "does not accept the client certificate",
    "HANDSHAKE_FAILURE": "ends the handshake, as servers do that want another client certificate",
}
"""By the end of OpenSSL's name for the alert; what is in front differs from alert to alert."""


def refused_certificate(error: BaseException) -> str | None:
    """Return what the server says of our certificate, going on from its name; None for any other error."""
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    _, alert, name = str(reason or "").partition("_ALERT_")
    return _ALERTS.get(name) if alert else None
