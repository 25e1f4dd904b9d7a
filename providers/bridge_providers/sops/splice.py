"""Changes values in an encrypted file's text, and `lastmodified` and `mac`; every other byte stays as it is.

A changed value is replaced in its place, a new value comes after a sibling, and a removed value's line is deleted. Any
other change is Unplaceable. The caller reads the result back, so this module need not know every layout.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from importlib import import_module
from typing import Final, Protocol, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.provider import Kind, Node, ProviderError, SecretValue
from bridge_providers.sops import mac, selectors, stores, tree
from bridge_providers.sops.decrypt import Opened, Opener
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.tree import Comment, Place, Tree
from bridge_providers.sops.walk import Walk

Edit: TypeAlias = tuple[int, int, str]
"""A range of the text, and its replacement."""
_REST: Final = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(\r\n|\n|\Z)")
"""What may follow a value on its line: blanks and a comment."""


class Unplaceable(Exception):
    """The change is not possible in this layout of the text; contains nothing of the text."""


class TextPart(NamedTuple):
    """A node's place in the text: characters from `start` up to `end`. A leaf has no `entries`."""

    start: int
    end: int
    entries: "Mapping[int | str, TextEntry] | None" = None
    is_plain: bool = True  # not brackets of YAML, nor inside brackets


class TextEntry(NamedTuple):
    """An entry of a mapping or an item of a list: where its key begins, and its value."""

    start: int
    value: TextPart


class TextLayout(Protocol):
    """The functions of each layout_*.py."""

    @staticmethod
    def is_metadata(name: str) -> bool:
        """Return whether an entry of the document itself is metadata."""
        ...

    @staticmethod
    def metadata(document: TextPart) -> Mapping[str, TextPart]:
        """Return the values of a document's metadata."""
        ...

    @staticmethod
    def find(text: str) -> list[TextPart]:
        """Find each document in a text that has been read before."""
        ...

    @staticmethod
    def scalar(leaf: SecretValue) -> str:
        """Return the text of a leaf as it is stored."""
        ...

    @staticmethod
    def entry(key: str, scalar: str) -> str:
        """Return the text of an entry."""
        ...

    @staticmethod
    def add(text: str, beside: list[TextEntry], metadata: TextEntry | None, entry: str) -> Edit:
        """Add an entry next to others of its mapping, or next to `metadata` if there is no other."""
        ...

    @staticmethod
    def remove(text: str, entries: list[TextEntry], index: int) -> Edit:
        """Remove an entry."""
        ...

    @staticmethod
    def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
        """Return why a value cannot be written, worded to follow "key NAME contains ", or None if it can."""
        ...

    @staticmethod
    def plaintext(documents: Iterable[Mapping[str, Node]]) -> bytes:
        """Return what `sops encrypt` reads as these documents."""
        ...


class _Change(NamedTuple):
    place: Place
    new: SecretValue | None  # None: remove it


def layout_of(store: str) -> TextLayout:
    """Return the layout of a store."""
    module: TextLayout = import_module(f"bridge_providers.sops.layout_{store}")  # type: ignore[assignment] # of this shape
    return module


def spliced(  # noqa: PLR0913, PLR0917 - the file, and what is to be in it
    data: bytes,
    store: str,
    opened: Opened,
    rule: selectors.Selector,
    content: Iterable[Mapping[str, Node]],
    time: GoTime,
) -> bytes:
    """Return the text of a decrypted file with other values; Unplaceable, or ProviderError for an invalid value."""
    layout = layout_of(store)
    text = _decoded(data)
    documents = layout.find(text)
    changes = list(_changes([*opened.trees], [*content], ()))
    gone = {one.place for one in changes if one.new is None}
    edits = [_edit(text, layout, documents, one, _sealed(one, layout, rule, opened), gone) for one in changes]
    text = _applied(text, edits)
    stamps = {"lastmodified": time.rfc3339(), "mac": _mac(text, store, opened, time)}
    return _applied(text, list(_stamped(layout, layout.find(text), stamps))).encode()


def is_metadata(name: str) -> bool:
    """Return whether an entry is metadata, in a store that has it in one block."""
    return name == "sops"


def metadata(document: TextPart) -> Mapping[str, TextPart]:
    """Return the values of the block."""
    block = (document.entries or {}).get("sops")
    return {str(name): one.value for name, one in ((block.value.entries if block else None) or {}).items()}


def line_after(text: str, beside: list[TextEntry], metadata: TextEntry | None, line: str) -> Edit:
    """Add a line after the last entry that has a line of its own, with the same indentation."""
    for entry in reversed(beside):
        end = _line_end(text, entry)
        if end is not None:
            pad = " " * (entry.start - _line_start(text, entry.start))
            newline = "\r\n" if text.endswith("\r\n", 0, end) else "\n"
            before = "" if text.endswith("\n", 0, end) else newline
            return end, end, f"{before}{pad}{line}{'' if before else newline}"
    if metadata is None:
        raise Unplaceable
    start = _line_start(text, metadata.start)
    newline = "\r\n" if "\r\n" in text else "\n"
    return start, start, f"{line}{newline}"


def line_removed(text: str, entry: TextEntry) -> Edit:
    """Remove the line of an entry."""
    start, end = _line_start(text, entry.start), _line_end(text, entry)
    if end is None or text[start : entry.start].strip(" "):
        raise Unplaceable
    return start, end, ""


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, entry: TextEntry) -> int | None:
    """Return where the next line begins, or None if the entry does not have a line of its own."""
    rest = _REST.match(text, entry.value.end)
    return rest.end() if rest and "\n" not in text[entry.start : entry.value.end] else None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    # Raise outside the handler, so that the codec error, which contains the file, is not chained.
    raise Unplaceable


def _changes(old: Tree, new: Node, place: Place) -> Iterator[_Change]:
    """Yield the leaves that differ; Unplaceable if anything else differs."""
    if isinstance(old, SecretValue) and isinstance(new, SecretValue):
        if not tree.same(old, new):
            yield _Change(place, new)
    elif isinstance(old, dict) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            if key in old and key in new:
                yield from _changes(old[key], new[key], (*place, key))
            elif isinstance((new if key in new else old)[key], SecretValue):
                leaf = new.get(key)
                yield _Change((*place, key), leaf if isinstance(leaf, SecretValue) else None)
            else:
                raise Unplaceable
    elif isinstance(old, list) and not isinstance(new, (SecretValue, Mapping)):
        items = [(index, item) for index, item in enumerate(old) if not isinstance(item, Comment)]
        if len(items) != len(new):
            raise Unplaceable
        for (index, item), other in zip(items, new, strict=True):
            yield from _changes(item, other, (*place, index))
    else:
        raise Unplaceable


def _sealed(change: _Change, layout: TextLayout, rule: selectors.Selector, opened: Opened) -> str | None:
    """Return the text of a new value, encrypted if the file's rule says so."""
    leaf = change.new
    if leaf is None:
        return None
    encrypted, data = rule.start, b""
    for key in change.place[1:]:
        if isinstance(key, str):
            encrypted, data = rule.below(key, encrypted=encrypted), data + key.encode() + b":"
    leaf = SecretValue(leaf.reveal(), tree.kind_of(leaf))
    problem = layout.problem(leaf, encrypted=encrypted)
    sealed = opened.cipher.encrypt(leaf, data) if encrypted else leaf
    if problem or sealed is None:
        hint = "store it as a string" if leaf.kind in (Kind.NUMBER, Kind.BOOLEAN) else ""
        message = f"key {tree.name(change.place[1:])} contains {problem or tree.NUMBER_CHANGES}"
        raise ProviderError(message, hint=hint)
    return layout.scalar(sealed)


def _edit(  # noqa: PLR0913, PLR0917 - the text, and what is known of it
    text: str,
    layout: TextLayout,
    documents: list[TextPart],
    change: _Change,
    scalar: str | None,
    gone: AbstractSet[Place],
) -> Edit:
    """Return the edit for a change."""
    document, *path = change.place
    assert isinstance(document, int)
    parent = documents[document]
    for key in path[:-1]:
        parent = _entries(parent)[key].value
    entries, key = _entries(parent), path[-1]
    metadata = [name for name in entries if len(path) == 1 and layout.is_metadata(str(name))]
    if key not in entries or key in metadata:
        if scalar is None or not parent.is_plain:
            raise Unplaceable
        beside = [
            one for name, one in entries.items() if name not in metadata and (*change.place[:-1], name) not in gone
        ]
        first = entries[metadata[0]] if metadata else None
        return layout.add(text, beside, first, layout.entry(str(key), scalar))
    if scalar is None:
        return layout.remove(text, [*entries.values()], [*entries].index(key))
    old = entries[key].value
    if old.entries is not None or not old.is_plain or "\n" in text[old.start : old.end]:
        raise Unplaceable
    # A YAML null may be empty, right after its colon or dash.
    blank = " " if text[old.start - 1 : old.start] in {":", "-"} else ""
    return old.start, old.end, blank + scalar


def _entries(part: TextPart) -> "Mapping[int | str, TextEntry]":
    if part.entries is None:  # an alias, or an empty document
        raise Unplaceable
    return part.entries


def _mac(text: str, store: str, opened: Opened, time: GoTime) -> str:
    """Return the encrypted MAC of the text's content."""
    try:
        stored = stores.load(text.encode(), store)
    except ProviderError:
        stored = None
    if stored is None:
        raise Unplaceable
    opener = Opener(opened.cipher, hash_all=not opened.block.mac_only_encrypted)
    rule = selectors.selector(opened.block, has_comments=stored.has_comments)
    Walk(stored.documents, rule, opener.visit).run()
    digest = mac.digest(opener.hashed, mac_only_encrypted=opened.block.mac_only_encrypted)
    sealed = opened.cipher.encrypt(SecretValue(digest), time.rfc3339().encode())
    assert sealed is not None  # a text
    return sealed.reveal().decode()


def _stamped(layout: TextLayout, documents: list[TextPart], stamps: Mapping[str, str]) -> Iterator[Edit]:
    """Yield the edits that put the stamps into the metadata of each document; names match in any case."""
    for document in documents:
        for name, value in layout.metadata(document).items():
            if name.casefold() in stamps:
                yield value.start, value.end, layout.scalar(SecretValue(stamps[name.casefold()].encode()))


def _applied(text: str, edits: list[Edit]) -> str:
    """Return the text after all edits; Unplaceable if two overlap."""
    parts: list[str] = []
    done = 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        if start < done:
            raise Unplaceable
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])
