"""The figures on the page `performance`: the table that `run.py --write` keeps."""

import datetime as dt
import os
import platform
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import bridge
from tests.bench.measure import Result

PAGE: Final = Path(bridge.__file__).parent / "help" / "performance.md"
BLOCK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)


def figures(results: Sequence[Result], today: dt.date, before: str = "") -> str:
    """Format a table of results, and on what kind of machine and when they were measured.

    Rows of the table `before` stay if it comes from the same kind of machine and the same release. A row is the
    same as an earlier one if its title is, up to a semicolon: counts of requests come after it.
    """
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    opening = f"Measured with {machine}, bridge {bridge.__version__}."
    rows = dict(_rows(before)) if before.startswith(opening) else {}
    for result in results:
        title = result.contest.title
        rows[title.partition(";")[0]] = f"| {title} | {compared(result)} | {peaks(result)} | {today:%Y-%m-%d} |"
    head = ["| row | ratio (least to most) | peak memory | measured on |", "|---|---|---|---|"]
    return "\n".join([opening, "", *head, *rows.values(), ""])


def _rows(table: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the line of each row; a title may contain an escaped bar."""
    for line in table.splitlines()[4:]:
        cells = re.split(r"(?<!\\)\|", line)
        yield cells[1].strip().partition(";")[0], line


def compared(result: Result) -> str:
    """Format the median of the comparisons, with the least and the most."""
    found = result.compared()
    if result.contest.as_difference:
        least, middle, most = (f"{1000 * one:+.0f}" for one in (min(found), median(found), max(found)))
        return f"{middle} ms ({least} to {most})"
    return f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def peaks(result: Result) -> str:
    """Format the memory that both sides need."""
    ours, theirs = result.medians()
    return f"{ours.peak / 2**20:.0f} MiB, peer {theirs.peak / 2**20:.0f} MiB"


def replaced(page: str, block: str) -> str:
    """Return the page with another block."""
    (found,) = BLOCK.finditer(page)
    return page[: found.start()] + block + page[found.end() :]


def write(results: Sequence[Result]) -> None:
    """Put the results into the table on the page, in the place of earlier ones of the same rows."""
    text = PAGE.read_text()
    (before,) = BLOCK.findall(text)
    PAGE.write_text(replaced(text, figures(results, dt.datetime.now(dt.UTC).date(), before)))
