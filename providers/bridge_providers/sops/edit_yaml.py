"""Writes the YAML store: a new file as sops lays it out, or changes in the text of one that is there."""

from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import spans_yaml, text_yaml, tree
from bridge_providers.sops.lines_yaml import Lines
from bridge_providers.sops.spans import Edits, Entry, Parts, Span, Unplaceable, decoded, identical, plain, stamped
from bridge_providers.sops.tree import Tree

_BOM: Final = "\ufeff"


def fresh(documents: list[dict[str, Tree]], block: dict[str, Tree], indent: int | None) -> bytes:
    """Return a new file; each document has the whole `sops` block, as sops writes it."""
    step = indent or text_yaml.STEP
    return "---\n".join(text_yaml.document({**document, "sops": block}, step) for document in documents).encode()


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Say why a value cannot be written; None where it can."""
    if encrypted or leaf.kind is not Kind.NUMBER or text_yaml.is_exact(leaf):
        return None
    return tree.NUMBER_CHANGES


def change(data: bytes, documents: list[dict[str, Tree]], stamps: dict[str, SecretValue]) -> bytes:
    """Return a file's text with new documents and stamps; Unplaceable where its layout does not allow that."""
    text = decoded(data)
    begin = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    roots = spans_yaml.documents(text)
    assert isinstance(roots[0].node, dict)  # the metadata was found there
    metadata = roots[0].node["sops"].value
    editor = _Editor(text, metadata.column or text_yaml.STEP)
    for root, document in zip(roots, documents, strict=False):
        if isinstance(root.node, dict) and "sops" in root.node:
            editor.node(root, {**document, "sops": stamped(plain(root.node["sops"].value), stamps)}, 0)
        elif isinstance(root.node, dict) and (root.node.keys() & document.keys() or identical(plain(root), document)):
            editor.node(root, document, 0)
        elif document:
            raise Unplaceable  # a document that was empty has no place for a key
    block = stamped(plain(metadata), stamps)
    for document in documents[len(roots) :]:
        editor.append(["---", *text_yaml.block({**document, "sops": block}, 0, editor.step)])
    return (begin + editor.edits.apply()).encode()


class _Editor:
    """Turns the differences between a text and the trees it should hold into edits."""

    def __init__(self, text: str, step: int) -> None:
        self.text: Final = text
        self.step: Final = step  # columns of a level, as those of the metadata are
        self.edits: Final = Edits(text)
        self._lines: Final = Lines(text)
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
            self._sequence(span, span.node, target, column, entry)
        else:
            self._whole(span, target, column, entry)

    def append(self, lines: list[str]) -> None:
        """Add lines at the end of the text."""
        self._insert(len(self.text), lines)

    def _whole(self, span: Span, target: Tree, column: int, entry: Entry | None) -> None:
        """Replace a node by another one."""
        if self._lines.would_lose_comment(span):
            raise Unplaceable
        end = self._lines.end(span)
        if isinstance(target, SecretValue) and (isinstance(span.node, SecretValue) or span.style):
            self.edits.replace(span.start, end, self._lines.blank_before(span) + text_yaml.scalar(target, flow=False))
        elif entry is not None:
            # The value may go to lines of its own, or come from there, so what is between it and its key goes too.
            new = self._newline.join(text_yaml.value(target, column, self.step))
            self.edits.replace(self._lines.after_colon(entry), end, new)
        else:
            column = span.start - self._lines.start(span.start)
            new = self._newline.join(text_yaml.item(target, column, self.step))
            self.edits.replace(span.start, end, self._lines.blank_before(span) + new)

    def _mapping(self, span: Span, parts: Parts, target: dict[str, Tree]) -> None:
        """Edit, remove and add entries; at least one stays."""
        if span.style == "{":
            self._in_flow(span, target)
            return
        for key, entry in parts.items():
            if key in target:
                self.node(entry.value, target[key], span.column, entry)
        self._remove(parts, target)
        added = {key: child for key, child in target.items() if key not in parts}
        if added:
            before = [entry for key, entry in parts.items() if key != "sops" or span.column]
            place = self._lines.after(before[-1].value) if before else parts["sops"].start
            lines = (text_yaml.entry(*item, span.column, self.step) for item in added.items())
            self._insert(place, [line for one in lines for line in one])

    def _remove(self, parts: Parts, target: dict[str, Tree]) -> None:
        """Remove the lines of entries that went."""
        gone = [entry for key, entry in parts.items() if key not in target]
        if gone and not self._lines.is_indented(gone[0].start):
            # A list's dash stands before it, which the next entry that stays needs.
            stays = next(entry for key, entry in parts.items() if key in target)
            first = [entry for entry in gone if entry.start < stays.start]
            if self._lines.has_comment(first[0].key_end, stays.start, *(entry.value for entry in first)):
                raise Unplaceable
            self.edits.replace(first[0].start, stays.start, "")
            gone = gone[len(first) :]
        for entry in gone:
            self.edits.replace(self._lines.start(entry.start), self._lines.after(entry.value), "")

    def _sequence(self, span: Span, items: list[Span], target: list[Tree], column: int, entry: Entry | None) -> None:
        """Edit a list's items in place, add at its end, or remove a run of them."""
        if span.style == "[":
            self._in_flow(span, target)
            return
        head = 0
        while head < min(len(items), len(target)) and identical(plain(items[head]), target[head]):
            head += 1
        gone = range(head, head + max(len(items) - len(target), 0))
        places = [self._lines.item(span, items, index) for index in gone]
        if None in places:
            self._whole(span, target, column, entry)
            return
        for place in filter(None, places):
            self.edits.replace(*place, "")
        stay = items[: gone.start] + items[gone.stop :]
        for item, new in zip(stay, target, strict=False):
            self.node(item, new, span.column)
        if len(target) > len(stay):
            self._insert(self._lines.after(items[-1]), text_yaml.block(target[len(stay) :], span.column, self.step))

    def _in_flow(self, span: Span, target: Tree) -> None:
        """Edit a flow collection, or a node inside one."""
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
        elif not isinstance(span.node, SecretValue) and "\n" in self.text[span.start : span.end]:
            raise Unplaceable  # comments might go, and the lines would
        else:
            self.edits.replace(span.start, span.end, self._lines.blank_before(span) + text_yaml.flow(target))

    def _insert(self, position: int, lines: list[str]) -> None:
        """Insert whole lines."""
        new = "".join(line + self._newline for line in lines)
        if position and self.text[position - 1] not in "\r\n":
            new = self._newline + new.removesuffix(self._newline)
        self.edits.replace(position, position, new)
