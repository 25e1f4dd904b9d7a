"""Wraps Markdown to the width of a terminal: paragraphs, list items and tables."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from bridge.report.style import GAP, INDENT

ROOM: Final = 36
"""The columns that the last cells of a table need at least, if they are longer."""

_ITEM: Final = re.compile(r" *(?:- |\d+\. )")
_CELL: Final = re.compile(r"(?<!\\)\|")
_RULE: Final = re.compile(r"\|[-:| ]+\|")


def wrapped(text: str, width: int) -> str:
    """Wrap a text without blocks of code. Headings stay as they are."""
    parts: list[str] = []
    for is_table, group in groupby(text.split("\n"), lambda line: line.startswith("|")):
        lines = list(group)
        parts += _table(lines, width) if is_table else _prose(lines, width)
    return "\n".join(parts)


def _prose(lines: Sequence[str], width: int) -> Iterator[str]:
    blocks: list[str] = []
    for line in lines:
        if blocks and _is_prose(blocks[-1]) and _is_prose(line) and not _ITEM.match(line):
            blocks[-1] += f" {line.strip()}"
        else:
            blocks.append(line)
    for block in blocks:
        item = _ITEM.match(block)
        yield _fill(block, width, " " * len(item[0]) if item else "") if _is_prose(block) else block


def _is_prose(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _table(lines: Sequence[str], width: int) -> Iterator[str]:
    """Yield columns if there is room for the last, else each row as its first cell, with the others below it."""
    head, *rows = [_cells(line) for line in lines if not _RULE.fullmatch(line)]
    *widths, last = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    indent = sum(widths) + len(GAP) * len(widths)
    if width - indent < min(last, ROOM):
        yield from _listed(head[1:], rows, width)
        return
    for row in (head, *rows):
        cells = "".join(f"{cell:{size}}{GAP}" for cell, size in zip(row, widths, strict=False))
        yield _fill(cells + row[-1], width, " " * indent)


def _listed(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for number, (first, *others) in enumerate(rows):
        if number:
            yield ""
        yield _fill(first, width, "")
        for name, cell in zip(names, others, strict=True):
            if cell:
                yield _fill(f"{INDENT}{name}: {cell}", width, INDENT + "  ")


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip()[1:-1])]


def _fill(text: str, width: int, indent: str) -> str:
    from textwrap import fill  # noqa: PLC0415 - start-up: only a terminal needs it

    return fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
