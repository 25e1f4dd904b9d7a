"""JSON Web Tokens signed with a P-256 key, and such keys as JSON and PEM."""

import base64
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def signed(key: Path, claims: dict[str, Any], *, lives: float = 600, kid: str | None = None) -> str:
    """Return a token that a key file signs; a negative life has ended already."""
    now = int(time.time())
    header = {"alg": "ES256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    start = min(now, now + int(lives)) - 60
    payload = {"iat": start, "nbf": start, "exp": now + int(lives)} | claims
    content = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(payload).encode())}"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(private.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{content}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def claims(token: str) -> dict[str, Any]:
    """Return what a token says, unchecked."""
    return json.loads(_decoded(token.split(".")[1]))


def pem(jwk: dict[str, str]) -> str:
    """Return a JWK of a P-256 key as PEM."""
    x, y = (int.from_bytes(_decoded(jwk[name]), "big") for name in "xy")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
