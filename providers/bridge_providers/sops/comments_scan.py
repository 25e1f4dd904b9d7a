"""Finds which token of a YAML text each comment belongs to, as the scanner of go.yaml.in/yaml/v3 3.0.4 does.

libyaml gives the same tokens, but no comments: these stand in the gaps between tokens.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from yaml import (
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
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
    StreamStartToken,
    Token,
    ValueToken,
)
from yaml._yaml import CParser

from bridge_providers.sops.comments_gap import Before, Gap
from bridge_providers.sops.comments_text import Comment, Text
from bridge_providers.sops.layout_yaml import end_of, start_of
from bridge_providers.sops.tree import MAX_VALUES

TOO_MANY: Final = f"it has more than {MAX_VALUES} of them"
_ODD: Final = re.compile("[\x85\u2028\u2029\ufeff]")
"""Line breaks and a mark of order that go-yaml looks into the midst of, as it looks ahead by bytes."""
_TOO_LONG: Final = re.compile(r"\s{500}")
"""go-yaml looks 512 bytes ahead for a comment, and forgets what it knew behind them."""
_NO_INDENT: Final = (DocumentStartToken, DocumentEndToken, StreamStartToken, StreamEndToken)
_OPENING: Final = (FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING: Final = (FlowMappingEndToken, FlowSequenceEndToken)
_BLOCKS: Final = (BlockMappingStartToken, BlockSequenceStartToken)


class Unfollowable(Exception):
    """The comments of a text cannot be placed with certainty; says why, and nothing of the text."""


class Placed(NamedTuple):
    """A token of libyaml's, and where go-yaml has it begin: the end of a block is elsewhere."""

    token: Token
    start: int


class Scan:
    """The tokens and comments of one text, both in the order in which they are found."""

    def __init__(self, text: str) -> None:
        """Scan a text that is sound YAML; Unfollowable where it is not certain that go-yaml reads it alike."""
        if _TOO_LONG.search(text):
            raise Unfollowable("it has hundreds of blanks in a row")
        self.tokens: Final[list[Placed]] = []
        self.comments: Final[list[Comment]] = []
        self._text: Final = Text(text)
        self._indents: Final = [-1]
        self._flow = 0
        self._at = self._behind = 0  # where scanning goes on, and where the last token ends
        self._run()

    def _run(self) -> None:
        waiting: list[Token] = []  # tokens without width, which come to light with the next that has one
        ends = 0
        for token in _tokens(self._text.text):
            if isinstance(token, BlockEndToken):
                ends += 1
            elif isinstance(token, (*_BLOCKS, KeyToken)) and start_of(token) == end_of(token):
                waiting.append(token)
            else:
                self._take(token, waiting, ends)
                waiting, ends = [], 0

    def _take(self, token: Token, waiting: list[Token], ends: int) -> None:
        """Scan up to a token, and what follows it on its line."""
        if isinstance(token, DirectiveToken):
            raise Unfollowable("it has a directive (`%`)")
        start, blocks = start_of(token), len(self._indents)
        if _ODD.search(self._text.text, self._behind, start):
            raise Unfollowable("it has a line break other than LF and CRLF, or a mark of byte order within")
        self._gap(start)
        if not self._flow:
            self._unroll(self._text.column(start), self._at)
            if isinstance(token, _NO_INDENT):
                self._unroll(-1, start)
        if blocks - len(self._indents) != ends:
            raise Unfollowable("its blocks do not end where they seem to")
        previous = self.tokens[-1].start if self.tokens else start
        for one in [*waiting, token]:
            self.tokens.append(Placed(one, start_of(one)))
            if isinstance(one, _BLOCKS):
                self._indents.append(self._text.column(start_of(one)))
        self._follow(token, previous)

    def _gap(self, end: int) -> None:
        at = self._text.text.find("#", self._at, end)
        if at < 0:
            return
        last = self.tokens[-1]
        if isinstance(last.token, FlowEntryToken):
            last = self.tokens[-2]
        before = Before(self._at, last.start, isinstance(last.token, ValueToken), self._indents[-1], self._flow > 0)
        for comment in Gap(self._text, at, before).comments():
            self._add(comment)

    def _unroll(self, column: int, scanned: int) -> None:
        """End the blocks that are indented further than a token; before comments that are in line with the block."""
        block = scanned - 1
        while self._indents[-1] > column:
            stop = block
            for comment in reversed(self.comments):
                if comment.end < stop:
                    break
                if comment.column == self._indents[-1] + 1:
                    block = comment.start
                stop = comment.scan
            self.tokens.append(Placed(BlockEndToken(None, None), block))
            self._indents.pop()

    def _follow(self, token: Token, previous: int) -> None:
        """Go behind a token, and take the comment that stands there on the same line."""
        belongs_before = isinstance(token, FlowEntryToken if self._flow else ValueToken)
        self._flow += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        self._at = self._behind = end_of(token)
        if isinstance(token, ScalarToken):
            self._behind_scalar(token)
        if isinstance(token, (*_NO_INDENT, BlockEntryToken)) or self._text.newlines(self._at):
            return
        at = self._text.comment_after(self._at)
        if at is not None:
            self._line_comment(at, previous if belongs_before else start_of(token))
            self._at = self._text.line_end(at)

    def _behind_scalar(self, scalar: ScalarToken) -> None:
        if scalar.plain:
            self._at = self._text.after_space(self._at)  # as far as the scanner looks for more of its text
        elif scalar.style in {"|", ">"}:
            start = start_of(scalar)
            at = self._text.text.find("#", start, self._text.line_end(start))
            if at >= 0:
                self._line_comment(at, start)

    def _line_comment(self, at: int, token: int) -> None:
        self._add(Comment("line", self._text.text[at : self._text.line_end(at)], token))

    def _add(self, comment: Comment) -> None:
        if len(self.comments) >= MAX_VALUES:
            raise Unfollowable(TOO_MANY)
        self.comments.append(comment)


def _tokens(text: str) -> Iterator[Token]:
    """Yield libyaml's tokens."""
    parser = CParser(text.encode())
    while (token := parser.get_token()) is not None:
        yield token
