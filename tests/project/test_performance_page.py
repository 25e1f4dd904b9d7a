"""The figures on the page `performance`, as `tests/bench/run.py --write` puts them there."""

import datetime as dt
import platform
import re
from pathlib import Path

import bridge
from tests.bench import page
from tests.bench.measure import Command, Contest, Result, Sample
from tests.pages import README, Page

COMMAND = Command([Path("/somewhere/bridge")], {})
PAIRS = [
    (Sample(1.0, 0.5, 40 << 20), Sample(2.0, 1.0, 50 << 20)),
    (Sample(3.0, 0.5, 42 << 20), Sample(2.0, 1.0, 50 << 20)),
]
SYNC = Result(Contest("sync, 5 objects", COMMAND, COMMAND, "0.8"), PAIRS)
START = Result(Contest("start", COMMAND, COMMAND, "-", as_difference=True), PAIRS)
FIGURES = page.figures([SYNC, START], dt.date(2026, 11, 29))


def test_figures_are_one_row_for_each_result() -> None:
    assert Page("figures", FIGURES).rows == [
        ["sync, 5 objects", "1.00 (0.50 to 1.50)", "41 MiB, peer 50 MiB", "2026-11-29"],
        ["start", "+0 ms (-1000 to +1000)", "41 MiB, peer 50 MiB", "2026-11-29"],
    ]


def test_rows_that_were_not_measured_again_stay() -> None:
    later = Page("figures", page.figures([START], dt.date(2026, 11, 30), FIGURES))
    assert [(row[0], row[3]) for row in later.rows] == [("sync, 5 objects", "2026-11-29"), ("start", "2026-11-30")]


def test_rows_of_another_release_go() -> None:
    other = FIGURES.replace(f"bridge {bridge.__version__}", "bridge 0.0.1")
    later = Page("figures", page.figures([START], dt.date(2026, 11, 30), other))
    assert [row[0] for row in later.rows] == ["start"]


def test_figures_say_on_what_they_were_measured_but_not_where() -> None:
    assert re.match(r"Measured with \d+ cores, \w+ \w+, Python 3\.\d+\.\d+\S*, bridge \S+\.\n", FIGURES)
    assert platform.node() not in FIGURES
    assert "/" not in FIGURES


def test_new_figures_replace_old_ones_and_nothing_else() -> None:
    before = page.PAGE.read_text()
    after = page.replaced(page.replaced(before, "old\n"), FIGURES)
    assert Page("after", after).marked("figures").text == FIGURES
    assert page.replaced(after, Page("before", before).marked("figures").text) == before


def test_readme_compares_with_external_secrets_as_page_does() -> None:
    rows = Page("figures", Page("page", page.PAGE.read_text()).marked("figures").text).rows
    how = "10 at once, its caches off"
    (row,) = [row for row in rows if row[0].startswith("first write of 200 Secrets") and how in row[0]]
    ours, theirs = re.findall(r"Vault requests: (\d+) against (\d+)", row[0])[0]
    claim = (
        f"For a first write of 200 Secrets from one path in Vault, bridge needs {row[1].split()[0]} of the time of"
        f" External Secrets, and {ours} requests to Vault instead of {int(theirs):,}"
        " (10 Secrets at once, its caches off)."
    )
    assert claim in " ".join(README.text.split())
