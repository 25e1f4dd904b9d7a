"""TLS contexts without a client certificate."""

import ssl


def trusting_the_system() -> ssl.SSLContext:
    """Make a context that trusts the system's authorities; SSL_CERT_FILE and SSL_CERT_DIR count, as for OpenSSL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    return context
