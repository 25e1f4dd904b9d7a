"""Decrypts a whole file, and verifies the MAC before it returns a value; or single values of any version."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.provider import (
    DataKey,
    Denied,
    Document,
    Kind,
    Leaf,
    Node,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
)
from bridge_providers.sops import mac, metadata, stores, tree
from bridge_providers.sops.cipher import Cipher, Undecryptable
from bridge_providers.sops.key_types import Failure, joined
from bridge_providers.sops.keys import Keyring
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import Selector, selector
from bridge_providers.sops.tree import Comment, Stored, Tree, text_leaf
from bridge_providers.sops.walk import Walk

_UNNAMED: Final = "DEFAULT"
"""The ini section before all others, which sops also prints if the file has none."""


class Opened(NamedTuple):
    """A file after its MAC is verified: as stored, its metadata, its data key, and its decrypted documents."""

    stored: Stored
    block: Metadata
    cipher: Cipher
    documents: tuple[Mapping[str, Node], ...]
    revision: Revision
    trees: tuple[dict[str, Tree], ...]  # the documents item by item as they are stored: with the comments in lists


class _Loaded(NamedTuple):
    """A file as read without a key; what is not supported is refused before a key is used."""

    stored: Stored
    block: Metadata
    rule: Selector


def decrypt(data: bytes, store: str, keyring: Keyring) -> Document:
    """Return a file's decrypted document; Denied without a key for it, ProviderError if it is invalid."""
    loaded = _loaded(data, store)
    key = _key(loaded.block, keyring)
    if isinstance(key, bytes):
        opened = _opened(data, loaded, key)
        warnings = (*mac.warnings(loaded.block), *keyring.warnings(loaded.block))
        content, revision = _content(opened.documents, store), opened.revision
    elif not keyring.program.is_configured or not loaded.block.groups:
        raise key
    else:
        content = _content(_by_program(data, store, loaded.block, keyring, key), store)
        revision, warnings = metadata.revision(data, loaded.block.last_modified), tuple(mac.warnings(loaded.block))
    return Document(content, revision, warnings, sha256=_sha256(data), time=loaded.block.last_modified.rfc3339())


def open_file(data: bytes, store: str, keyring: Keyring) -> Opened:
    """Decrypt a file with its data key, which is needed to change it; raises as `decrypt`."""
    loaded = _loaded(data, store)
    key = _key(loaded.block, keyring)
    if isinstance(key, bytes):
        return _opened(data, loaded, key)
    if keyring.program.is_configured:
        unchanged = Denied("bridge does not change files that only the sops program opens", hint="`sops edit FILE`")
        raise joined([key, unchanged])
    raise key


def _key(block: Metadata, keyring: Keyring) -> bytes | Failure:
    """Return the data key, or why bridge itself cannot open the file."""
    try:
        return keyring.data_key(block)
    except (ProviderError, Unavailable) as error:
        return error


def _loaded(data: bytes, store: str) -> _Loaded:
    stored = stores.load(data, store)
    block = metadata.read(stored.metadata)
    return _Loaded(stored, block, selector(block, has_comments=stored.has_comments))


def _opened(data: bytes, loaded: _Loaded, key: bytes) -> Opened:
    stored, block, rule = loaded
    cipher = Cipher(key, old=block.is_old)
    opener = Opener(cipher, hash_all=not block.mac_only_encrypted)
    trees = Walk(stored.documents, rule, opener.visit).run()
    mac.verify(block, cipher, opener.hashed)
    documents = tuple(map(tree.without_comments, trees)) if opener.has_comments else trees
    return Opened(stored, block, cipher, documents, metadata.revision(data, block.last_modified), trees)


def _by_program(
    data: bytes, store: str, block: Metadata, keyring: Keyring, failure: Failure
) -> Sequence[Mapping[str, Node]]:
    """Let the sops program decrypt the file and verify the MAC; if that fails too, the error has both reasons."""
    try:
        plain = keyring.program.decrypt(data, store, block)
    except (ProviderError, Unavailable) as error:
        failure = joined([failure, error])
    else:
        return _parsed(plain, store)
    raise failure


def _parsed(plain: bytes, store: str) -> Sequence[Mapping[str, Node]]:
    if store == stores.BINARY:
        return ({store: SecretValue(plain, Kind.BYTES)},)
    from bridge_providers.sops import store_yaml  # noqa: PLC0415 - most files are of one kind

    try:
        documents = store_yaml.documents(plain)
    except ProviderError as error:
        problem = error.problems[0].what
    else:
        if store == stores.INI and documents and isinstance(first := documents[0].get(_UNNAMED), dict) and not first:
            del documents[0][_UNNAMED]
        return documents
    raise ProviderError(f"what the sops program gives cannot be read: {problem}")


def _content(documents: Sequence[Mapping[str, Node]], store: str) -> "SecretValue | tuple[Mapping[str, Node], ...]":
    if store == stores.BINARY:
        return _single(documents[0])
    if store == stores.INI:
        from bridge_providers.sops import store_ini  # noqa: PLC0415 - few files are of this kind

        return (store_ini.merged(documents),)
    return tuple(documents)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Opener:
    """Decrypts leaves, and collects what they add to the MAC."""

    def __init__(self, cipher: Cipher, *, hash_all: bool) -> None:
        self._cipher: Final = cipher
        self._hash_all: Final = hash_all
        self.hashed: Final[list[bytes]] = []
        self.has_comments = False

    def visit(self, leaf: SecretValue, place: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        """Decrypt one leaf."""
        problem = ""
        if encrypted:
            try:
                leaf = self._cipher.decrypt(leaf, place, in_list=walk.in_list)
            except Undecryptable as error:
                problem = str(error)
        if problem:
            raise ProviderError(f"key {walk.where} {problem}", hint=mac.RESTORE)
        # Comments do not count, so a value that was turned into a comment is missing. (sops 3.13.2 counts it.)
        if isinstance(leaf, Comment):
            self.has_comments = True
        elif encrypted or self._hash_all:
            self.hashed.append(mac.bytes_of(leaf))
        return leaf


def _single(document: Mapping[str, Node]) -> SecretValue:
    """Return the one value of a binary file."""
    (value,) = document.values()
    if not isinstance(value, SecretValue) or value.kind not in (Kind.TEXT, Kind.BYTES):
        raise ProviderError("is not a valid sops binary file")
    return SecretValue(value.reveal(), Kind.BYTES)


class FileKey:
    """The data key of one version of a file, which opens single values to compare them in memory.

    The MAC is not verified: each value is authenticated under its own name, and values of many versions are compared.
    """

    def __init__(self, key: bytes, *, old: bool) -> None:
        self._key: Final = key
        self._cipher: Final = Cipher(key, old=old)

    def same_as(self, other: DataKey) -> bool:
        """Return whether two versions have one data key."""
        return isinstance(other, FileKey) and hmac.compare_digest(self._key, other._key)  # noqa: SLF001 - of this class

    def unseal(self, place: tuple[int, tuple[str, ...]], leaf: Leaf) -> tuple[SecretValue, ...]:
        """Return the values of a leaf without the comments of a list; ProviderError if one does not decrypt."""
        additional = b"".join(b"%b:" % key.encode() for key in place[1] or (stores.BINARY_FIELD,))
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
