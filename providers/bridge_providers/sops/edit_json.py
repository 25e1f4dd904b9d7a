"""Writes the JSON store, which the binary one is made of: a new file as sops lays it out, or changes in its text."""

import json
import re
from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import spans_json, store_json, tree
from bridge_providers.sops.spans import Edits, Entry, Parts, Span, Unplaceable, decoded, identical, plain, stamped
from bridge_providers.sops.tree import Tree

_BLANK: Final = re.compile(r"[ \t]*")
_INDENT: Final = re.compile(r"[{\[]\r?\n([ \t]+)")


def fresh(documents: list[dict[str, Tree]], block: dict[str, Tree], indent: int | None) -> bytes:
    """Return a new file."""
    (document,) = documents
    step = "\t" if indent is None else " " * indent
    return (_text({**document, "sops": block}, "\n", step) + "\n").encode()


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Say why a value cannot be written; None where it can."""
    if leaf.kind is Kind.BYTES:
        return "bytes that are no text, which JSON cannot have"
    exact = encrypted or leaf.kind is not Kind.NUMBER or store_json.is_exact(leaf)
    return None if exact else tree.NUMBER_CHANGES


def change(data: bytes, documents: list[dict[str, Tree]], stamps: dict[str, SecretValue]) -> bytes:
    """Return a file's text with a new document and stamps."""
    (document,) = documents
    editor = _Editor(decoded(data))
    root = spans_json.root(editor.text)
    if not isinstance(root.node, dict):
        raise Unplaceable
    target: dict[str, Tree] = {**document, "sops": stamped(plain(root.node["sops"].value), stamps)}
    editor.node(root, target, metadata="sops")
    return editor.edits.apply().encode()


def _text(node: Tree, newline: str, step: str) -> str:
    """Return a node's text; `newline` begins a line at the node's own level."""
    if isinstance(node, SecretValue):
        return _scalar(node)
    inner = newline + step
    if isinstance(node, list):
        items = [_text(item, inner, step) for item in node]
        return "[" + ",".join(inner + item for item in items) + newline + "]" if items else "[]"
    entries = [f"{_quoted(key)}: {_text(child, inner, step)}" for key, child in node.items()]
    return "{" + ",".join(inner + entry for entry in entries) + newline + "}" if entries else "{}"


def _scalar(leaf: SecretValue) -> str:
    if leaf.kind is Kind.NULL:
        return "null"
    text = leaf.reveal().decode()
    if leaf.kind is Kind.NUMBER and not store_json.is_exact(leaf):
        return text + ".0"  # a float that a file had as `-0.0`, which `-0` is not read as
    return _quoted(text) if leaf.kind is Kind.TEXT else text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _Editor:
    """Turns the differences between a text and the tree it should hold into edits."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.edits: Final = Edits(text)
        indent = _INDENT.search(text)
        self._step: Final = indent[1] if indent else ""

    def node(self, span: Span, target: Tree, metadata: str | None = None) -> None:
        """Edit a node; new entries go before the one named `metadata`."""
        if identical(plain(span), target):
            return
        if isinstance(span.node, dict) and isinstance(target, dict) and span.node.keys() & target.keys():
            self._object(span.node, target, metadata)
        elif isinstance(span.node, list) and isinstance(target, list) and len(span.node) == len(target):
            for item, new in zip(span.node, target, strict=True):
                self.node(item, new)
        else:
            self.edits.replace(span.start, span.end, self._rendered(target, span.start))

    def _object(self, parts: Parts, target: dict[str, Tree], metadata: str | None) -> None:
        """Edit, remove and add entries; at least one stays."""
        entries = list(parts.items())
        kept = [index for index, (key, _) in enumerate(entries) if key in target]
        for index, (key, entry) in enumerate(entries):
            if key in target:
                self.node(entry.value, target[key])
            elif index < kept[0]:
                self.edits.replace(entry.start, entries[index + 1][1].start, "")
            else:
                self.edits.replace(entries[index - 1][1].value.end, entry.value.end, "")
        added = {key: child for key, child in target.items() if key not in parts}
        before = [entry for key, entry in entries if key != metadata and key in target]
        for key, child in added.items():
            self._add(before[-1] if before else None, entries[kept[0]][1], f"{_quoted(key)}: ", child)

    def _add(self, before: Entry | None, first: Entry, key: str, child: Tree) -> None:
        """Add an entry behind another, or before the first one."""
        beside = before or first
        new = key + self._rendered(child, beside.start)
        between = self._newline(beside.start) or " "
        if before is None:
            self.edits.replace(first.start, first.start, f"{new},{between}")
        else:
            self.edits.replace(before.value.end, before.value.end, f",{between}{new}")

    def _rendered(self, target: Tree, beside: int) -> str:
        """Return a node's text for a place in the line of `beside`."""
        newline = self._newline(beside)
        return _text(target, newline, self._step if newline else "")

    def _newline(self, index: int) -> str:
        """Return the line end and indentation of the line that `index` is in."""
        start = self.text.rfind("\n", 0, index) + 1
        if not start or not self._step:
            return ""
        blank = _BLANK.match(self.text, start)
        newline = "\r\n" if self.text[start - 2 : start] == "\r\n" else "\n"
        return newline + (blank[0] if blank else "")
