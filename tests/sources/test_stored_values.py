"""Finding out when a value was stored, and when a certificate among the values ends."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from bridge.secret import Kind, SecretValue
from bridge.sources.stored_values import certificate_end

ENDS = dt.datetime(2030, 5, 6, 7, 8, 9, tzinfo=dt.UTC)


def pem(ends: dt.datetime, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None) -> bytes:
    """Return a certificate in PEM that ends at a time."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CANARY")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(dt.datetime(1960, 1, 1, tzinfo=dt.UTC)).not_valid_after(ends)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"# issued by us\r\n", b"\r\n"),
        (b"-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\n-----END PRIVATE KEY-----\n", b""),
        (b"", pem(dt.datetime(2001, 1, 1, tzinfo=dt.UTC))),
        (b"\x00\xff", b"\x00"),
    ],
)
def test_first_certificate_of_value_counts(before: bytes, after: bytes) -> None:
    assert certificate_end(SecretValue(before + pem(ENDS) + after, Kind.BYTES)) == "2030-05-06T07:08:09Z"


def test_certificates_of_any_key_and_year_are_read() -> None:
    assert certificate_end(SecretValue(pem(ENDS, ed25519.Ed25519PrivateKey.generate()))) == "2030-05-06T07:08:09Z"
    for year in (1999, 2050, 9999):
        ends = dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
        assert certificate_end(SecretValue(pem(ends))) == f"{year}-12-31T23:59:59Z"


@pytest.mark.parametrize(
    "value",
    [
        b"CANARY",
        b"-----BEGIN CERTIFICATE-----",
        b"-----END CERTIFICATE----------BEGIN CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nQ0FOQVJZ\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\nQ0FOQVJZ\n-----END CERTIFICATE REQUEST-----\n",
        pem(ENDS).replace(b"\n", b"\\n"),
        pem(ENDS)[:-80] + b"-----END CERTIFICATE-----",
    ],
)
def test_value_without_readable_certificate_has_no_end(value: bytes) -> None:
    assert certificate_end(SecretValue(value, Kind.BYTES)) == ""
