"""README.md is short, and leads to the help pages."""

import re

from bridge.commands.help import TOPICS
from tests.pages import README


def test_readme_fits_on_two_screens() -> None:
    assert len(README.text.splitlines()) <= 200


def test_table_of_pages_lists_every_page_by_its_command() -> None:
    rows = README.section("Which page do you need?").rows
    assert [cells[1] for cells in rows] == [f"[`bridge help {name}`](bridge/help/{name}.md)" for name in TOPICS]


def test_link_to_help_page_reads_as_its_command() -> None:
    """A relative link does not work on a package index, but its text does."""
    links = re.findall(r"\[([^\[\]]+)\]\(bridge/help/([\w-]+)\.md\S*\)", README.text)
    assert links
    assert [text for text, name in links if text != f"`bridge help {name}`"] == []
