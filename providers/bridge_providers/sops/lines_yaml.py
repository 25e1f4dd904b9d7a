"""What stands around a node in a YAML text: its lines, blanks and comments."""

import re
from collections.abc import Iterator
from typing import Final

from bridge.provider import SecretValue
from bridge_providers.sops.spans import Entry, Span, Unplaceable

_REST: Final = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(\r\n|\n|\r|\Z)")
"""What may follow a value on its line: blanks, and a comment."""
_COLON: Final = re.compile(r"[ \t]*(?:\r?\n *)?:")
_BLOCK_SCALARS: Final = frozenset({"|", ">"})


class Lines:
    """One text."""

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def start(self, index: int) -> int:
        """Return where the line of a character begins."""
        return self._text.rfind("\n", 0, index) + 1

    def end(self, span: Span) -> int:
        """Return where a node's text ends; libyaml lets block scalars end where the next token begins."""
        leaf = _last_leaf(span)
        if leaf.style not in _BLOCK_SCALARS:
            return span.end
        return leaf.start + len(self._text[leaf.start : leaf.end].rstrip())

    def after(self, span: Span) -> int:
        """Return where the line after a node begins; Unplaceable where more than a comment follows the node."""
        leaf = _last_leaf(span)
        if leaf.style in _BLOCK_SCALARS and "+" in self._head(leaf).partition("#")[0]:
            return self.start(leaf.end)  # trailing empty lines are the text's own
        rest = _REST.match(self._text, self.end(span))
        if rest is None:
            raise Unplaceable
        return rest.end()

    def after_colon(self, entry: Entry) -> int:
        """Return where the colon of a key ends; Unplaceable where more than blanks part it from the value."""
        colon = _COLON.match(self._text, entry.key_end)
        if colon is None or self._text[colon.end() : entry.value.start].strip():
            raise Unplaceable
        return colon.end()

    def is_indented(self, index: int) -> bool:
        """Say whether blanks alone stand before a character on its line."""
        return not self._text[self.start(index) : index].strip(" ")

    def blank_before(self, span: Span) -> str:
        """Return what has to part a node from a colon or dash right before it."""
        return " " if self._text[span.start - 1 : span.start] in {":", "-", "?"} else ""

    def item(self, span: Span, items: list[Span], index: int) -> tuple[int, int] | None:
        """Return where the lines of a list's item begin and end; None where another dash stands before its own."""
        start = self.start(items[index].start)
        first = span.start if not index else items[index - 1].end
        # The dash stands at the list's column, in the item's line or above.
        while self._text[start : start + span.column + 1] != " " * span.column + "-":
            if start <= first:
                return None
            start = self.start(start - 1)
        return start, self.after(items[index])

    def has_comment(self, start: int, end: int, *spans: Span) -> bool:
        """Say whether a comment stands between two places; a `#` in a key or value of these nodes is none."""
        for scalar_start, scalar_end in (place for span in spans for place in _scalars(span)):
            if "#" in self._text[start:scalar_start]:
                return True
            start = max(start, scalar_end)
        return "#" in self._text[start:end]

    def would_lose_comment(self, span: Span) -> bool:
        """Say whether there is a comment within a node."""
        if isinstance(span.node, SecretValue):
            return span.style in _BLOCK_SCALARS and "#" in self._head(span)
        return self.has_comment(span.start, self.end(span), span)

    def _head(self, leaf: Span) -> str:
        """Return the first line of a block scalar, which has its indicators and perhaps a comment."""
        return self._text[leaf.start : leaf.end].partition("\n")[0]


def _scalars(span: Span) -> Iterator[tuple[int, int]]:
    """Yield the places of a node's keys and leaves."""
    if isinstance(span.node, SecretValue) or span.style == "*":
        yield span.start, span.end
    elif isinstance(span.node, list):
        for item in span.node:
            yield from _scalars(item)
    else:
        for entry in span.node.values():
            yield entry.start, entry.key_end
            yield from _scalars(entry.value)


def _last_leaf(span: Span) -> Span:
    """Return the last leaf of a node in block style, or the node itself."""
    while not span.style and not isinstance(span.node, SecretValue) and span.node:
        children = span.node if isinstance(span.node, list) else [entry.value for entry in span.node.values()]
        span = children[-1]
    return span
