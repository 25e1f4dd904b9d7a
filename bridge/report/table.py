"""Lines up cells in columns."""

from collections.abc import Sequence

from bridge.report import streams
from bridge.report.style import width_of

GAP = "  "
INDENT = "    "


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
