"""Encrypts small JSON documents as sops does, in Python, because a property writes thousands of them."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyrage
from pyrage import x25519

from bridge.provider import SecretValue
from bridge_providers.sops.cipher import KEY_BYTES, Cipher

WRITTEN: Final = "2026-01-02T03:04:05Z"


class Sealer:
    """An age key, and what is encrypted to it."""

    def __init__(self) -> None:
        self._identity = x25519.Identity.generate()

    def write_key(self, folder: Path) -> Path:
        """Write the age key into a folder, and return its file."""
        path = folder / "test.agekey"
        path.write_text(f"{self._identity}\n")
        path.chmod(0o600)
        return path

    def seal(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Return a document with every text encrypted, and the metadata of sops."""
        key = os.urandom(KEY_BYTES)
        cipher = Cipher(key)
        recipient = self._identity.to_public()
        digest = hashlib.sha512("".join(_leaves(tree)).encode()).hexdigest().upper()
        metadata = {
            "age": [{"recipient": str(recipient), "enc": pyrage.encrypt(key, [recipient], armored=True).decode()}],
            "lastmodified": WRITTEN,
            "mac": _sealed(cipher, digest, WRITTEN),
            "version": "3.11.0",
        }
        return {**_sealed_tree(cipher, tree, ""), "sops": metadata}


def _leaves(tree: dict[str, Any]) -> Iterator[str]:
    for child in tree.values():
        yield from _leaves(child) if isinstance(child, dict) else (child,)


def _sealed_tree(cipher: Cipher, tree: dict[str, Any], place: str) -> dict[str, Any]:
    return {
        name: _sealed_tree(cipher, child, f"{place}{name}:")
        if isinstance(child, dict)
        else _sealed(cipher, child, f"{place}{name}:")
        for name, child in tree.items()
    }


def _sealed(cipher: Cipher, value: str, place: str) -> str:
    leaf = cipher.encrypt(SecretValue.of(value), place.encode())
    assert leaf is not None
    return leaf.reveal().decode()
