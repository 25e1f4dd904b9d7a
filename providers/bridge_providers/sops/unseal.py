"""Opens single values of any version of a file, to compare them in memory.

The MAC is not verified: each value is authenticated under its own name, and values of many versions are compared.
"""

import hmac
from typing import Final

from bridge.provider import DataKey, Leaf, ProviderError, SecretValue
from bridge_providers.sops import mac, metadata, store_binary, stores
from bridge_providers.sops.cipher import Cipher, Undecryptable
from bridge_providers.sops.keys import Keyring
from bridge_providers.sops.tree import Comment, text_leaf


class FileKey:
    """The data key of one version."""

    def __init__(self, key: bytes, *, old: bool) -> None:
        self._key: Final = key
        self._cipher: Final = Cipher(key, old=old)

    def same_as(self, other: DataKey) -> bool:
        """Return whether two versions have one data key."""
        return isinstance(other, FileKey) and hmac.compare_digest(self._key, other._key)  # noqa: SLF001 - of this class

    def unseal(self, place: tuple[int, tuple[str, ...]], leaf: Leaf) -> tuple[SecretValue, ...]:
        """Return the values of a leaf without the comments of a list; ProviderError if one does not decrypt."""
        additional = b"".join(b"%b:" % key.encode() for key in place[1] or (store_binary.FIELD,))
        try:
            values = [self._cipher.decrypt(text_leaf(text), additional, in_list=True) for text in leaf.sealed]
        except Undecryptable as error:
            problem = str(error)
        else:
            return (*(value for value in values if not isinstance(value, Comment)), *leaf.clear)
        raise ProviderError(f"a value {problem}", hint=mac.RESTORE)


def data_key(path: str, content: bytes, keyring: Keyring) -> FileKey:
    """Open the data key of a file with this content."""
    block = metadata.read(stores.load(content, stores.store_of(path)).metadata)
    return FileKey(keyring.data_key(block), old=block.is_old)
