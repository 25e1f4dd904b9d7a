"""Finds where the parts of a YAML file stand, by the marks of libyaml's events.

The file has been read by the store before, so it is sound and within its bounds.
"""

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

from bridge_providers.sops import scalars
from bridge_providers.sops.spans import Entry, Span, Unplaceable


def documents(text: str) -> list[Span]:
    """Return each document's root; an empty one is a scalar."""
    return _Finder(text).documents()


class _Finder:
    """Follows one parser's events."""

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._next: Final = CParser(text.encode()).get_event
        self._anchors: Final[dict[str, Span]] = {}

    def documents(self) -> list[Span]:
        """Find all documents."""
        found = []
        while not isinstance(event := self._event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                found.append(self._node(self._event()))
        return found

    def _event(self) -> Event:
        event = self._next()
        assert event is not None  # None comes only after StreamEndEvent
        return event

    def _node(self, event: Event) -> Span:
        """Find the node that begins with `event`."""
        if isinstance(event, AliasEvent):
            anchored = self._anchors[event.anchor or ""]
            return Span(anchored.node, start_of(event), end_of(event), 0, "*")
        if isinstance(event, ScalarEvent):
            _, leaf = scalars.resolve(event.value, event.tag, plain=not event.style)
            found = Span(leaf, start_of(event), end_of(event), 0, event.style or "")
        elif isinstance(event, MappingStartEvent):
            found = self._mapping(event)
        else:
            assert isinstance(event, SequenceStartEvent)
            found = self._sequence(event)
        if event.anchor:
            self._anchors[event.anchor] = found
        return found

    def _sequence(self, event: SequenceStartEvent) -> Span:
        start = start_of(event)
        items = []
        while not isinstance(inner := self._event(), SequenceEndEvent):
            items.append(self._node(inner))
        if event.flow_style:
            return Span(items, start, end_of(inner), 0, "[")
        # With an anchor or a tag, the event begins there and not at the first dash.
        if self._text[start] != "-":
            raise Unplaceable
        return Span(items, start, self._last(items), self._column(start), "")

    def _mapping(self, event: MappingStartEvent) -> Span:
        start = start_of(event)
        entries: dict[str, Entry] = {}
        column = 0
        while not isinstance(inner := self._event(), MappingEndEvent):
            assert isinstance(inner, ScalarEvent)  # the store takes no other key
            key = scalars.resolve(inner.value, inner.tag, plain=not inner.style)[1].reveal().decode()
            begin = start_of(inner)
            if not event.flow_style:
                begin = self._question_mark(begin)
                column = column if entries else self._column(begin)
            entries[key] = Entry(begin, end_of(inner), self._node(self._event()))
        if event.flow_style:
            return Span(entries, start, end_of(inner), 0, "{")
        return Span(entries, start, self._last([entry.value for entry in entries.values()]), column, "")

    def _last(self, children: list[Span]) -> int:
        """Return where a collection in block style ends: with its last child."""
        return children[-1].end if children else 0

    def _column(self, index: int) -> int:
        return index - (self._text.rfind("\n", 0, index) + 1)

    def _question_mark(self, key: int) -> int:
        """Return where the entry of a key begins: at the key, or at the `?` before it."""
        before = key
        while before and self._text[before - 1] == " ":
            before -= 1
        return before - 1 if before < key and before and self._text[before - 1] == "?" else key


def start_of(part: Event | Token) -> int:
    """Return where the parser has a part of a text begin."""
    assert part.start_mark is not None  # the parser sets it
    return int(part.start_mark.index)


def end_of(part: Event | Token) -> int:
    """Return where the parser has a part of a text end."""
    assert part.end_mark is not None  # the parser sets it
    return int(part.end_mark.index)
