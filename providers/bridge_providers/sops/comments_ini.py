"""Tells which comments count for which names of an ini file, as sops's ini store has it.

That store puts the comment of a name behind it, so there it counts for the next name of the section. The comment of
a section counts for its first name.
"""

from typing import Final

from bridge_providers.sops import store_ini
from bridge_providers.sops.lines_ini import SPACE, Entry, Section
from bridge_providers.sops.tree import Comments, Place

_MARKS: Final = ("#", ";")


def comments(data: bytes) -> Comments:
    """Return the comments of a file that the store has read."""
    text = data.decode(errors="surrogateescape")
    found: dict[Place, tuple[str, ...]] = {}
    seen: set[str] = set()
    number = 0
    for section in store_ini.parse(data):
        if section.name == store_ini.METADATA or not (section.entries or section.line):
            continue
        if section.name in seen:  # so it begins a new document
            number, seen = number + 1, set()
        seen.add(section.name)
        waiting = _of_section(text, section)
        for entry in section.entries:
            if waiting:
                found[number, section.name, entry.name] = (waiting,)
            waiting = _of_entry(text, entry)
    return found


def _of_section(text: str, section: Section) -> str:
    """Return the lines above a section's header, and what follows it on its line."""
    if not section.line:
        return ""  # it has no header
    above, at = _above(text, section.start)
    return _cleaned(above + text[at : section.body].rpartition("]")[2].lstrip(SPACE))


def _of_entry(text: str, entry: Entry) -> str:
    """Return the lines above a name, and what follows its value; behind a quoted line ini.v1 drops that."""
    above, _ = _above(text, entry.start)
    value = text[entry.begin : entry.stop]
    is_dropped = value.startswith(("`", '"""')) and "\n" not in value
    return _cleaned(above + ("" if is_dropped else text[entry.stop : entry.end].lstrip(SPACE)))


def _above(text: str, at: int) -> tuple[str, int]:
    """Return the comments that a part of the text begins with, and where they end; empty lines are nothing."""
    found: list[str] = []
    while True:
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].lstrip(SPACE)
        if line and not line.startswith(_MARKS):
            return "".join(found), at
        found.append(line)
        at = end


def _cleaned(comment: str) -> str:
    """Take the mark of the first line away, as sops does."""
    comment = comment.strip(SPACE)
    return comment.lstrip(f"{comment[:1]} ") if comment.startswith(_MARKS) else comment
