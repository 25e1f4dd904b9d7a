"""Reads the ini store: sections of texts, and metadata as flat names in the section `sops`."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.provider import Node, ProviderError, SecretValue
from bridge_providers.sops import flat, lines_ini, tree
from bridge_providers.sops.lines_ini import Section
from bridge_providers.sops.tree import Stored, Tree

METADATA: Final = "sops"


def load(data: bytes) -> Stored:
    """Read an encrypted ini file. A repeated section begins a new document, because order counts for the MAC."""
    documents: list[dict[str, Tree]] = [{}]
    seen: dict[str, set[str]] = {}
    values: dict[str, SecretValue] | None = None
    for section in parse(data):
        _check_is_text(section.name, section.line)
        if section.name == METADATA and values is not None:
            hint = "if two encrypted files were joined, split them again"
            raise ProviderError(f"line {section.line}: duplicate section {METADATA}", hint=hint)
        entries = _entries(section, seen.setdefault(section.name, set()))
        if section.name == METADATA:
            values = entries
        elif entries or section.line:
            if section.name in documents[-1]:
                documents.append({})
            documents[-1][section.name] = {**entries}
    if values is None:
        raise tree.not_encrypted()
    return Stored(documents, flat.nested({key: _unescaped(leaf) for key, leaf in values.items()}, "names in `[sops]`"))


def documents(data: bytes) -> list[dict[str, Tree]]:
    """Read a file that is not encrypted; a repeated section counts once."""
    return [{section.name: {**_entries(section, set())} for section in parse(data) if section.entries}]


def parse(data: bytes) -> list[Section]:
    """Return the sections, within bounds; ProviderError if sops refuses the file too, or would lose something."""
    problem = ""
    sections: list[Section] = []
    count = 0
    try:
        # Values need not be text, and neither do comments.
        for section in lines_ini.sections(data.decode(errors="surrogateescape")):
            sections.append(section)
            count += 1 + len(section.entries)
            if count > tree.MAX_VALUES:
                raise tree.too_many()
    except lines_ini.Broken as error:
        problem = str(error)
    if problem:
        raise ProviderError(problem)
    return sections


def leaf(value: str) -> SecretValue:
    """Wrap a value of the parsed text."""
    return tree.text_leaf(value.encode(errors="surrogateescape"))


def merged(documents: Sequence[Mapping[str, Node]]) -> Mapping[str, Node]:
    """Merge repeated sections; no name is in two of them."""
    whole: dict[str, Node] = {}
    for document in documents:
        for name, section in document.items():
            before = whole.get(name)
            both = isinstance(before, Mapping) and isinstance(section, Mapping)
            whole[name] = {**before, **section} if both else section  # type: ignore[dict-item] # both are mappings
    return whole


def _entries(section: Section, seen: set[str]) -> dict[str, SecretValue]:
    """Return a section's values; `seen` are the names in all sections of this name."""
    entries: dict[str, SecretValue] = {}
    for entry in section.entries:
        _check_is_text(entry.name, entry.line)
        if entry.name in seen:
            raise ProviderError(f"line {entry.line}: duplicate name in a section")
        seen.add(entry.name)
        entries[entry.name] = leaf(entry.value)
    return entries


def _check_is_text(name: str, line: int) -> None:
    if not SecretValue(name.encode(errors="surrogateescape")).is_text():
        raise ProviderError(f"line {line}: a name is not valid UTF-8")


def _unescaped(value: SecretValue) -> SecretValue:
    r"""Undo sops's `\n` for line breaks in metadata; 3.13.0 and 3.13.1 wrote them as they are."""
    return SecretValue(value.reveal().replace(rb"\n", b"\n"))
