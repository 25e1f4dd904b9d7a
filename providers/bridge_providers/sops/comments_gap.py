"""Reads the comments between two tokens of a YAML text, as yaml_parser_scan_comments does in go.yaml.in/yaml/v3.

Whether a comment is the foot of what stands before it or the head of what follows is told by the first empty line
and by its column.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from bridge_providers.sops.comments_text import BLANKS, BREAKS, Comment, Text


class Before(NamedTuple):
    """What is known where the scanner begins to look for the next token."""

    at: int
    token: int  # where the last token begins
    is_value: bool  # whether that is the colon of a key
    indent: int  # the column of the innermost block
    in_flow: bool


class Gap:
    """The scanner's state in one gap, which begins with the first `#`."""

    def __init__(self, text: Text, at: int, before: Before) -> None:
        self._text: Final = text
        self._before: Final = before
        self._indent: Final = max(before.indent, 0)
        self._foot_line: Final = _foot_line(text, at, before)
        self._at = at
        self._line, self._column = text.line(at), text.column(at)
        self._is_close = text.newlines(at) <= 1
        self._scan, self._token = before.at, before.token
        self._lines: list[str] = []
        self._start, self._start_line, self._start_column = at, self._line, 0

    def comments(self) -> Iterator[Comment]:
        """Yield the comments up to the next token."""
        after_empty = False
        while True:
            self._column += 1
            char = self._text.text[self._at : self._at + 1]
            closes = self._before.in_flow and char in {"]", "}"}
            if char in {*BLANKS}:
                self._at += 1
            elif closes or not char or char in BREAKS:
                if closes or not after_empty:
                    yield from self._at_empty_line(closes=closes, last=not char)
                if closes or not char:
                    break
                self._is_close, after_empty = False, True
                self._at, self._line, self._column = self._at + 1, self._line + 1, 0
            else:
                if self._lines and self._is_left() and self._column != self._start_column:
                    yield self._foot()
                if char != "#":
                    break
                after_empty = False
                self._take()
        if self._lines:
            yield self._comment("head", self._start, self._at - 1)

    def _is_left(self) -> bool:
        return self._column - 1 < self._indent

    def _at_empty_line(self, *, closes: bool, last: bool) -> Iterator[Comment]:
        is_left = self._start_column - 1 < self._indent
        is_below = self._start_line == self._foot_line and not self._before.is_value
        if closes or (self._is_close and (is_below or is_left)):
            if self._lines:
                if is_left:  # so it has nothing to do with the token before
                    self._token = self._start
                yield self._foot()
        elif self._lines and not last:
            self._lines.append("")

    def _foot(self) -> Comment:
        found = self._comment("foot", self._token, self._at)
        self._scan = self._token = self._at
        self._lines = []
        return found

    def _comment(self, kind: str, token: int, end: int) -> Comment:
        return Comment(kind, "\n".join(self._lines), token, self._scan, self._start, self._start_column, end)

    def _take(self) -> None:
        """Take the rest of the line. The line break behind it is passed over without being counted."""
        if not self._lines:
            self._start, self._start_line, self._start_column = self._at, self._line, self._column
        end = self._text.line_end(self._at)
        self._lines.append(self._text.text[self._at : end])
        self._at, self._line, self._column = end + 1, self._text.line(end), 0


def _foot_line(text: Text, at: int, before: Before) -> int:
    """Return the line where a comment has to begin to be a foot."""
    if text.line(before.at) == 0:
        return -1
    newlines = text.newlines(at)
    return text.line(at) - newlines + 1 + (newlines == 0 and text.column(at) > 1)
