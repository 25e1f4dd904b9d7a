"""Where things stand in a YAML text, as go.yaml.in/yaml/v3 counts; and the comments that its scanner finds."""

import re
from bisect import bisect_right
from typing import Final, NamedTuple

BLANKS: Final = " \t"
BREAKS: Final = "\r\n\x85\u2028\u2029"
_BREAK: Final = re.compile(f"\r\n|[{BREAKS}]")
_LINE_END: Final = re.compile(f"[{BREAKS}]|\\Z")
_SPACE: Final = re.compile(f"[{BLANKS}{BREAKS}]*")


class Comment(NamedTuple):
    """Lines of comments with their `#`, for the first token that does not begin before `token`.

    The scanner read from `scan` to `end` for them (0 for the end of a line); they begin at `start`, in a column
    counted from 1.
    """

    kind: str  # "head", "line" or "foot"
    text: str
    token: int
    scan: int = 0
    start: int = 0
    column: int = 0
    end: int = 0


class Text:
    """One text."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self._starts: Final = [0, *(found.end() for found in _BREAK.finditer(text))]

    def line(self, at: int) -> int:
        """Return the number of a character's line, from 0."""
        return bisect_right(self._starts, at) - 1

    def column(self, at: int) -> int:
        """Return a character's column, from 0."""
        return at - self._starts[self.line(at)]

    def line_end(self, at: int) -> int:
        """Return where the line of a character ends, before its line break."""
        found = _LINE_END.search(self.text, at)
        assert found is not None  # the text ends somewhere
        return found.start()

    def after_space(self, at: int) -> int:
        """Return where the next character is that is neither a blank nor a line break."""
        found = _SPACE.match(self.text, at)
        assert found is not None  # it may be empty
        return found.end()

    def newlines(self, at: int) -> int:
        """Count the line breaks since the last character that is neither a blank nor a line break."""
        start = at
        while start and self.text[start - 1] in BLANKS + BREAKS:
            start -= 1
        return len(_BREAK.findall(self.text, start, at))

    def comment_after(self, at: int) -> int | None:
        """Return where a comment begins that follows on the same line."""
        while self.text[at : at + 1] in {*BLANKS}:
            at += 1
        return at if self.text[at : at + 1] == "#" else None
