"""Colour on a terminal, plain text everywhere else (https://no-color.org)."""

import os
from typing import Final, NamedTuple, TextIO

COLOURS: Final = {"+": "32", "~": "33", "!": "35", "-": "31", "?": "2"}
USUAL_WIDTH: Final = 80
"""Columns of a terminal that does not report its width."""


class Style(NamedTuple):
    """How to format text for a stream."""

    colour: bool

    def bold(self, text: str) -> str:
        """Format a heading."""
        return f"\033[1m{text}\033[0m" if self.colour else text

    def by_mark(self, mark: str, text: str) -> str:
        """Format a line in the colour of its mark."""
        code = COLOURS.get(mark)
        return f"\033[{code}m{text}\033[0m" if self.colour and code else text


def style_of(stream: TextIO) -> Style:
    """Return the style for a stream."""
    return Style(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")


def width_of(stream: TextIO) -> int | None:
    """Return a terminal's number of columns, or None if the stream is not a terminal and lines may be long."""
    if not stream.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    except OSError:
        return USUAL_WIDTH
