"""TLS contexts without a client certificate."""

import ssl


def trusting_the_system() -> ssl.SSLContext:
    """Return a context that trusts the system's CAs, or those in SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    return context
