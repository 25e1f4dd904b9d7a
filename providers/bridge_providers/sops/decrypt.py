"""Opens a whole file: decrypts every leaf and verifies the MAC before a value leaves."""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.provider import Document, Kind, Node, ProviderError, Revision, SecretValue
from bridge_providers.sops import mac, metadata, stores, tree
from bridge_providers.sops.cipher import Cipher, Undecryptable
from bridge_providers.sops.keys import Keyring
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import selector
from bridge_providers.sops.tree import Comment, Stored, Tree
from bridge_providers.sops.walk import Walk


class Opened(NamedTuple):
    """A file whose MAC holds: as it is stored, its metadata, its data key, and its documents in clear."""

    stored: Stored
    block: Metadata
    cipher: Cipher
    documents: tuple[Mapping[str, Node], ...]
    revision: Revision
    trees: tuple[dict[str, Tree], ...]  # the documents item by item as they are stored: with the comments in lists


def decrypt(data: bytes, store: str, keyring: Keyring) -> Document:
    """Return the document of a file's bytes; Denied without a key for it, ProviderError where it is not sound."""
    opened = open_file(data, store, keyring)
    content: SecretValue | tuple[Mapping[str, Node], ...] = opened.documents
    if store == stores.BINARY:
        content = _single(opened.documents[0])
    elif store == stores.INI:
        from bridge_providers.sops import store_ini  # noqa: PLC0415 # few files are of this kind

        content = (store_ini.merged(opened.documents),)
    return Document(content, opened.revision, (*mac.warnings(opened.block), *keyring.warnings(opened.block)))


def open_file(data: bytes, store: str, keyring: Keyring) -> Opened:
    """Open a file's bytes; raises as `decrypt`."""
    stored = stores.load(data, store)
    block = metadata.read(stored.metadata)
    rule = selector(block, has_comments=stored.has_comments)
    cipher = Cipher(keyring.data_key(block), old=block.is_old)
    opener = Opener(cipher, hash_all=not block.mac_only_encrypted)
    trees = Walk(stored.documents, rule, opener.visit).run()
    mac.verify(block, cipher, opener.hashed)
    moment = block.last_modified
    digest = hashlib.sha256(data).hexdigest()[:8]
    revision = Revision(f"{moment.rfc3339()}/{digest}", moment.unix_nanoseconds())
    documents = tuple(map(tree.without_comments, trees)) if opener.has_comments else trees
    return Opened(stored, block, cipher, documents, revision, trees)


class Opener:
    """Opens leaves, and keeps what they add to the MAC."""

    def __init__(self, cipher: Cipher, *, hash_all: bool) -> None:
        self._cipher: Final = cipher
        self._hash_all: Final = hash_all
        self.hashed: Final[list[bytes]] = []
        self.has_comments = False

    def visit(self, leaf: SecretValue, place: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        """Open one leaf."""
        problem = ""
        if encrypted:
            try:
                leaf = self._cipher.decrypt(leaf, place, in_list=walk.in_list)
            except Undecryptable as error:
                problem = str(error)
        if problem:
            raise ProviderError(f"key {walk.where} {problem}")
        # Not counted, as when it was encrypted: so a value made a comment is missed. (sops 3.13.2 counts it.)
        if isinstance(leaf, Comment):
            self.has_comments = True
        elif encrypted or self._hash_all:
            self.hashed.append(mac.bytes_of(leaf))
        return leaf


def _single(document: Mapping[str, Node]) -> SecretValue:
    """Return the one value of a binary file."""
    (value,) = document.values()
    if not isinstance(value, SecretValue) or value.kind not in (Kind.TEXT, Kind.BYTES):
        raise ProviderError("is not what sops writes for a binary file")
    return SecretValue(value.reveal(), Kind.BYTES)
