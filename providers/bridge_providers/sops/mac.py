"""The MAC over a whole file (sops.go, Tree.Decrypt): SHA-512 over the leaves' plaintexts, encrypted with the data key.

It covers every leaf's bytes in the file's order, but no keys, no types and no boundaries between leaves;
with `mac_only_encrypted`, only the encrypted leaves. Nulls and comments never count.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.provider import Kind, Problem, ProviderError, SecretValue
from bridge_providers.sops.cipher import BOOLEANS, Cipher, Undecryptable
from bridge_providers.sops.metadata import Metadata

# sops.go, MACOnlyEncryptedInitialization: prevents that the option is removed from a file.
_ONLY_ENCRYPTED: Final = hashlib.sha256(b"sops").digest()

NO_MAC: Final = "has no MAC (`mac` in its sops metadata), so it may have been changed"
RESTORE: Final = "restore it from git, and change it only with `bridge set` or `sops edit`"
"""What to do about a file that was changed by something else."""


def bytes_of(leaf: SecretValue) -> bytes:
    """Return what a leaf adds to the MAC; sops spells booleans in title case."""
    value = leaf.reveal()
    return BOOLEANS[value] if leaf.kind is Kind.BOOLEAN else value


def digest(hashed: Iterable[bytes], *, mac_only_encrypted: bool) -> bytes:
    """Return the MAC before its encryption."""
    total = hashlib.sha512(_ONLY_ENCRYPTED if mac_only_encrypted else b"")
    total.update(b"".join(hashed))
    return total.hexdigest().upper().encode()


def verify(metadata: Metadata, cipher: Cipher, hashed: Iterable[bytes]) -> None:
    """Compare the file's MAC with its leaves; ProviderError if they differ, or if there is no MAC."""
    if not metadata.mac:
        raise ProviderError(NO_MAC, hint=RESTORE)
    expected = _decrypted(metadata, cipher)
    if expected is None:
        raise ProviderError(
            "its MAC does not decrypt: `mac` or `lastmodified` was changed after encryption", hint=RESTORE
        )
    if not hmac.compare_digest(expected, digest(hashed, mac_only_encrypted=metadata.mac_only_encrypted)):
        raise ProviderError(
            "its MAC does not match: a value was changed, moved, added or removed after encryption", hint=RESTORE
        )


def opens(metadata: Metadata, cipher: Cipher) -> bool:
    """Return whether the file's MAC is encrypted with this data key."""
    return _decrypted(metadata, cipher) is not None


def _decrypted(metadata: Metadata, cipher: Cipher) -> bytes | None:
    """Decrypt the file's MAC, which is bound to the time of the last change."""
    try:
        opened = cipher.decrypt(SecretValue(metadata.mac.encode()), metadata.last_modified.rfc3339().encode())
    except Undecryptable:
        return None
    return opened.reveal()


def warnings(metadata: Metadata) -> Iterator[Problem]:
    """Yield what a valid MAC does not prove."""
    if metadata.mac_only_encrypted:
        yield Problem(
            "",
            "its MAC covers only encrypted values (`mac_only_encrypted`); the others can be changed unnoticed",
            "remove `mac_only_encrypted` from .sops.yaml, then decrypt and encrypt the file again",
            warning=True,
        )
