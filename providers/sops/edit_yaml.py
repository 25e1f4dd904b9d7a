"""Writes the YAML store: a new file as sops lays it out, or changes in the text of one that is there."""

import re
from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import spans_yaml, text_yaml, tree
from bridge_providers.sops.spans import Edits, Entry, Parts, Span, Unplaceable, identical, plain, stamped
from bridge_providers.sops.tree import Tree

_BOM: Final = "\ufeff"
_REST: Final = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(\r\n|\n|\r|\Z)")
"""What may follow a value on its line: blanks, and a comment."""
_COLON: Final = re.compile(r"[ \t]*(?:\r?\n *)?:")


def fresh(documents: list[dict[str, Tree]], block: dict[str, Tree]) -> bytes:
    """Return a new file; each document has the whole `sops` block, as sops writes it."""
    return "---\n".join(text_yaml.document({**document, "sops": block}) for document in documents).encode()


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Say why a value cannot be written; None where it can."""
    if encrypted or leaf.kind is not Kind.NUMBER or text_yaml.is_exact(leaf):
        return None
    return tree.NUMBER_CHANGES


def change(data: bytes, documents: list[dict[str, Tree]], stamps: dict[str, SecretValue]) -> bytes:
    """Return a file's text with new documents and stamps; Unplaceable where its layout does not allow that."""
    text = data.decode()
    begin = _BOM if text.startswith(_BOM) else ""
    editor = _Editor(text.removeprefix(_BOM))
    roots = spans_yaml.documents(editor.text)
    if len(roots) != len(documents):
        raise Unplaceable
    for root, document in zip(roots, documents, strict=True):
        if isinstance(root.node, dict) and "sops" in root.node:
            editor.node(root, {**document, "sops": stamped(plain(root.node["sops"].value), stamps)}, 0)
        elif isinstance(root.node, dict) and (root.node.keys() & document.keys() or identical(plain(root), document)):
            editor.node(root, document, 0)
        elif document:
            raise Unplaceable  # a document that was empty has no place for a key
    return (begin + editor.edits.apply()).encode()


class _Editor:
    """Turns the differences between a text and the trees it should hold into edits."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.edits: Final = Edits(text)
        self._newline: Final = "\r\n" if "\r\n" in text else "\n"

    def node(self, span: Span, target: Tree, column: int, entry: Entry | None = None) -> None:
        """Edit a node that stands below a key or dash at `column`; `entry` is the key's."""
        if identical(plain(span), target):
            return
        if span.style == "*":
            raise Unplaceable
        if isinstance(span.node, dict) and isinstance(target, dict) and target.keys() & span.node.keys():
            self._mapping(span, span.node, target)
        elif isinstance(span.node, list) and isinstance(target, list) and target and span.node:
            self._sequence(span, span.node, target)
        else:
            self._whole(span, target, column, entry)

    def _whole(self, span: Span, target: Tree, column: int, entry: Entry | None) -> None:
        """Replace a node by another one."""
        end = self._end(span)
        if "#" in self.text[span.start : end] and span.style in {"", "{", "["} and not _is_leaf(span):
            raise Unplaceable  # a comment would go
        if isinstance(target, SecretValue) and (_is_leaf(span) or span.style):
            blank = " " if self.text[span.start - 1] == ":" else ""
            self.edits.replace(span.start, end, blank + text_yaml.scalar(target, flow=span.style in {"{", "["}))
        elif entry is not None:
            # The value may go to lines of its own, or come from there, so what is between it and its key goes too.
            colon = _COLON.match(self.text, entry.key_end)
            if colon is None or self.text[colon.end() : span.start].strip():
                raise Unplaceable
            self.edits.replace(colon.end(), end, self._newline.join(text_yaml.value(target, column)))
        else:
            lines = text_yaml.block([target], column)
            if span.start - self._line_start(span.start) != column + 2 and len(lines) > 1:
                raise Unplaceable  # blanks follow the dash, and further lines would not stand below the first
            self.edits.replace(span.start, end, self._newline.join(lines)[column + 2 :])

    def _mapping(self, span: Span, parts: Parts, target: dict[str, Tree]) -> None:
        """Edit, remove and add entries; at least one stays."""
        removed = [key for key in parts if key not in target]
        added = {key: child for key, child in target.items() if key not in parts}
        if span.style == "{":
            if removed or added:
                self._flow(span, target)
                return
            for key, entry in parts.items():
                self._in_flow(entry.value, target[key])
            return
        for key, entry in parts.items():
            if key in target:
                self.node(entry.value, target[key], span.column, entry)
        for key in removed:
            self._remove_entry(list(parts.values()), parts[key])
        if added:
            before = [entry for key, entry in parts.items() if key != "sops" or span.column]
            lines = [line for key, child in added.items() for line in text_yaml.entry(key, child, span.column)]
            if before:
                self._insert(self._line_after(before[-1].value), lines)
            else:
                self._insert(parts["sops"].start, lines)

    def _remove_entry(self, entries: list[Entry], entry: Entry) -> None:
        """Remove an entry's lines."""
        start = self._line_start(entry.start)
        if self.text[start : entry.start].strip(" "):
            # A list's dash stands before it, which the next entry needs.
            following = _after(entries, entry)
            if following is None or "#" in self.text[entry.start : following.start]:
                raise Unplaceable
            self.edits.replace(entry.start, following.start, "")
            return
        self.edits.replace(start, self._line_after(entry.value), "")

    def _sequence(self, span: Span, items: list[Span], target: list[Tree]) -> None:
        """Edit a list's items in place, add at its end, or remove a run of them."""
        if span.style == "[":
            if len(items) != len(target):
                self._flow(span, target)
                return
            for item, new in zip(items, target, strict=True):
                self._in_flow(item, new)
            return
        if len(target) < len(items):
            items = self._shortened(span, items, target)
        for item, new in zip(items, target, strict=False):
            self.node(item, new, span.column)
        if len(target) > len(items):
            self._insert(self._line_after(items[-1]), text_yaml.block(target[len(items) :], span.column))

    def _shortened(self, span: Span, items: list[Span], target: list[Tree]) -> list[Span]:
        """Remove the items that went, and return those that stay."""
        head = 0
        while head < len(target) and identical(plain(items[head]), target[head]):
            head += 1
        gone = range(head, head + len(items) - len(target))
        for index in gone:
            dash = self._dash(span, items, index)
            start = self._line_start(dash)
            if self.text[start:dash].strip(" "):
                raise Unplaceable
            self.edits.replace(start, self._line_after(items[index]), "")
        return items[:head] + items[gone.stop :]

    def _dash(self, span: Span, items: list[Span], index: int) -> int:
        """Return where an item's dash stands: at the list's column, before the item."""
        if not index:
            return span.start
        at = items[index].start
        start = self._line_start(at)
        while start + span.column >= at or self.text[start + span.column] != "-":
            if start <= items[index - 1].end:
                raise Unplaceable
            start = self._line_start(start - 1)
        return start + span.column

    def _in_flow(self, span: Span, target: Tree) -> None:
        """Edit a node inside a flow collection."""
        if identical(plain(span), target):
            return
        if span.style == "*":
            raise Unplaceable
        if isinstance(span.node, dict) and isinstance(target, dict) and span.node.keys() == target.keys():
            for key, entry in span.node.items():
                self._in_flow(entry.value, target[key])
        elif isinstance(span.node, list) and isinstance(target, list) and len(span.node) == len(target):
            for item, new in zip(span.node, target, strict=True):
                self._in_flow(item, new)
        else:
            self._flow(span, target)

    def _flow(self, span: Span, target: Tree) -> None:
        """Replace a node inside a flow collection, or such a collection, by one line in flow style."""
        old = self.text[span.start : span.end]
        if not _is_leaf(span) and "#" in old:
            raise Unplaceable
        blank = " " if self.text[span.start - 1] == ":" else ""
        self.edits.replace(span.start, span.end, blank + text_yaml.flow(target))

    def _insert(self, position: int, lines: list[str]) -> None:
        """Insert whole lines."""
        new = "".join(line + self._newline for line in lines)
        if position and self.text[position - 1] not in "\r\n":
            new = self._newline + new.removesuffix(self._newline)
        self.edits.replace(position, position, new)

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_after(self, span: Span) -> int:
        """Return where the line after a node begins."""
        leaf = _last_leaf(span)
        if leaf.style in {"|", ">"} and "+" in self.text[leaf.start : leaf.end].partition("\n")[0].partition("#")[0]:
            return self._line_start(leaf.end)  # trailing empty lines are the text's own
        rest = _REST.match(self.text, self._end(span))
        if rest is None:
            raise Unplaceable
        return rest.end()

    def _end(self, span: Span) -> int:
        """Return where a node's text ends; libyaml lets block scalars end where the next token begins."""
        leaf = _last_leaf(span)
        if leaf.style not in {"|", ">"}:
            return span.end
        return leaf.start + len(self.text[leaf.start : leaf.end].rstrip())


def _is_leaf(span: Span) -> bool:
    return isinstance(span.node, SecretValue)


def _after(entries: list[Entry], entry: Entry) -> Entry | None:
    """Return the entry that follows."""
    return next((other for other in entries if other.start > entry.start), None)


def _last_leaf(span: Span) -> Span:
    """Return the last leaf of a node in block style, or the node itself."""
    while not span.style and not isinstance(span.node, SecretValue) and span.node:
        children = span.node if isinstance(span.node, list) else [entry.value for entry in span.node.values()]
        span = children[-1]
    return span
