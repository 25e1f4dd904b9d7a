"""Writes the YAML store: a new file as sops lays it out, or changes in the text of one that is there."""

import re
from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import spans_yaml, text_yaml, tree
from bridge_providers.sops.spans import Edits, Entry, Parts, Span, Unplaceable, decoded, identical, plain, stamped
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
    text = decoded(data)
    begin = _BOM if text.startswith(_BOM) else ""
    editor = _Editor(text.removeprefix(_BOM))
    roots = spans_yaml.documents(editor.text)
    for root, document in zip(roots, documents, strict=False):
        if isinstance(root.node, dict) and "sops" in root.node:
            editor.node(root, {**document, "sops": stamped(plain(root.node["sops"].value), stamps)}, 0)
        elif isinstance(root.node, dict) and (root.node.keys() & document.keys() or identical(plain(root), document)):
            editor.node(root, document, 0)
        elif document:
            raise Unplaceable  # a document that was empty has no place for a key
    assert isinstance(roots[0].node, dict)  # the metadata was found there
    block = stamped(plain(roots[0].node["sops"].value), stamps)
    for document in documents[len(roots) :]:
        editor.append(["---", *text_yaml.block({**document, "sops": block}, 0)])
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
            if not self._sequence(span, span.node, target):
                self._whole(span, target, column, entry)
        else:
            self._whole(span, target, column, entry)

    def append(self, lines: list[str]) -> None:
        """Add lines at the end of the text."""
        self._insert(len(self.text), lines)

    def _whole(self, span: Span, target: Tree, column: int, entry: Entry | None) -> None:
        """Replace a node by another one."""
        end = self._end(span)
        if "#" in self.text[span.start : end] and span.style in {"", "{", "["} and not _is_leaf(span):
            raise Unplaceable  # a comment would go
        if isinstance(target, SecretValue) and (_is_leaf(span) or span.style):
            self.edits.replace(span.start, end, self._blank(span) + text_yaml.scalar(target, flow=False))
        elif entry is not None:
            # The value may go to lines of its own, or come from there, so what is between it and its key goes too.
            colon = _COLON.match(self.text, entry.key_end)
            if colon is None or self.text[colon.end() : span.start].strip():
                raise Unplaceable
            self.edits.replace(colon.end(), end, self._newline.join(text_yaml.value(target, column)))
        else:
            self.edits.replace(span.start, end, self._blank(span) + self._item(target, span))

    def _item(self, target: Tree, span: Span) -> str:
        """Return a list item's text for the place of an earlier one."""
        if isinstance(target, SecretValue) or not target:
            return (
                text_yaml.flow(target) if not isinstance(target, SecretValue) else text_yaml.scalar(target, flow=False)
            )
        column = span.start - self._line_start(span.start)
        return self._newline.join(text_yaml.block(target, column))[column:]

    def _mapping(self, span: Span, parts: Parts, target: dict[str, Tree]) -> None:
        """Edit, remove and add entries; at least one stays."""
        removed = [key for key in parts if key not in target]
        added = {key: child for key, child in target.items() if key not in parts}
        if span.style == "{":
            self._in_flow(span, target)
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

    def _sequence(self, span: Span, items: list[Span], target: list[Tree]) -> bool:
        """Edit a list's items in place, add at its end, or remove a run of them; say whether that was possible."""
        if span.style == "[":
            self._in_flow(span, target)
            return True
        head = 0
        while head < min(len(items), len(target)) and identical(plain(items[head]), target[head]):
            head += 1
        gone = range(head, head + max(len(items) - len(target), 0))
        lines = [self._item_lines(span, items, index) for index in gone]
        if None in lines:
            return False
        for removed in filter(None, lines):
            self.edits.replace(*removed, "")
        items = items[: gone.start] + items[gone.stop :]
        for item, new in zip(items, target, strict=False):
            self.node(item, new, span.column)
        if len(target) > len(items):
            self._insert(self._line_after(items[-1]), text_yaml.block(target[len(items) :], span.column))
        return True

    def _item_lines(self, span: Span, items: list[Span], index: int) -> tuple[int, int] | None:
        """Return where the lines of an item begin and end; None where another dash stands before its own."""
        start = self._line_start(items[index].start)
        first = span.start if not index else items[index - 1].end
        # The dash stands at the list's column, in the item's line or above.
        while self.text[start : start + span.column + 1] != " " * span.column + "-":
            if start <= first:
                return None
            start = self._line_start(start - 1)
        return start, self._line_after(items[index])

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
        if not _is_leaf(span) and ("#" in old or "\n" in old):
            raise Unplaceable  # a comment or the lines would go
        self.edits.replace(span.start, span.end, self._blank(span) + text_yaml.flow(target))

    def _blank(self, span: Span) -> str:
        """Return what has to part a node from a colon or dash right before it."""
        return " " if self.text[span.start - 1 : span.start] in {":", "-", "?"} else ""

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
