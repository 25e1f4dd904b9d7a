"""The format of age files (https://age-encryption.org/v1), as far as a data key needs it.

A header of stanzas, each with the file key wrapped in some way, and a payload of one chunk: 64 KiB at most.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.named_tuple import NamedTuple

FILE_KEY_BYTES: Final = 16
BEGIN: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
END: Final = b"-----END AGE ENCRYPTED FILE-----"
VERSION: Final = b"age-encryption.org/v1"
_COLUMNS: Final = 64
_WORD: Final = re.compile(rb"[!-~]+")
_NONCE_BYTES: Final = 16
_ONLY_CHUNK: Final = bytes(11) + b"\1"  # the counter, and the mark of the last chunk


class Malformed(Exception):
    """It is not an age file."""


class HeaderStanza(NamedTuple):
    """One wrapping of the file key."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes


class AgeFile(NamedTuple):
    """A file in its parts."""

    stanzas: tuple[HeaderStanza, ...]
    signed: bytes  # what the header's MAC covers
    mac: bytes
    payload: bytes

    def __repr__(self) -> str:
        return "AgeFile"


def parse(data: bytes) -> AgeFile:
    """Split a file into its parts, armored or not; Malformed if it is not an age file."""
    if data.lstrip().startswith(BEGIN):
        data = _bare(data)
    header, mark, rest = data.partition(b"\n--- ")
    lines = header.split(b"\n")
    mac, end, payload = rest.partition(b"\n")
    if lines[0] != VERSION or not mark or not end:
        raise Malformed
    return AgeFile(tuple(stanzas(lines[1:])), header + b"\n---", decoded(mac), payload)


def unseal(file: AgeFile, file_key: bytes) -> bytes | None:
    """Return the decrypted content, or None if the file key is wrong or the file was changed."""
    mac = _mac(file_key)
    mac.update(file.signed)
    nonce, sealed = file.payload[:_NONCE_BYTES], file.payload[_NONCE_BYTES:]
    try:
        mac.verify(file.mac)
        return ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).decrypt(_ONLY_CHUNK, sealed, None)
    except (InvalidSignature, InvalidTag):
        return None


def _bare(data: bytes) -> bytes:
    """Remove the armor."""
    lines = [line.rstrip(b"\r") for line in data.strip().split(b"\n")]
    if lines[0] != BEGIN or lines[-1] != END:
        raise Malformed
    try:
        return binascii.a2b_base64(b"".join(lines[1:-1]), strict_mode=True)
    except ValueError:
        raise Malformed from None


def stanzas(lines: Iterable[bytes]) -> Iterator[HeaderStanza]:
    """Read stanzas line by line; Malformed if one is invalid or does not end."""
    pending: list[bytes] = []
    for line in lines:
        pending.append(line)
        if len(pending) > 1 and len(line) < _COLUMNS:
            yield _stanza(*pending)
            pending.clear()
    if pending:
        raise Malformed


def _stanza(first: bytes, *body: bytes) -> HeaderStanza:
    arrow, *words = first.split(b" ")
    if arrow != b"->" or not words or not all(map(_WORD.fullmatch, words)) or any(line[_COLUMNS:] for line in body):
        raise Malformed
    kind, *arguments = (word.decode() for word in words)
    return HeaderStanza(kind, tuple(arguments), decoded(b"".join(body)))


def text(stanza: HeaderStanza) -> str:
    """Write a stanza."""
    body = encoded(stanza.body)
    # A body ends with a short line, which is empty if the line before it is full.
    folded = (body[start : start + _COLUMNS] for start in range(0, len(body) + 1, _COLUMNS))
    return "\n".join((f"-> {' '.join((stanza.kind, *stanza.arguments))}", *folded, ""))


def encoded(data: bytes) -> str:
    """Write base64 without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode()


def decoded(text: bytes) -> bytes:
    """Read base64 without padding; Malformed if it is invalid."""
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise Malformed from None


def _derived(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(file_key)


def _mac(file_key: bytes) -> HMAC:
    return HMAC(_derived(file_key, b"", b"header"), SHA256())
