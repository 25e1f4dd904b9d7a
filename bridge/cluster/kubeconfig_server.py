"""The cluster section of a kubeconfig: the server's address and the identity it must prove."""

import ssl
from typing import Final

from bridge.cluster.endpoint import split_url
from bridge.cluster.kubeconfig import KubeconfigSection
from bridge.cluster.tls import trusting, trusting_anyone


class Server:
    """A parsed cluster section. `tls` is None for plain http; `authority` is PEM, or None for the system's CAs."""

    def __init__(
        self, section: KubeconfigSection, url: str, authority: bytes | None, tls: ssl.SSLContext | None
    ) -> None:
        self.section: Final = section
        self.url: Final = url
        self.authority: Final = authority
        self.tls: Final = tls

    def warnings(self) -> tuple[str, ...]:
        """Return the warnings to show before anything is sent."""
        if self.tls is None or self.tls.verify_mode is not ssl.CERT_NONE:
            return ()
        danger = "anyone on the network path can read and change the secrets"
        return (f"{self.section.where}: insecure-skip-tls-verify is set: {danger}",)


def read_server(cluster: KubeconfigSection) -> Server:
    """Read and check a cluster section; raise ConfigError about an invalid field."""
    url = server_url(cluster)
    secure = url.startswith("https:")
    authority = cluster.content("certificate-authority")
    return Server(cluster, url, authority, _tls(cluster, authority) if secure else None)


def server_url(cluster: KubeconfigSection) -> str:
    """Return the URL of the API server; raise ConfigError if it is missing or unusable."""
    url = cluster.text("server")
    if url is None:
        raise cluster.wrong("has no server")
    split_url(url, cluster.where, "server")
    return url.rstrip("/")


def _tls(cluster: KubeconfigSection, authority: bytes | None) -> ssl.SSLContext:
    if not cluster.flag("insecure-skip-tls-verify"):
        return trusting(authority, cluster.where)
    if authority is not None:
        raise cluster.wrong("has both a certificate authority and insecure-skip-tls-verify")
    return trusting_anyone()
