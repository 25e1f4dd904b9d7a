"""Writes the ini store: a new file as sops lays it out, or changes of single values in one that is there."""

import itertools
from typing import Final

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import flat, lines_ini, store_ini, tree
from bridge_providers.sops.lines_ini import SPACE, Section
from bridge_providers.sops.spans import Edits, Unplaceable, identical
from bridge_providers.sops.store_ini import METADATA
from bridge_providers.sops.tree import Tree

_DEFAULT: Final = "DEFAULT"


def fresh(documents: list[dict[str, Tree]], block: dict[str, Tree], indent: int | None) -> bytes:  # noqa: ARG001 - the same for every store
    """Return a new file."""
    (document,) = documents
    metadata = itertools.chain.from_iterable(flat.flattened(name, "__map_", child) for name, child in block.items())
    escaped: Tree = {name: SecretValue(value.reveal().replace(b"\n", rb"\n")) for name, value in metadata}
    # sops writes no header for what stands before all others.
    sections = [
        _section(name, node, header=bool(number) or name != _DEFAULT or not node)
        for number, (name, node) in enumerate([*document.items(), (METADATA, escaped)])
    ]
    return _encoded("\n".join(sections))


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Say why a value cannot be written; None where it can."""
    if leaf.kind not in (Kind.TEXT, Kind.BYTES):
        return f"a {leaf.kind.value}, and an ini file has texts alone"
    value = leaf.reveal()
    if not encrypted and value.startswith(b"ENC["):
        return "what looks encrypted"
    # Encrypted it would be safe, until the next `sops edit` writes it out and reads it in again.
    return None if _reads_as("k", _text(leaf)) else "a text that sops does not keep in ini files"


def change(data: bytes, documents: list[dict[str, Tree]], stamps: dict[str, SecretValue]) -> bytes:
    """Return a file's text with a new document and stamps."""
    (document,) = documents
    text = data.decode(errors="surrogateescape")
    edits = Edits(text)
    wanted = dict(document)
    metadata = None
    for section in store_ini.parse(data):
        if section.name == METADATA:
            metadata = section
            _stamp(edits, section, stamps)
        elif section.name in wanted:
            _change(edits, section, _entries(section.name, wanted.pop(section.name)))
        elif section.line or section.entries:
            edits.replace(section.start, section.end, "")
    if metadata is None:
        raise Unplaceable
    for name, node in wanted.items():
        edits.replace(metadata.start, metadata.start, "\n" + _section(name, node))
    return _encoded(edits.apply())


def _stamp(edits: Edits, section: Section, stamps: dict[str, SecretValue]) -> None:
    for entry in section.entries:
        new = stamps.get(entry.name.casefold())
        if new is not None:
            edits.replace(entry.begin, entry.stop, _text(new))


def _change(edits: Edits, section: Section, wanted: dict[str, SecretValue]) -> None:
    """Edit one section; a comment above a name that goes, goes with it."""
    end = section.body
    missing = dict(wanted)
    for entry in section.entries:
        new = missing.pop(entry.name, None)
        if new is None:
            edits.replace(entry.start, entry.end, "")
            continue
        end = entry.end
        if not identical(store_ini.leaf(entry.value), new):
            edits.replace(entry.begin, entry.stop, _value(_text(new)))
    if missing:
        newline = "\r\n" if edits.text.endswith("\r\n", 0, end) else "\n"
        lines = [_line(name, _text(leaf)) + newline for name, leaf in missing.items()]
        edits.replace(end, end, "".join(lines))


def _section(name: str, node: Tree, *, header: bool = True) -> str:
    """Return a section's lines."""
    if not _is_name(name):
        raise ProviderError(f"the key {tree.name([name])} cannot be the name of a section of an ini file")
    entries = _entries(name, node)
    width = max((len(_name(key)) for key in entries), default=0)
    lines = [_line(key, _text(leaf), width) for key, leaf in entries.items()]
    return "".join(line + "\n" for line in [*[f"[{name}]"][:header], *lines])


def _entries(name: str, node: Tree) -> dict[str, SecretValue]:
    """Return the texts of a section; ProviderError for what no section can hold."""
    if not isinstance(node, dict):
        raise ProviderError(
            f"the key {tree.name([name])} is no mapping, and an ini file has sections of texts",
            hint="put it into a section: {SECTION: {NAME: …}}",
        )
    entries: dict[str, SecretValue] = {}
    for key, leaf in node.items():
        where = tree.name([name, key])
        if not isinstance(leaf, SecretValue):
            raise ProviderError(f"the key {where} holds several values, and an ini file has sections of texts")
        if not _reads_as(key, "v"):
            raise ProviderError(f"the key {where} cannot stand in an ini file")
        entries[key] = leaf
    return entries


def _line(name: str, value: str, width: int = 0) -> str:
    return f"{_name(name).ljust(width)} = {_value(value)}"


def _name(name: str) -> str:
    """Quote a name as ini.v1 does."""
    if set(name) & set('"=:'):
        return f"`{name}`"
    return f'"""{name}"""' if "`" in name else name


def _value(value: str) -> str:
    """Quote a value as ini.v1 does; not every one is read back as it was."""
    if set(value) & set("\n`"):
        return f'"""{value}"""'
    if set(value) & set("#;"):
        return f"`{value}`"
    return f'"{value}"' if value.strip(SPACE) != value else value


def _reads_as(name: str, value: str) -> bool:
    """Say whether a line is read back, with a line behind it."""
    try:
        (section,) = lines_ini.sections(f"{_line(name, value)}\nk = v\n")
    except (lines_ini.Broken, ValueError):
        return False
    return [entry[:2] for entry in section.entries] == [(name, value), ("k", "v")]


def _is_name(name: str) -> bool:
    try:
        _, section = lines_ini.sections(f"[{name}]\n")
    except (lines_ini.Broken, ValueError):
        return False
    return section.name == name


def _text(leaf: SecretValue) -> str:
    return leaf.reveal().decode(errors="surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
