"""Makes what sops and age put around a data key, for the tests of those who open it."""

import binascii
import os

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bridge_providers.sops import age_file, hybrid
from bridge_providers.sops.age_file import HeaderStanza

_MLKEM_PUBLIC_BYTES = 1184


def seal(content: bytes, file_key: bytes, stanza: HeaderStanza) -> str:
    """Return an armored file with one stanza; the content has 64 KiB at most."""
    signed = f"{age_file.VERSION.decode()}\n{age_file.text(stanza)}---".encode()
    mac = age_file._mac(file_key)
    mac.update(signed)
    nonce = os.urandom(age_file._NONCE_BYTES)
    sealed = ChaCha20Poly1305(age_file._derived(file_key, nonce, b"payload")).encrypt(
        age_file._ONLY_CHUNK, content, None
    )
    whole = binascii.b2a_base64(
        signed + f" {age_file.encoded(mac.finalize())}\n".encode() + nonce + sealed, newline=False
    )
    lines = [whole[start : start + age_file._COLUMNS] for start in range(0, len(whole), age_file._COLUMNS)]
    return b"\n".join([age_file.BEGIN, *lines, age_file.END, b""]).decode()


def hybrid_wrap(content: bytes, recipient: str) -> str:
    """Encrypt to a post-quantum recipient."""
    from cryptography.hazmat.primitives.asymmetric import mlkem  # noqa: PLC0415 - an older release lacks both
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey  # noqa: PLC0415

    data = hybrid.bech32_decode(recipient, hybrid.RECIPIENT)
    assert data is not None
    key = MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(data[:_MLKEM_PUBLIC_BYTES]),
        X25519PublicKey.from_public_bytes(data[_MLKEM_PUBLIC_BYTES:]),
    )
    file_key = os.urandom(age_file.FILE_KEY_BYTES)
    sealed = hybrid._suite().encrypt(file_key, key, info=hybrid._INFO)
    return seal(
        content,
        file_key,
        HeaderStanza(hybrid._STANZA, (age_file.encoded(sealed[: hybrid._ENC_BYTES]),), sealed[hybrid._ENC_BYTES :]),
    )
