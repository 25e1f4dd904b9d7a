"""Decrypts and encrypts values as sops does: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]` (sops aes/cipher.go).

Stricter than sops, which ignores what follows the closing bracket, line ends inside base64 and bits
after its end: none of that is authenticated, and sops writes none of it.
"""

import binascii
import os
import re
from collections.abc import Callable
from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import scalars, tree

KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = range(8, 129)  # what AESGCM takes; sops writes 32
_NEW_NONCE_BYTES: Final = 32
_BEGIN: Final = b"ENC["
_BASE64: Final = rb"([0-9A-Za-z+/]+={0,2})"
_FORM: Final = re.compile(rb"ENC\[AES256_GCM,data:%b,iv:%b,tag:%b,type:([a-z]+)\]" % (_BASE64, _BASE64, _BASE64))
FORM: Final = re.compile(rb"(ENC\[AES256_GCM,data:%b,iv:%b,tag:%b,type:[a-z]+\])" % ((rb"[0-9A-Za-z+/]+={0,2}",) * 3))
"""An encrypted value as a whole."""
_READERS: Final[dict[bytes, Callable[[bytes], SecretValue | None]]] = {
    b"str": tree.text_leaf,
    b"int": scalars.integer_leaf,
    b"float": scalars.float_leaf,
    b"bool": scalars.boolean_leaf,
    b"time": scalars.time_leaf,
}

MOVED: Final = "does not decrypt: it was changed or moved after encryption"
PLAIN: Final = "is not encrypted, but the file's rules say it should be"
_DAMAGED: Final = "is damaged: it is not a valid encrypted value"
BOOLEANS: Final = {b"true": b"True", b"false": b"False"}
"""How sops spells booleans, encrypted and for the MAC."""


class Undecryptable(Exception):
    """The reason why a value does not decrypt, worded to follow "key NAME "; never contains a value."""


def looks_encrypted(text: bytes) -> bool:
    """Return whether a text begins like an encrypted value."""
    return text.startswith(_BEGIN)


def is_sealed(leaf: SecretValue) -> bool:
    """Return whether a leaf has the form of an encrypted value."""
    return leaf.kind is Kind.TEXT and _FORM.fullmatch(leaf.reveal()) is not None


def problem_of_form(leaf: SecretValue) -> str | None:
    """Return what is wrong with the form of an encrypted leaf, or None."""
    text = leaf.reveal()
    if leaf.kind is Kind.NULL or (not text and leaf.kind is Kind.TEXT):
        return None  # sops leaves nulls and empty strings as they are
    if leaf.kind is not Kind.TEXT or not looks_encrypted(text):
        return PLAIN
    return None if _FORM.fullmatch(text) else _DAMAGED


def is_number(leaf: SecretValue) -> bool:
    """Return whether a leaf is a number to sops, encrypted or in clear; its type is never encrypted."""
    match = _FORM.fullmatch(leaf.reveal())
    return leaf.kind is Kind.NUMBER or (match is not None and match[4] in {b"int", b"float"})


class Cipher:
    """One data key."""

    def __init__(self, key: bytes, *, old: bool = False) -> None:
        """Take a key of 32 bytes; `old` admits the type `bytes`, which nothing writes since sops 3.0."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - start-up: `check` opens nothing

        aead = AESGCM(key)
        self._open: Final = aead.decrypt
        self._seal: Final = aead.encrypt
        self._old: Final = old

    def decrypt(self, leaf: SecretValue, place: bytes, *, in_list: bool = False) -> SecretValue:
        """Decrypt a leaf at `place` (the additional data); Undecryptable if that fails.

        An item of a list may be a tree.Comment.
        """
        match = _FORM.fullmatch(leaf.reveal())
        if match is None or leaf.kind is not Kind.TEXT:
            if problem := problem_of_form(leaf):
                raise Undecryptable(problem)
            return leaf
        data, nonce, tag, kind = match.groups()
        plaintext = self._plaintext(_bytes(data) + _tag(tag), _bytes(nonce), place)
        return tree.Comment(plaintext) if in_list and kind == b"comment" else self._typed(plaintext, kind)

    def encrypt(self, leaf: SecretValue, place: bytes) -> SecretValue | None:
        """Encrypt a leaf for its place; None for a number that sops would change. Nulls and empty strings stay."""
        value = leaf.reveal()
        if leaf.kind is Kind.NULL or not value:
            return leaf
        kind = b"str"
        if leaf.kind is Kind.BOOLEAN:
            kind, value = b"bool", BOOLEANS[value]
        elif leaf.kind is Kind.NUMBER:
            number_type = next((name for name in (b"int", b"float") if _reads_as(value, name)), None)
            if number_type is None:
                return None
            kind = number_type
        nonce = os.urandom(_NEW_NONCE_BYTES)
        sealed = self._seal(nonce, value, place)
        parts = map(_base64, (sealed[:-_TAG_BYTES], nonce, sealed[-_TAG_BYTES:]))
        return SecretValue(b"ENC[AES256_GCM,data:%b,iv:%b,tag:%b,type:%b]" % (*parts, kind))

    def _plaintext(self, sealed: bytes, nonce: bytes, place: bytes) -> bytes:
        """Decrypt and authenticate."""
        if len(nonce) not in _NONCE_BYTES:
            raise Undecryptable(_DAMAGED)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - start-up: `check` opens nothing

        try:
            return self._open(nonce, sealed, place)
        except InvalidTag:
            pass
        raise Undecryptable(MOVED)

    def _typed(self, plaintext: bytes, kind: bytes) -> SecretValue:
        """Read the plaintext as its type says. The type is not authenticated, but the MAC covers the result."""
        if kind == b"bytes" and self._old:
            return SecretValue(plaintext, Kind.BYTES)
        reader = _READERS.get(kind)
        if reader is None:
            raise Undecryptable(f"has the type `{kind.decode()}`, which sops does not write for a value")
        leaf = reader(plaintext)
        if leaf is None:
            raise Undecryptable(f"does not contain what its type `{kind.decode()}` says")
        return leaf


def _reads_as(text: bytes, kind: bytes) -> bool:
    """Return whether a number's text stays the same if it is read as this type."""
    leaf = _READERS[kind](text)
    return leaf is not None and leaf.reveal() == text


def _base64(data: bytes) -> bytes:
    """Encode as Go's StdEncoding."""
    return binascii.b2a_base64(data, newline=False)


def _bytes(base64: bytes) -> bytes:
    """Decode canonical base64."""
    try:
        decoded = binascii.a2b_base64(base64, strict_mode=True)
    except ValueError:
        decoded = None
    if decoded is None or binascii.b2a_base64(decoded, newline=False) != base64:
        raise Undecryptable("is damaged: its base64 is not canonical")
    return decoded


def _tag(base64: bytes) -> bytes:
    """Decode the authentication tag."""
    tag = _bytes(base64)
    if len(tag) != _TAG_BYTES:
        raise Undecryptable(_DAMAGED)
    return tag
