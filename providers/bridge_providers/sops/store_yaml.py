"""Reads the YAML store: libyaml's events into trees, aliases expanded, within bounds.

The events come one at a time, so nesting is refused before libyaml has scanned it: its work for nested
flow collections grows with the square of their depth, and its own composer recurses in C.
"""

from typing import Final

from yaml import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
)
from yaml._yaml import CParser

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import scalars, tree
from bridge_providers.sops.tree import Stored, Tree

_MOST_DIRECTIVES: Final = 100  # libyaml compares each directive with all before it


def load(data: bytes) -> Stored:
    """Read an encrypted YAML file of one or more documents."""
    return tree.take_metadata(documents(data))


def documents(data: bytes) -> list[dict[str, Tree]]:
    """Read all documents; an empty one is an empty mapping."""
    if data.count(b"%TAG") > _MOST_DIRECTIVES:
        raise ProviderError(f"has more than {_MOST_DIRECTIVES} %TAG directives")
    problem = ""
    try:
        return _Builder(data).documents()
    except MarkedYAMLError as error:
        problem = f"line {error.problem_mark.line + 1} is not valid YAML" if error.problem_mark else "is not valid YAML"
    except (YAMLError, UnicodeError):
        problem = "is not valid YAML: a character is not allowed, or is not UTF-8"
    # Raise outside the handlers, so that the parser's error, which may quote the file, is not chained.
    raise ProviderError(problem)


class _Builder:
    """Makes trees of one parser's events."""

    def __init__(self, data: bytes) -> None:
        self._next: Final = CParser(data).get_event
        self._values = 0
        self._deepest = 0
        # A finished node, how many values it counts for, and its levels; None while it is being built.
        self._anchors: dict[str, tuple[Tree, int, int] | None] = {}

    def documents(self) -> list[dict[str, Tree]]:
        """Build all documents of the stream."""
        built: list[dict[str, Tree]] = []
        while not isinstance(event := self._event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                self._anchors = {}
                built.append(self._document(len(built) + 1))
        return built

    def _event(self) -> Event:
        """Return the next event."""
        event = self._next()
        assert event is not None  # None comes only after StreamEndEvent
        return event

    def _document(self, number: int) -> dict[str, Tree]:
        """Build a document, which must be a mapping or empty."""
        root = self._node(self._event(), 0)
        if isinstance(root, SecretValue) and root.kind is Kind.NULL:
            return {}
        if not isinstance(root, dict):
            raise ProviderError(f"document {number} is not a mapping")
        return root

    def _node(self, event: Event, depth: int) -> Tree:
        """Build the node that begins with `event`."""
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        assert isinstance(event, NodeEvent)
        start, deepest = self._values, self._deepest
        self._count(1)
        if event.anchor:
            self._anchors[event.anchor] = None
            self._deepest = depth
        if isinstance(event, ScalarEvent):
            node: Tree = self._scalar(event)[1]
        else:
            self._descend(depth + 1)
            node = self._mapping(depth) if isinstance(event, MappingStartEvent) else self._sequence(depth)
        if event.anchor:
            self._anchors[event.anchor] = node, self._values - start, self._deepest - depth
            self._deepest = max(self._deepest, deepest)
        return node

    def _descend(self, depth: int) -> None:
        """Enter a level, in the text or by an alias."""
        self._deepest = max(self._deepest, depth)
        if depth > tree.MAX_DEPTH:
            raise tree.too_deep()

    def _count(self, values: int) -> None:
        """Count values, including those that aliases repeat."""
        self._values += values
        if self._values > tree.MAX_VALUES:
            raise tree.too_many()

    def _alias(self, event: AliasEvent, depth: int) -> Tree:
        """Repeat an anchor's node."""
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            raise ProviderError(f"line {_line(event)}: an alias has no anchor before it, or is inside its own anchor")
        node, values, levels = anchored
        self._count(values)
        self._descend(depth + levels)
        return node

    def _sequence(self, depth: int) -> list[Tree]:
        """Build a list's items."""
        items = []
        while not isinstance(event := self._event(), SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Tree]:
        """Build a mapping's entries; `<<` is a key like any other, as for sops."""
        entries: dict[str, Tree] = {}
        while not isinstance(event := self._event(), MappingEndEvent):
            key = self._key(event)
            if key in entries:
                raise ProviderError(f"line {_line(event)}: duplicate key {tree.name([key])}")
            entries[key] = self._node(self._event(), depth + 1)
        return entries

    def _key(self, event: Event) -> str:
        """Read a key, which must resolve to text."""
        if isinstance(event, ScalarEvent):
            tag, leaf = self._scalar(event)
            if tag not in scalars.NOT_TEXT and leaf.kind is Kind.TEXT:
                return leaf.reveal().decode()
        raise ProviderError(f"line {_line(event)}: a key is not text", hint="quote it")

    def _scalar(self, event: ScalarEvent) -> tuple[str, SecretValue]:
        """Resolve a scalar."""
        problem = ""
        try:
            return scalars.resolve(event.value, event.tag, plain=not event.style)
        except scalars.ScalarError as error:
            problem = str(error)
        raise ProviderError(f"line {_line(event)}: {problem}")


def _line(event: Event) -> int:
    """Return where an event begins, counted from 1."""
    assert event.start_mark is not None  # the parser sets it
    return int(event.start_mark.line) + 1
