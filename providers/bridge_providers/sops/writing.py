"""Writes a file: encrypts what changed, edits the text, and trusts neither before it has read the result."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from bridge.provider import Conflict, Context, Document, Kind, Node, ProviderError, Revision, SecretValue
from bridge_providers.sops import creation, decrypt, files, key_block, metadata, replace, seal, stores
from bridge_providers.sops.cipher import KEY_BYTES, Cipher
from bridge_providers.sops.decrypt import Opened
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.keys import Keyring
from bridge_providers.sops.selectors import writable
from bridge_providers.sops.spans import Unplaceable
from bridge_providers.sops.store_binary import FIELD
from bridge_providers.sops.tree import Tree

Documents: TypeAlias = tuple[Mapping[str, Node], ...]

VERSION: Final = "3.13.2"
"""The release of sops whose layout a new file has."""
_CHANGED: Final = "it was changed meanwhile"
_LAYOUT: Final = "the file is written in a way that cannot be changed in place (aliases, comments inside brackets, …)"
_EDIT: Final = "bring it into sops's own layout with `sops edit FILE`, then try again"
_LAST: Final = 253_402_300_799  # the end of the year 9999, behind which there is no time in RFC 3339
_READ_AGAIN: Final = "read it again, then decide"


def write(path: str, document: Document, expect: Revision | None, context: Context, keyring: Keyring) -> Revision:
    """Replace a document; see `bridge.provider.Writer`."""
    place = _place(path, context)
    content = _documents(document, place.store)
    with replace.locked(place.target.parent, context.deadline):
        old = replace.current(place.target)
        new = _next(old, place, content, expect, keyring)
        if isinstance(new, Revision):
            return new
        replace.replace(place.target, old, new)
        return _check(files.read(place.target), place.store, content, keyring)


def rehearse(path: str, document: Document, expect: Revision | None, context: Context, keyring: Keyring) -> None:
    """Raise what `write` would raise; see `bridge.provider.Rehearser`."""
    place = _place(path, context)
    content = _documents(document, place.store)
    with replace.locked(place.target.parent, context.deadline):
        old = replace.current(place.target)
        if isinstance(_next(old, place, content, expect, keyring), bytes):
            replace.check_permitted(place.target, old)


class _Place(NamedTuple):
    """The file itself, which a link may lead to, and the store that its name in the reference means."""

    target: Path
    store: str


def _place(path: str, context: Context) -> _Place:
    return _Place(Path(os.path.realpath(files.locate(path, context.base))), stores.store_of(path))


def _next(
    old: bytes | None, place: _Place, content: Documents, expect: Revision | None, keyring: Keyring
) -> bytes | Revision:
    """Return the file's new text, or its revision if it holds the content already."""
    target, store = place
    if old is None:
        if expect is not None:
            raise Conflict("it is not there any more", hint=_READ_AGAIN)
        new = _made(target, store, content, keyring)
        _check(new, store, content, keyring)
    else:
        if expect is None:
            raise Conflict("it is there already", hint=_READ_AGAIN)
        opened = decrypt.open_file(old, store, keyring)
        if opened.revision.id != expect.id:
            raise Conflict(_CHANGED, hint=_READ_AGAIN)
        if seal.equal(opened.documents, content):
            return opened.revision
        new = _changed(old, place, content, opened, keyring)
    if len(new) > files.LIMIT:
        raise ProviderError(f"the file would be larger than {files.LIMIT // 2**20} MiB")
    return new


def _documents(document: Document, store: str) -> Documents:
    """Return what a store is to hold; a binary file is an envelope around one value."""
    content = document.content
    if store == stores.BINARY:
        if not isinstance(content, SecretValue) or content.kind not in (Kind.TEXT, Kind.BYTES):
            raise ProviderError("a file with this suffix holds one value", hint="name it .yaml, .json, .env or .ini")
        return ({FIELD: content},)
    if isinstance(content, SecretValue):
        raise ProviderError("a file with this suffix holds fields, not one value")
    if store != stores.YAML and len(content) != 1:
        raise ProviderError("only a YAML file holds several documents")
    if not content:
        raise ProviderError("there is no document to write")
    if any("sops" in one for one in content):
        raise ProviderError("the key sops is reserved for the file's metadata", hint="give the field another name")
    return content


def _made(target: Path, store: str, content: Documents, keyring: Keyring) -> bytes:
    """Return a new file by the rule that `.sops.yaml` has for it."""
    rule = creation.rule_for(target)
    key = os.urandom(KEY_BYTES)
    stamp = GoTime.from_unix(int(time.time()))
    groups = keyring.wrapped(key, rule.groups, rule.threshold)
    block = key_block.lists(groups, rule.threshold, stamp.rfc3339()) | {"version": _text(VERSION)}
    if rule.mac_only_encrypted:
        block["mac_only_encrypted"] = SecretValue(b"true", Kind.BOOLEAN)
    if store != stores.BINARY:  # which is encrypted as a whole
        name, pattern = rule.selector or ("unencrypted_suffix", "_unencrypted")
        block[name] = _text(pattern)
    block["lastmodified"] = _text(stamp.rfc3339())
    writing = stores.writer_of(store)
    made = metadata.read(block)
    chosen = writable(made, target, is_new=True, has_comments=stores.has_comments(store))
    sealer = seal.Sealer(Cipher(key), made, writing, chosen)
    sealed = sealer.seal([_arranged(one, None) for one in content])
    block["mac"] = sealer.mac(stamp.rfc3339())
    return writing.fresh(sealed, dict(sorted(block.items())), rule.indent)


def _changed(data: bytes, place: _Place, content: Documents, opened: Opened, keyring: Keyring) -> bytes:
    """Return an existing file's text with what differs."""
    target, store = place
    rule = writable(opened.block, target, is_new=False, has_comments=opened.stored.has_comments)
    before = opened.stored.documents
    if len(before) > 1 and store == stores.INI:
        raise ProviderError("a section stands twice, and this version changes no such file", hint=_EDIT)
    if len(before) > len(content):
        what = f"the file has {len(before)} documents, and this version takes none away to leave {len(content)}"
        raise ProviderError(what, hint="sops edit FILE")
    earlier = -(-opened.block.last_modified.unix_nanoseconds() // 10**9)  # rounded up
    stamp = GoTime.from_unix(min(max(int(time.time()), earlier), _LAST))
    writing = stores.writer_of(store)
    sealer = seal.Sealer(opened.cipher, opened.block, writing, rule)
    pairs: list[seal.Old | None] = [*zip(before, opened.trees, strict=True)]
    pairs += [None] * (len(content) - len(before))
    sealed = sealer.seal([_arranged(new, old) for new, old in zip(content, pairs, strict=True)])
    stamps = {"lastmodified": _text(stamp.rfc3339()), "mac": sealer.mac(stamp.rfc3339())}
    try:
        new = writing.change(data, sealed, stamps)
    except Unplaceable:
        raise ProviderError(_LAYOUT, hint=_EDIT) from None
    with contextlib.suppress(ProviderError):
        _check(new, store, content, keyring)
        return new
    raise ProviderError(_LAYOUT, hint=_EDIT)


def _arranged(new: Mapping[str, Node], old: seal.Old | None) -> dict[str, Tree]:
    arranged = seal.arrange(new, old)
    assert isinstance(arranged, dict)
    return arranged


def _check(data: bytes, store: str, content: Documents, keyring: Keyring) -> Revision:
    """Read what is to be written, or was, and compare every value."""
    opened = decrypt.open_file(data, store, keyring)
    if not seal.equal(opened.documents, content):
        raise ProviderError("the file reads differently from what was to be written", hint="sops edit FILE")
    return opened.revision


def _text(text: str) -> SecretValue:
    return SecretValue(text.encode())
