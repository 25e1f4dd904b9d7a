"""Finds where the parts of a JSON file stand. The store has read the file before, so it is sound."""

import re
from typing import Final

from bridge_providers.sops import store_json
from bridge_providers.sops.spans import Entry, Span

_BLANK: Final = re.compile(r"[ \t\r\n]*")


def root(text: str) -> Span:
    """Return the place of the whole."""
    return _Finder(text).node(_blank(text, 0))


def _blank(text: str, index: int) -> int:
    """Return where the next character stands that is no blank."""
    found = _BLANK.match(text, index)
    return found.end() if found else index


class _Finder:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._decode: Final = store_json.decoder().raw_decode

    def node(self, start: int) -> Span:
        """Find the node that begins at `start`."""
        if self._text[start] not in "{[":
            value, end = self._decode(self._text, start)
            return Span(store_json.leaf(value), start, end, 0, self._text[start])
        entries: dict[str, Entry] = {}
        items: list[Span] = []
        is_object = self._text[start] == "{"
        at = _blank(self._text, start + 1)
        while self._text[at] not in "}]":
            if is_object:
                key, key_end = self._decode(self._text, at)
                colon = _blank(self._text, key_end)
                entries[key] = Entry(at, key_end, self.node(_blank(self._text, colon + 1)))
                end = entries[key].value.end
            else:
                items.append(self.node(at))
                end = items[-1].end
            at = _blank(self._text, end)
            if self._text[at] == ",":
                at = _blank(self._text, at + 1)
        return Span(entries if is_object else items, start, at + 1, 0, self._text[start])
