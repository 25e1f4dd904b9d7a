"""age's hybrid post-quantum keys: `AGE-SECRET-KEY-PQ-1…` and `age1pq1…` (https://c2sp.org/age, mlkem768x25519).

The file key is sealed with HPKE under MLKEM768-X25519, HKDF-SHA256 and ChaCha20Poly1305.
"""

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bridge_providers.sops import age_file, bech32
from bridge_providers.sops.age_file import Stanza

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, Suite

IDENTITY: Final = "age-secret-key-pq-"
RECIPIENT: Final = "age1pq"
_STANZA: Final = "mlkem768x25519"
_INFO: Final = b"age-encryption.org/mlkem768x25519"
_SEED_BYTES: Final = 32
_MLKEM_SEED_BYTES: Final = 64
_ENC_BYTES: Final = 1088 + 32  # what HPKE sends along: a ciphertext of ML-KEM, and a key of X25519

TOO_OLD: Final = "post-quantum age keys need a `cryptography` that has HPKE with ML-KEM, and the installed one has not"
UPDATE: Final = "pip install --upgrade cryptography"


def is_supported() -> bool:
    """Say whether the installed `cryptography` has what it takes."""
    try:
        from cryptography.hazmat.primitives import hpke  # noqa: PLC0415 # an older release lacks it
    except ImportError:
        return False
    return hasattr(hpke, "MLKEM768X25519PrivateKey")


class Identity:
    """A secret key."""

    def __init__(self, seed: bytes) -> None:
        self._seed: Final = seed

    def recipient(self) -> str:
        """Return the public key."""
        mlkem, x25519 = self._parts()
        return bech32.encode(RECIPIENT, mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    def open(self, armored: str) -> bytes | None:
        """Return the content of an age file; None where no stanza is for this key."""
        try:
            file = age_file.parse(armored.encode())
            for stanza in file.stanzas:
                file_key = self._file_key(stanza)
                if file_key is not None:
                    return age_file.unseal(file, file_key)
        except age_file.Malformed:
            pass
        return None

    def _file_key(self, stanza: Stanza) -> bytes | None:
        if stanza.kind != _STANZA or len(stanza.arguments) != 1:
            return None
        enc = age_file.decoded(stanza.arguments[0].encode())
        try:
            return _suite().decrypt(enc + stanza.body, self._key(), info=_INFO)
        except (InvalidTag, ValueError):
            return None

    def _parts(self) -> "tuple[MLKEM768PrivateKey, X25519PrivateKey]":
        from cryptography.hazmat.primitives.asymmetric import mlkem  # noqa: PLC0415 # an older release lacks it

        expanded = hashlib.shake_256(self._seed).digest(_MLKEM_SEED_BYTES + 32)
        return (
            mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:]),
        )

    def _key(self) -> "MLKEM768X25519PrivateKey":
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey  # noqa: PLC0415 # as above

        return MLKEM768X25519PrivateKey(*self._parts())


def identity(line: str) -> Identity | None:
    """Read a secret key; None for what is none."""
    seed = bech32.decode(line, IDENTITY)
    return Identity(seed) if seed is not None and len(seed) == _SEED_BYTES else None


def _suite() -> "Suite":
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415 # as above

    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
