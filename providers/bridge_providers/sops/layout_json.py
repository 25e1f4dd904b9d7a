"""Finds the parts of a JSON file, and formats single values."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from bridge.provider import Kind, Node, SecretValue
from bridge_providers.sops import store_json, tree
from bridge_providers.sops.splice import Edit, TextEntry, TextPart, Unplaceable, is_metadata, metadata

__all__ = ["add", "entry", "find", "is_metadata", "metadata", "plaintext", "problem", "remove", "scalar"]

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_BETWEEN: Final = re.compile(r"\r?\n[ \t]*\Z")


def find(text: str) -> list[TextPart]:
    """Find the only document."""
    return [_Finder(text).part(_blank(text, 0))]


def add(text: str, beside: list[TextEntry], metadata: TextEntry | None, entry: str) -> Edit:
    """Add an entry after the last one, or before the metadata, on a line of its own if its neighbor has one."""
    other = beside[-1] if beside else metadata
    if other is None:
        raise Unplaceable
    line = _BETWEEN.search(text, 0, other.start)
    between = line[0] if line else " "
    if not beside:
        return other.start, other.start, f"{entry},{between}"
    return other.value.end, other.value.end, f",{between}{entry}"


def remove(text: str, entries: list[TextEntry], index: int) -> Edit:  # noqa: ARG001 - the same for every layout
    """Remove an entry and its comma."""
    if index + 1 < len(entries):
        return entries[index].start, entries[index + 1].start, ""
    if not index:
        raise Unplaceable
    return entries[index - 1].value.end, entries[index].value.end, ""


def entry(key: str, scalar: str) -> str:
    """Return the text of an entry."""
    return f"{_quoted(key)}: {scalar}"


def scalar(leaf: SecretValue) -> str:
    """Return a leaf's text."""
    text = leaf.reveal().decode()
    return "null" if leaf.kind is Kind.NULL else _quoted(text) if leaf.kind is Kind.TEXT else text


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Return why a value cannot be written; None if it can."""
    if leaf.kind is Kind.BYTES:
        return "bytes that are not text, which JSON cannot contain"
    exact = encrypted or leaf.kind is not Kind.NUMBER or store_json.is_exact(leaf)
    return None if exact else tree.NUMBER_CHANGES


def plaintext(documents: Iterable[Mapping[str, Node]]) -> bytes:
    """Return the one document."""
    (document,) = documents
    return tree.flow(document, scalar, _quoted).encode()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _blank(text: str, index: int) -> int:
    """Return the position of the next character that is not a blank."""
    match = _BLANK.match(text, index)
    return match.end() if match else index


class _Finder:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._decode: Final = store_json.decoder().raw_decode

    def part(self, start: int) -> TextPart:
        """Find the node that begins at `start`."""
        if self._text[start] not in "{[":
            return TextPart(start, self._decode(self._text, start)[1])
        entries: dict[int | str, TextEntry] = {}
        is_object = self._text[start] == "{"
        at = _blank(self._text, start + 1)
        while self._text[at] not in "}]":
            key, value = len(entries), at
            if is_object:
                key, end = self._decode(self._text, at)
                value = _blank(self._text, _blank(self._text, end) + 1)
            entries[key] = TextEntry(at, self.part(value))
            at = _blank(self._text, entries[key].value.end)
            if self._text[at] == ",":
                at = _blank(self._text, at + 1)
        return TextPart(start, at + 1, entries)
