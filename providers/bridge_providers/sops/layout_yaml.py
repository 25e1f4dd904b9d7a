"""Finds the parts of a YAML file by the marks of libyaml's events, and formats single values."""

import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Final

from yaml import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    Token,
)
from yaml._yaml import CParser

from bridge.provider import Kind, Node, SecretValue
from bridge_providers.sops import scalars, tree
from bridge_providers.sops.splice import Edit, TextEntry, TextPart, is_metadata, line_after, line_removed, metadata

__all__ = ["add", "entry", "find", "is_metadata", "metadata", "plaintext", "problem", "remove", "scalar"]

add: Final = line_after
_ENCRYPTED: Final = re.compile(r"ENC\[[A-Za-z0-9_,:+/= ]+\]")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 does not read as strings."""
_ESCAPED: Final = frozenset('"\\')


def find(text: str) -> list[TextPart]:
    """Find each document."""
    return _Finder(text).documents()


def remove(text: str, entries: list[TextEntry], index: int) -> Edit:
    """Remove the line of an entry."""
    return line_removed(text, entries[index])


def entry(key: str, scalar: str) -> str:
    """Return the text of an entry."""
    return f"{key if _NAME.fullmatch(key) and key.lower() not in _WORDS else _quoted(key)}: {scalar}"


def scalar(leaf: SecretValue) -> str:
    """Return a leaf on one line."""
    data = leaf.reveal()
    if leaf.kind is Kind.NULL:
        return "null"
    if leaf.kind is Kind.BYTES:
        return "!!binary " + binascii.b2a_base64(data, newline=False).decode()
    text = data.decode()
    return text if leaf.kind is not Kind.TEXT or _ENCRYPTED.fullmatch(text) else _quoted(text)


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Return why a value cannot be written; None if it can."""
    if encrypted or leaf.kind is not Kind.NUMBER:
        return None
    try:
        _, resolved = scalars.resolve(leaf.reveal().decode(), None, plain=True)
    except scalars.ScalarError:
        return tree.NUMBER_CHANGES
    return None if resolved.kind is Kind.NUMBER and resolved.same_as(leaf) else tree.NUMBER_CHANGES


def plaintext(documents: Iterable[Mapping[str, Node]]) -> bytes:
    """Return documents in flow style."""
    return "\n---\n".join(tree.flow(one, _flow_scalar, _quoted) for one in documents).encode()


def _flow_scalar(leaf: SecretValue) -> str:
    return _quoted(leaf.reveal().decode()) if leaf.kind is Kind.TEXT else scalar(leaf)


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPED:
        return f"\\{char}"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


class _Finder:
    """Follows one parser's events."""

    def __init__(self, text: str) -> None:
        # The marks do not count a byte order mark.
        self._shift: Final = int(text.startswith("\ufeff"))
        self._next: Final = CParser(text.removeprefix("\ufeff").encode()).get_event

    def documents(self) -> list[TextPart]:
        """Find all documents."""
        parts = []
        while not isinstance(event := self._event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                parts.append(self._part(self._event(), is_plain=True))
        return parts

    def _event(self) -> Event:
        event = self._next()
        assert event is not None  # None comes only after StreamEndEvent
        return event

    def _part(self, event: Event, *, is_plain: bool) -> TextPart:
        """Find the node that begins with `event`."""
        start = start_of(event) + self._shift
        if isinstance(event, (AliasEvent, ScalarEvent)):
            return TextPart(start, end_of(event) + self._shift, None, is_plain)
        assert isinstance(event, (MappingStartEvent, SequenceStartEvent))
        is_plain = is_plain and not event.flow_style
        entries: dict[int | str, TextEntry] = {}
        while not isinstance(inner := self._event(), (MappingEndEvent, SequenceEndEvent)):
            begin = start_of(inner) + self._shift
            key: int | str = len(entries)
            if isinstance(event, MappingStartEvent):
                assert isinstance(inner, ScalarEvent)  # the store takes no other key
                key = scalars.resolve(inner.value, inner.tag, plain=not inner.style)[1].reveal().decode()
                inner = self._event()
            entries[key] = TextEntry(begin, self._part(inner, is_plain=is_plain))
        return TextPart(start, end_of(inner) + self._shift, entries, is_plain)


def start_of(part: Event | Token) -> int:
    """Return the position at which a part of a text begins."""
    assert part.start_mark is not None  # the parser sets it
    return int(part.start_mark.index)


def end_of(part: Event | Token) -> int:
    """Return the position at which a part of a text ends."""
    assert part.end_mark is not None  # the parser sets it
    return int(part.end_mark.index)
