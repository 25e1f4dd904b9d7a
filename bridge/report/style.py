"""Lines up columns, and colours text on a terminal."""

import os
from collections.abc import Sequence
from typing import Final, NamedTuple, TextIO

from bridge.report import streams

COLOURS: Final = {"+": "32", "~": "33", "!": "35", "-": "31", "?": "2"}
USUAL_WIDTH: Final = 80
"""Columns of a terminal that does not report its width."""
GAP = "  "
INDENT = "    "


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
    return Style(_is_coloured(stream))


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


def table(rows: Sequence[Sequence[str]]) -> str:
    """Format the rows, the first of which is the heading, with every column as wide as its widest cell.

    If the terminal is too narrow, the widest columns go below their row, each cell with its heading in front.
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    below = _below(widths, width_of(streams.report()))
    lines = []
    for number, row in enumerate(rows):
        cells = [f"{cell:<{widths[index]}}" for index, cell in enumerate(row) if index not in below]
        lines.append(GAP.join(cells).rstrip())
        if number:
            lines += [f"{INDENT}{rows[0][index]}: {row[index]}" for index in below if row[index] not in {"", "-"}]
    return "\n".join(lines) + "\n"


def _below(widths: Sequence[int], width: int | None) -> list[int]:
    """Return the columns to move out of the row so that the others fit; never the first."""
    kept = list(range(len(widths)))
    while width and len(kept) > 1 and sum(widths[index] + len(GAP) for index in kept) - len(GAP) > width:
        kept.remove(max(kept[1:], key=lambda index: widths[index]))
    return [index for index in range(len(widths)) if index not in kept]
