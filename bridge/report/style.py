"""Lines up columns, and colours text on a terminal."""

import os
import time
from collections.abc import Sequence
from typing import Final, TextIO

from bridge.named_tuple import NamedTuple
from bridge.report import streams
from bridge.report.folding import ago, columns, fold, padded

COLOURS: Final = {"+": "32", "~": "33", "!": "35", "-": "31", "?": "2"}
KINDS: Final = {"error": "1;31", "warning": "33", "hint": "1"}
"""The colours of messages."""
USUAL_WIDTH: Final = 80
"""Columns of a terminal that does not report its width."""
GAP = "  "
INDENT = "    "


class Style(NamedTuple):
    """How to format text for a stream.

    `width` is the number of columns, or None if lines may be long. `now` is the time that other times are shown
    relative to, or None if they are shown as they are.
    """

    colour: bool
    width: int | None = None
    now: float | None = None

    def lines(self, text: str, code: str = "", indent: int | None = None) -> str:
        """Format a line, folded to the width; `code` is the colour."""
        return "\n".join(self.paint(code, line) for line in fold(text, self.width, indent))

    def paint(self, code: str, text: str) -> str:
        """Colour text."""
        return f"\033[{code}m{text}\033[0m" if self.colour and code and text else text

    def bold(self, text: str) -> str:
        """Format a heading."""
        return self.lines(text, "1")

    def by_mark(self, mark: str, text: str) -> str:
        """Format a line in the colour of its mark."""
        return self.lines(text, COLOURS.get(mark, ""))

    def time(self, text: str) -> str:
        """Format a time (RFC 3339): relative on a terminal."""
        return ago(text, self.now)


PLAIN: Final = Style(colour=False)


def style_of(stream: TextIO) -> Style:
    """Return the style for a stream."""
    width = width_of(stream)
    return Style(_is_coloured(stream), width, None if width is None else time.time())


def _is_coloured(stream: TextIO) -> bool:
    """Decide by --color, else by the variables of no-color.org and force-color.org, else by the terminal."""
    choice = streams.COLOR.get()
    if choice != "auto" or os.environ.get("NO_COLOR"):
        return choice == "always"
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


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


def table(rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Format the rows, the first of which is the heading, with every column as wide as its widest cell.

    If the terminal, or `width`, is too narrow, the widest columns go below their row, each cell with its heading in
    front.
    """
    limit = width or width_of(streams.report())
    widths = [max(columns(row[index]) for row in rows) for index in range(len(rows[0]))]
    below = _below(widths, limit)
    lines: list[str] = []
    for number, row in enumerate(rows):
        cells = [padded(cell, widths[index]) for index, cell in enumerate(row) if index not in below]
        lines += fold(GAP.join(cells).rstrip(), limit)
        if number:
            cells = [f"{rows[0][index]}: {row[index]}" for index in below if row[index] not in {"", "-"}]
            lines += [line for cell in cells for line in fold(INDENT + cell.removeprefix(": "), limit, 2 * len(INDENT))]
    return "\n".join(lines) + "\n"


def _below(widths: Sequence[int], width: int | None) -> list[int]:
    """Return the columns to move out of the row so that the others fit; never the first."""
    kept = list(range(len(widths)))
    while width and len(kept) > 1 and sum(widths[index] + len(GAP) for index in kept) - len(GAP) > width:
        kept.remove(max(kept[1:], key=lambda index: widths[index]))
    return [index for index in range(len(widths)) if index not in kept]
