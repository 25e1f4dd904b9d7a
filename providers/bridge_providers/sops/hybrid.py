"""age's hybrid post-quantum keys: `AGE-SECRET-KEY-PQ-1…` and `age1pq1…` (https://c2sp.org/age, mlkem768x25519).

The file key is sealed with HPKE under MLKEM768-X25519, HKDF-SHA256 and ChaCha20Poly1305. Keys are in Bech32
(BIP 173), as all of age are, without its limit of 90 characters.
"""

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bridge_providers.sops import age_file
from bridge_providers.sops.age_file import HeaderStanza

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, Suite

IDENTITY: Final = "age-secret-key-pq-"
RECIPIENT: Final = "age1pq"
_STANZA: Final = "mlkem768x25519"
_INFO: Final = b"age-encryption.org/mlkem768x25519"
_SEED_BYTES: Final = 32
_MLKEM_SEED_BYTES: Final = 64
_ENC_BYTES: Final = 1088 + 32  # what HPKE adds: a ciphertext of ML-KEM, and a key of X25519

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM: Final = 6  # letters

TOO_OLD: Final = "post-quantum age keys need a newer `cryptography`, which has HPKE with ML-KEM"


def is_supported() -> bool:
    """Return whether the installed `cryptography` supports these keys."""
    try:
        from cryptography.hazmat.primitives import hpke  # noqa: PLC0415 - an older release lacks it
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
        return bech32_encode(RECIPIENT, mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    def open(self, armored: str) -> bytes | None:
        """Return the content of an age file, or None if no stanza is for this key."""
        try:
            file = age_file.parse(armored.encode())
            for stanza in file.stanzas:
                file_key = self._file_key(stanza)
                if file_key is not None:
                    return age_file.unseal(file, file_key)
        except age_file.Malformed:
            pass
        return None

    def _file_key(self, stanza: HeaderStanza) -> bytes | None:
        if stanza.kind != _STANZA or len(stanza.arguments) != 1:
            return None
        enc = age_file.decoded(stanza.arguments[0].encode())
        try:
            return _suite().decrypt(enc + stanza.body, self._key(), info=_INFO)
        except (InvalidTag, ValueError):
            return None

    def _parts(self) -> "tuple[MLKEM768PrivateKey, X25519PrivateKey]":
        from cryptography.hazmat.primitives.asymmetric import mlkem  # noqa: PLC0415 - an older release lacks it

        expanded = hashlib.shake_256(self._seed).digest(_MLKEM_SEED_BYTES + 32)
        return (
            mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:]),
        )

    def _key(self) -> "MLKEM768X25519PrivateKey":
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey  # noqa: PLC0415 - as above

        return MLKEM768X25519PrivateKey(*self._parts())


def identity(line: str) -> Identity | None:
    """Read a secret key, or return None if it is invalid."""
    seed = bech32_decode(line, IDENTITY)
    return Identity(seed) if seed is not None and len(seed) == _SEED_BYTES else None


def _suite() -> "Suite":
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415 - as above

    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def bech32_encode(prefix: str, data: bytes) -> str:
    """Return bytes as a text in lower case."""
    words = _regroup(data, 8, 5, pad=True) or []
    total = _polymod([*_expand(prefix), *words, *[0] * _CHECKSUM]) ^ 1
    checksum = [total >> 5 * (_CHECKSUM - 1 - index) & 31 for index in range(_CHECKSUM)]
    return f"{prefix}1{''.join(_ALPHABET[word] for word in [*words, *checksum])}"


def bech32_decode(text: str, prefix: str) -> bytes | None:
    """Return the bytes of a text with this prefix, or None if the text is invalid."""
    lower = text.lower()
    if text not in {lower, text.upper()} or not lower.startswith(f"{prefix}1"):
        return None
    words = [_ALPHABET.find(letter) for letter in lower[len(prefix) + 1 :]]
    if len(words) < _CHECKSUM or -1 in words or _polymod([*_expand(prefix), *words]) != 1:
        return None
    data = _regroup(words[:-_CHECKSUM], 5, 8, pad=False)
    return None if data is None else bytes(data)


def _expand(prefix: str) -> list[int]:
    return [*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix)]


def _polymod(words: list[int]) -> int:
    total = 1
    for word in words:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                total ^= generator
    return total


def _regroup(words: "bytes | list[int]", width: int, wanted: int, *, pad: bool) -> list[int] | None:
    """Regroup bits into words of another width; None if the rest is not zero or is a whole word."""
    bits = count = 0
    regrouped = []
    for word in words:
        bits, count = bits << width | word, count + width
        while count >= wanted:
            count -= wanted
            regrouped.append(bits >> count)
            bits &= (1 << count) - 1
    if pad:
        return [*regrouped, bits << wanted - count] if count else regrouped
    return None if count >= width or bits else regrouped
