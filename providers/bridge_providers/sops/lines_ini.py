"""Finds sections, names and values in an ini text, as gopkg.in/ini.v1 1.67.3 does with sops's options (its parser.go).

A line is refused if that library silently drops text (after a closing quote or a section's `]`), or if its releases
read it differently.
"""

import re
from collections.abc import Iterator
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge_providers.sops import tree

SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters of Go's unicode.IsSpace; str.strip() strips four more."""
_DELIMITER: Final = re.compile("[=:]")
_QUOTED: Final = re.compile(r"[\t ]*[=:]")
_COMMENT: Final = re.compile("[#;]")
_TRIPLE: Final = '"""'
_SHORTEST_TRIPLE_NAME: Final = 6  # bytes, as in readKeyName


class Broken(Exception):
    """A text that ini.v1 refuses, or of which it would lose something; says where and why, without the text."""


class IniEntry(NamedTuple):
    """A name and its value, and the number of its first line."""

    name: str
    value: str
    line: int


class Section(NamedTuple):
    """A section, and the number of its header's line."""

    name: str
    line: int
    entries: list[IniEntry]


def sections(text: str) -> Iterator[Section]:
    """Yield the sections in order; what comes before the first header is in a section named DEFAULT."""
    lines = _Lines(text)
    section = Section("DEFAULT", 0, [])
    while line := lines.take():
        line = line.lstrip(SPACE)
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            yield section
            section = Section(_header(line, lines), lines.number, [])
        else:
            section.entries.append(_entry(line, lines))
            if len(section.entries) > tree.MAX_VALUES:
                raise tree.too_many()
    yield section


class _Lines:
    """Reads a text line by line."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self.number = 0

    def take(self) -> str:
        """Return the next line with its line break; empty after the last."""
        start = self.at
        self.at = self.text.find("\n", start) + 1 or len(self.text)
        self.number += 1
        return self.text[start : self.at]

    def broken(self, reason: str) -> Broken:
        """Return the error for the line that was taken last."""
        return Broken(f"line {self.number} {reason}")


def _header(line: str, lines: _Lines) -> str:
    """Read a section's name, which ends at the last bracket of its line."""
    end = line.rfind("]")
    if end <= 1:
        raise lines.broken("is not a section name in brackets")
    if rest := line[end + 1 :].strip(SPACE):
        _check_rest(rest, lines)
    return line[1:end]


def _check_rest(rest: str, lines: _Lines) -> None:
    # ini.v1 1.67.0 and 1.67.3 read a backslash after a quote differently.
    if rest[0] not in "#;" or rest[-1] == "\\":
        raise lines.broken("has text after its end, which sops would drop")


def _entry(line: str, lines: _Lines) -> IniEntry:
    number = lines.number
    name, offset = _name(line, lines)
    return IniEntry(name, _value(line[offset:], lines), number)


def _name(line: str, lines: _Lines) -> tuple[str, int]:
    """Read a name, and return it with the end of its delimiter."""
    quote = _quote_of_name(line)
    if quote:
        end = line.find(quote, len(quote))
        delimiter = _QUOTED.match(line, end + len(quote)) if end >= 0 else None
        name = line[len(quote) : end]
    else:
        delimiter = _DELIMITER.search(line)
        name = line[: delimiter.start()] if delimiter else ""
    name = name.strip(SPACE)
    if delimiter is None or not name:
        raise lines.broken("has no name before a `=`")
    if name == "-":
        raise lines.broken("has the name `-`, which sops would lose")
    return name, delimiter.end()


def _quote_of_name(line: str) -> str:
    if line[0] != '"':
        return "`" if line[0] == "`" else ""
    triple = line.startswith(_TRIPLE) and len(line.encode(errors="surrogateescape")) > _SHORTEST_TRIPLE_NAME
    return _TRIPLE if triple else '"'


def _value(rest: str, lines: _Lines) -> str:
    """Read a value, which may continue on further lines."""
    line = rest.lstrip(SPACE)
    if not line:
        return ""
    quote = _TRIPLE if line.startswith(_TRIPLE) and len(line) > len(_TRIPLE) else "`" if line[0] == "`" else ""
    if quote:
        return _quoted(line, quote, lines)
    line = line.rstrip(SPACE)
    if line[-1] == "\\":
        return _continued(line[:-1], lines)
    if comment := _COMMENT.search(line):
        line = line[: comment.start()].rstrip(SPACE)
    is_quoted = len(line) > 1 and line[0] in "\"'" and line.find(line[0], 1) == len(line) - 1
    return line[1:-1] if is_quoted else line


def _quoted(line: str, quote: str, lines: _Lines) -> str:
    """Read up to the last closing quote of the first line that has one."""
    first = lines.number
    end = line.rfind(quote, len(quote))
    parts = [line[len(quote) : end]]
    if end < 0:
        parts = [line[len(quote) :]]
        while (end := (line := lines.take()).rfind(quote)) < 0:
            if not line:
                raise Broken(f"line {first} begins a quoted value that does not end")
            parts.append(line)
        parts.append(line[:end])
    if rest := line[end + len(quote) :].strip(SPACE):
        _check_rest(rest, lines)
    return "".join(parts)


def _continued(value: str, lines: _Lines) -> str:
    r"""Read the lines that continue after a `\`: they lose their blanks, and have neither comments nor quotes."""
    parts = [value]
    while more := lines.take().strip(SPACE):
        if more[-1] != "\\":
            return "".join([*parts, more])
        parts.append(more[:-1])
    return "".join(parts)
