"""Keys and certificates for servers on loopback, made anew for each of them."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate (or a public key) and its private key, both PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that issues for 127.0.0.1 and localhost, and for clients."""

    def __init__(self, folder: Path, name: str = "bridge tests") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _builder(self._name, self._name, self._key, DAY).add_extension(usage, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        self._certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.file = folder / "ca.crt"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self,
        name: str = "server",
        host: str = "localhost",
        *others: str,
        address: str = "127.0.0.1",
        ends: dt.timedelta = DAY,
    ) -> Pair:
        """Issue a certificate for a server on loopback and elsewhere, or for one that takes itself for another."""
        names = x509.SubjectAlternativeName([x509.DNSName(host), *(_ip(one) for one in (address, *others))])
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, host)]
        return self._issue(name, subject, names, client=False, ends=ends)

    def serving(self, *, wants_certificate: bool = False) -> ssl.SSLContext:
        """Return what a server on loopback speaks TLS with; it may want a certificate of this authority's clients."""
        pair = self.server()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        if wants_certificate:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, user: str, groups: tuple[str, ...] = (), *, ends: dt.timedelta | None = None) -> Pair:
        """Issue a certificate that Kubernetes reads as this user in these groups; it `ends` so long from now."""
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        return self._issue(f"client-{user}", subject, None, ends=ends)

    def _issue(
        self,
        file: str,
        subject: "list[x509.NameAttribute[str]]",  # quoted: older releases have no type parameter here
        names: x509.SubjectAlternativeName | None,
        *,
        client: bool = True,
        ends: dt.timedelta | None = None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = _builder(x509.Name(subject), self._name, key, ends or DAY)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = Pair(self._folder / f"{file}.crt", self._folder / f"{file}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(pair.key, key)
        return pair


def self_signed(folder: Path, name: str = "self-signed") -> Pair:
    """Make a certificate for a server on loopback that only its own key has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), _ip("127.0.0.1")])
    certificate = _builder(subject, subject, key, DAY).add_extension(names, critical=False).sign(key, hashes.SHA256())
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(pair.key, key)
    return pair


def key_pair(folder: Path, name: str) -> Pair:
    """Make a bare key pair: the public key stands in `certificate`."""
    key = ec.generate_private_key(ec.SECP256R1())
    pair = Pair(folder / f"{name}.pub", folder / f"{name}.key")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pair.certificate.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    _write_key(pair.key, key)
    return pair


def _ip(address: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.IPv4Address(address))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, ends: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - DAY).not_valid_after(now + ends)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(pem)
