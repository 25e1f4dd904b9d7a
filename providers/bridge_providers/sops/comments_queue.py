"""Hands out a YAML text's tokens with the comments that come with them, as go.yaml.in/yaml/v3 does (parserc.go)."""

from dataclasses import dataclass, field
from typing import Final

from yaml import BlockEndToken, BlockMappingStartToken, BlockSequenceStartToken, Token

from bridge_providers.sops.comments_scan import Scan


@dataclass(eq=False, slots=True)
class Node:
    """A node with its comments: lines that begin with `#`."""

    kind: str  # "scalar", "mapping", "sequence", "alias" or "document"
    head: str = ""
    line: str = ""
    foot: str = ""
    children: "list[Node]" = field(default_factory=list)
    """Of a mapping: keys and values by turns; of an alias: its node."""


class Queue:
    """The tokens, and the comments that have come so far, until a node takes them."""

    def __init__(self, scan: Scan) -> None:
        self._tokens: Final = scan.tokens
        self._comments: Final = scan.comments
        self._token = 0
        self._comment = 0
        self._waiting: dict[str, list[str]] = {"head": [], "line": [], "foot": []}
        self._stem = ""

    def peek(self) -> Token:
        """Return the next token, and let the comments come that do not belong to a later one."""
        token, start = self._tokens[self._token]
        while self._comment < len(self._comments) and start >= self._comments[self._comment].token:
            comment = self._comments[self._comment]
            if comment.kind == "head" and isinstance(token, BlockEndToken):
                break
            self._waiting[comment.kind].append(comment.text)
            self._comment += 1
        return token

    def skip(self) -> None:
        """Go behind the token that was seen last."""
        self._token += 1

    def next(self) -> Token:
        """Go behind the token that was seen last, and see the one that follows."""
        self._token += 1
        return self.peek()

    def next_behind_dash(self) -> Token:
        """Go behind the dash of a list's item. What stood above it is the head of a block that begins there."""
        above = self._waiting["head"]
        count = len(above)
        token = self.next()
        if count and isinstance(token, (BlockSequenceStartToken, BlockMappingStartToken)):
            self._stem = "\n".join(above[:count])
            del above[:count]
        return token

    def take_stem(self, node: Node) -> None:
        """Give a block what stood above its dash."""
        node.head, self._stem = self._stem, ""

    def take(self, node: Node) -> None:
        """Give a node all that has come."""
        node.head, node.line, node.foot = map("\n".join, self._waiting.values())
        self._waiting = {"head": [], "line": [], "foot": []}
        self._stem = ""

    def take_end(self, node: Node) -> None:
        """Give a node what has come at its end, but keep its head."""
        head = node.head
        self.take(node)
        node.head = head

    def take_title(self, node: Node) -> None:
        """Give a document what is above the last empty line."""
        head = "\n".join(self._waiting["head"])
        above, separator, below = head.rpartition("\n\n")
        if head.endswith("\n"):
            node.head, self._waiting["head"] = head[:-1], []
        elif separator:
            node.head, self._waiting["head"] = above, [below]
