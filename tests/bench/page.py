"""The figures on the page `performance`: the block that `run.py --write` replaces."""

import datetime as dt
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import bridge
from tests.bench.measure import Result

PAGE: Final = Path(bridge.__file__).parent / "help" / "performance.md"
BLOCK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)


def figures(results: Sequence[Result], today: dt.date) -> str:
    """Format a table of results, and when and on what kind of machine they were measured."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [
        f"Measured on {today:%Y-%m-%d}: {machine}, bridge {bridge.__version__}.",
        "",
        "| row | ratio (least to most) | peak memory |",
        "|---|---|---|",
        *(f"| {result.contest.title} | {compared(result)} | {peaks(result)} |" for result in results),
    ]
    return "\n".join([*lines, ""])


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
    """Replace the figures on the page."""
    PAGE.write_text(replaced(PAGE.read_text(), figures(results, dt.datetime.now(dt.UTC).date())))
