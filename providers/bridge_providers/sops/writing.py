"""Writes a file: splices changes into its text, or lets sops create it, and checks the result before it is stored."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.provider import Conflict, Context, Document, Node, ProviderError, Revision, SecretValue
from bridge.shell import command, word
from bridge_providers.sops import creation, decrypt, files, metadata, replace, splice, stores, tree
from bridge_providers.sops.decrypt import Opened
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.keys import LOCAL, REMOTE, Keyring
from bridge_providers.sops.selectors import Selector, writable
from bridge_providers.sops.sops_program import SopsProgram
from bridge_providers.sops.tree import Tree
from bridge_providers.sops.walk import Walk

Documents: TypeAlias = tuple[Mapping[str, Node], ...]

WRITTEN: Final = frozenset({stores.YAML, stores.JSON, stores.DOTENV})
"""The stores that bridge writes; it only reads files of the others."""
_CHANGED: Final = "another client changed it in the meantime"
_LAYOUT: Final = "bridge cannot make this change in the text of the file"
_LAST: Final = 253_402_300_799  # the end of the year 9999, the last time of RFC 3339
_READ_AGAIN: Final = "read it again, then decide"
KEY_TYPES: Final = frozenset({"age", "pgp"})
"""The types of keys that the rule of a new file may have."""


class Tools(NamedTuple):
    """What one session writes with."""

    context: Context
    keyring: Keyring


def write(path: str, document: Document, expect: Revision | None, tools: Tools) -> Revision:
    """Replace a document; see `bridge.provider.Writer`."""
    place = _place(path, tools.context)
    content = _documents(document, place)
    with replace.locked(place.target.parent, tools.context.deadline):
        old = replace.current(place.target)
        new = _next(old, place, content, expect, tools)
        if isinstance(new, Revision):
            return new
        replace.replace(place.target, old, new)
        return _check(files.read(place.target), place, content, tools.keyring)


def rehearse(path: str, document: Document, expect: Revision | None, tools: Tools) -> None:
    """Raise what `write` would raise; see `bridge.provider.Rehearser`."""
    place = _place(path, tools.context)
    content = _documents(document, place)
    with replace.locked(place.target.parent, tools.context.deadline):
        old = replace.current(place.target)
        if isinstance(_next(old, place, content, expect, tools), bytes):
            replace.check_permitted(place.target, old)


class _Place(NamedTuple):
    """The file, after following links, and the store that the reference's suffix means."""

    target: Path
    store: str

    @property
    def by_hand(self) -> str:
        """The command to make the change by hand."""
        return command(("sops", "edit", self.target))


def _place(path: str, context: Context) -> _Place:
    return _Place(Path(os.path.realpath(files.locate(path, context.base))), stores.store_of(path))


def _next(
    old: bytes | None, place: _Place, content: Documents, expect: Revision | None, tools: Tools
) -> bytes | Revision:
    """Return the file's new text, or its revision if it contains the content already."""
    if old is None:
        if expect is not None:
            raise Conflict("it no longer exists", hint=_READ_AGAIN)
        new = _made(place, content, tools)
    else:
        if expect is None:
            raise Conflict("it already exists", hint=_READ_AGAIN)
        opened = decrypt.open_file(old, place.store, tools.keyring)
        if opened.revision.id != expect.id:
            raise Conflict(_CHANGED, hint=_READ_AGAIN)
        if tree.equal(opened.documents, content):
            return opened.revision
        new = _changed(old, place, content, opened, tools.keyring)
    if len(new) > files.LIMIT:
        raise ProviderError(f"the file would be larger than {files.LIMIT // 2**20} MiB")
    return new


def _documents(document: Document, place: _Place) -> Documents:
    """Return the documents to write; ProviderError if the store cannot contain them or is only read."""
    content = document.content
    if place.store not in WRITTEN:
        raise ProviderError(f"bridge reads {place.store} files, but does not write them", hint=place.by_hand)
    if isinstance(content, SecretValue):
        raise ProviderError("a file with this suffix contains fields, not a single value")
    if place.store != stores.YAML and len(content) != 1:
        raise ProviderError("only a YAML file can contain more than one document")
    if not content:
        raise ProviderError("there is no document to write")
    if any("sops" in one for one in content):
        raise ProviderError("the key sops is reserved for the file's metadata", hint="give the field another name")
    return content


def _made(place: _Place, content: Documents, tools: Tools) -> bytes:
    """Return a new file, encrypted by its rule in `.sops.yaml`."""
    layout = splice.layout_of(place.store)
    wanted = creation.block_for(place.target)
    writable(wanted, place.target, is_new=True, has_comments=stores.has_comments(place.store))
    for number, document in enumerate(content):
        _check_leaves(document, layout, (number,))
    new = encrypt(place.target, place.store, layout.plaintext(content), tools.keyring.program)
    block = metadata.read(stores.load(new, place.store).metadata)
    if (block.rule, block.pattern) != (wanted.rule, wanted.pattern):
        raise ProviderError("sops did not use the rule that bridge found in .sops.yaml", hint=place.by_hand)
    _check(new, place, content, tools.keyring)
    return new


def _check_leaves(node: Node, layout: splice.TextLayout, where: tree.Place) -> None:
    """Raise ProviderError for a value that the layout cannot contain."""
    if not isinstance(node, SecretValue):
        items = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, child in items:
            _check_leaves(child, layout, (*where, key))
    elif problem := layout.problem(SecretValue(node.reveal(), tree.kind_of(node)), encrypted=False):
        raise ProviderError(f"key {tree.name(where[1:])} contains {problem}")


def _changed(data: bytes, place: _Place, content: Documents, opened: Opened, keyring: Keyring) -> bytes:
    """Return an existing file's text with the changes."""
    rule = writable(opened.block, place.target, is_new=False, has_comments=opened.stored.has_comments)
    earlier = -(-opened.block.last_modified.unix_nanoseconds() // 10**9)  # rounded up
    stamp = GoTime.from_unix(min(max(int(time.time()), earlier), _LAST))
    new = b""
    with contextlib.suppress(splice.Unplaceable):
        new = splice.spliced(data, place.store, opened, rule, content, stamp)
    if not new or not _reads_as(new, place, content, keyring):
        raise ProviderError(_LAYOUT, hint=place.by_hand)
    return new


def _reads_as(data: bytes, place: _Place, content: Documents, keyring: Keyring) -> bool:
    """Return whether a text decrypts to these documents and no others."""
    try:
        return tree.equal(decrypt.open_file(data, place.store, keyring).documents, content)
    except ProviderError:
        return False


def _check(data: bytes, place: _Place, content: Documents, keyring: Keyring) -> Revision:
    """Decrypt the new file, compare every value, and return its revision."""
    opened = decrypt.open_file(data, place.store, keyring)
    if not tree.equal(opened.documents, content):
        raise ProviderError("the encrypted file does not contain the intended values", hint=place.by_hand)
    return opened.revision


def in_clear(path: str, document: Document, context: Context) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the places of the values that the file's rule leaves in clear; see `bridge.provider.Discloser`."""
    if isinstance(document.content, SecretValue):
        return  # a binary file is encrypted as a whole
    target = Path(os.path.realpath(files.locate(path, context.base)))
    content = [{key: tree.copied(child) for key, child in one.items()} for one in document.content]
    old, store = replace.current(target), stores.store_of(path)
    block = creation.block_for(target) if old is None else metadata.read(stores.load(old, store).metadata)
    rule = writable(block, target, is_new=old is None, has_comments=stores.has_comments(store))
    yield from _by_rule(content, rule)


def _by_rule(documents: list[dict[str, Tree]], rule: Selector) -> Iterator[tuple[int, tuple[str, ...]]]:
    places: dict[tuple[int, tuple[str, ...]], None] = {}

    def visit(leaf: SecretValue, place: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        if not encrypted:
            places[walk.document, tuple(place.decode().split(":")[:-1])] = None
        return leaf

    Walk(documents, rule, visit).run()
    yield from places


def encrypt(target: Path, store: str, plaintext: bytes, program: SopsProgram) -> bytes:
    """Return a new file, encrypted by its rule in .sops.yaml; raises ProviderError, Denied or Unavailable.

    The sops program gets the values on its stdin and prints the encrypted file. Only files for age and PGP keys are
    made: for other keys, sops sends a credential to whatever address .sops.yaml names.
    """
    rule = creation.rule_for(target)
    by_hand = empty_file(target, store)
    if others := sorted(rule.key_types - KEY_TYPES):
        edit = command(("sops", "edit", target))
        is_opened_by_bridge = not rule.key_types.isdisjoint((*LOCAL, *REMOTE))
        hint = f"create it, then bridge can change it: {by_hand}" if is_opened_by_bridge else f"run: {edit}"
        raise ProviderError(f"{rule.where} lists {', '.join(others)}: bridge creates no file for such keys", hint=hint)
    encrypted = program.encrypt(rule.config, target, store, plaintext, with_gpg="pgp" in rule.key_types)
    if encrypted is None:
        raise ProviderError(f"sops cannot encrypt the file by {rule.where}", hint=f"see why: {by_hand}")
    return encrypted


def empty_file(target: Path, store: str) -> str:
    """Return the command that makes an encrypted file without values, which bridge can then change."""
    kind = stores.JSON if store == stores.YAML else store
    types = ("--input-type", kind, "--output-type", store)
    sops = command(("sops", "encrypt", "--filename-override", target, *types, "/dev/stdin"))
    return f"cd {word(target.parent)} && echo {'{}' if kind == stores.JSON else ''} | {sops} > {word(target.name)}"
