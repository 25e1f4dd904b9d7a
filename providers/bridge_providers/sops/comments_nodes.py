"""Puts the comments of a YAML text to its nodes, as go.yaml.in/yaml/v3 3.0.4 does (parserc.go and decode.go)."""

from typing import Final

from yaml import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    TagToken,
    Token,
    ValueToken,
)

from bridge_providers.sops.comments_queue import Node, Queue
from bridge_providers.sops.comments_scan import Scan

_NO_DOCUMENT: Final = (DocumentStartToken, DocumentEndToken, StreamEndToken)
_NO_ENTRY: Final = (KeyToken, ValueToken, BlockEndToken)
_NO_ITEM: Final = (BlockEntryToken, BlockEndToken)
_NO_FLOW_ENTRY: Final = (ValueToken, FlowEntryToken, FlowMappingEndToken)


def documents(text: str) -> list[Node]:
    """Return the documents of a text that is sound YAML; Unfollowable as `Scan`."""
    return _Builder(Queue(Scan(text))).documents()


class _Builder:
    """Follows one text's tokens."""

    def __init__(self, queue: Queue) -> None:
        self._queue: Final = queue
        self._anchors: Final[dict[str, Node]] = {}

    def documents(self) -> list[Node]:
        """Build all documents."""
        found: list[Node] = []
        self._queue.peek()
        token = self._queue.next()
        while not isinstance(token, StreamEndToken):
            document = Node("document")
            has_content = True
            if isinstance(token, DocumentStartToken):
                has_content = not isinstance(self._queue.next(), _NO_DOCUMENT)
            else:
                self._queue.take_title(document)
            document.children.append(self._node() if has_content else Node("scalar"))
            token = self._end(document)
            found.append(document)
        return found

    def _end(self, document: Node) -> Token:
        """Go behind a document."""
        if isinstance(self._queue.peek(), DocumentEndToken):
            self._queue.skip()
        end = Node("document")
        self._queue.take(end)
        document.foot = end.foot or end.head
        token = self._queue.peek()
        while isinstance(token, DocumentEndToken):
            token = self._queue.next()
        return token

    def _node(self, *, in_mapping: bool = False) -> Node:
        """Build the next node; as the value of a mapping in block style, a list may stand at the column of its key."""
        token = self._queue.peek()
        names = []
        while isinstance(token, (AnchorToken, TagToken)):
            names += [token.value] if isinstance(token, AnchorToken) else []
            token = self._queue.next()
        node = Node(_kind(token, in_mapping=in_mapping))
        self._anchors.update(dict.fromkeys(names, node))
        if isinstance(token, BlockEntryToken) and node.kind == "sequence":
            self._items_at_key(node)
        elif isinstance(token, (BlockSequenceStartToken, BlockMappingStartToken)):
            self._queue.take_stem(node)
            self._queue.next()
            (self._items if node.kind == "sequence" else self._entries)(node)
        elif isinstance(token, (FlowSequenceStartToken, FlowMappingStartToken)):
            self._queue.take(node)
            self._queue.next()
            (self._flow_items if node.kind == "sequence" else self._flow_entries)(node)
        elif isinstance(token, (AliasToken, ScalarToken)):
            self._queue.take(node)
            self._queue.skip()
            node.children += [self._anchors[token.value]] if isinstance(token, AliasToken) else []
        return node

    def _items(self, node: Node) -> None:
        """Build the items of a list whose dashes are indented."""
        while isinstance(self._queue.peek(), BlockEntryToken):
            has_item = not isinstance(self._queue.next_behind_dash(), _NO_ITEM)
            node.children.append(self._node() if has_item else Node("scalar"))
        self._queue.skip()

    def _items_at_key(self, node: Node) -> None:
        """Build the items of a list whose dashes are at the column of its key."""
        while isinstance(self._queue.peek(), BlockEntryToken):
            has_item = not isinstance(self._queue.next_behind_dash(), (*_NO_ITEM, *_NO_ENTRY))
            node.children.append(self._node() if has_item else Node("scalar"))

    def _entries(self, node: Node) -> None:
        """Build the entries of a mapping in block style."""
        while not isinstance(self._queue.peek(), BlockEndToken):
            key = self._part(KeyToken, _NO_ENTRY, in_mapping=True)
            if key.foot and node.children:
                # It was written further to the left: the foot of the entry before.
                node.children[-2].foot, key.foot = key.foot, ""
            value = self._part(ValueToken, _NO_ENTRY, in_mapping=True)
            if value.foot and not key.foot:
                key.foot, value.foot = value.foot, ""
            node.children += [key, value]
        self._queue.take_end(node)
        if node.foot and node.children:
            node.children[-2].foot, node.foot = node.foot, ""
        self._queue.skip()

    def _part(self, indicator: type[Token], end: tuple[type[Token], ...], *, in_mapping: bool = False) -> Node:
        """Build a key or value, which may be missing."""
        if isinstance(self._queue.peek(), indicator) and not isinstance(self._queue.next(), end):
            return self._node(in_mapping=in_mapping)
        return Node("scalar")

    def _flow_items(self, node: Node) -> None:
        """Build the items of a list in brackets."""
        while not isinstance(token := self._queue.peek(), FlowSequenceEndToken):
            if isinstance(token, FlowEntryToken):
                token = self._queue.next()
            if isinstance(token, KeyToken):
                pair = Node("mapping")
                self._queue.next()
                pair.children.append(self._node())
                pair.children.append(self._part(ValueToken, (FlowEntryToken, FlowSequenceEndToken)))
                node.children.append(pair)
            elif not isinstance(token, FlowSequenceEndToken):
                node.children.append(self._node())
        self._queue.take_end(node)
        self._queue.skip()

    def _flow_entries(self, node: Node) -> None:
        """Build the entries of a mapping in braces."""
        while not isinstance(token := self._queue.peek(), FlowMappingEndToken):
            if isinstance(token, FlowEntryToken):
                token = self._queue.next()
            if isinstance(token, KeyToken):
                key = self._part(KeyToken, _NO_FLOW_ENTRY)
                value = self._part(ValueToken, (FlowEntryToken, FlowMappingEndToken))
            elif isinstance(token, FlowMappingEndToken):
                break
            else:
                key, value = self._node(), Node("scalar")
            if value.foot and not key.foot:
                key.foot, value.foot = value.foot, ""
            node.children += [key, value]
        self._queue.take_end(node)
        self._queue.skip()


def _kind(token: Token, *, in_mapping: bool) -> str:
    if isinstance(token, AliasToken):
        return "alias"
    if isinstance(token, (BlockSequenceStartToken, FlowSequenceStartToken)):
        return "sequence"
    if isinstance(token, (BlockMappingStartToken, FlowMappingStartToken)):
        return "mapping"
    return "sequence" if in_mapping and isinstance(token, BlockEntryToken) else "scalar"
