"""Pages that people read, such as README.md and the help pages, in the parts that tests compare with the program.

page("monitoring").section("Status for scripts").names     the names that its tables explain
page("sops").marked("sops-keys").rows                      the table between <!-- sops-keys --> and <!-- /sops-keys -->
README.block("plan")                                       the only block of code between two such marks
page("CONTRIBUTING.md").blocks("yaml")                     all blocks of code in YAML
help_block("migrating")                                    a block of whichever help page has it
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
HELP = ROOT / "bridge" / "help"
"""The folder of the pages that `bridge help` shows."""


@dataclass(frozen=True)
class Page:
    """A page, or a part of one."""

    name: str
    text: str

    def section(self, heading: str) -> "Page":
        """Return what follows a heading, up to the next heading of its level or above."""
        level, start, end = 0, None, None
        for offset, line in self._lines():
            found = re.fullmatch(r"(#+) (.*)", line)
            if not found:
                continue
            if start is not None and len(found[1]) <= level:
                end = offset
                break
            if start is None and found[2] == heading:
                level, start = len(found[1]), offset + len(line) + 1
        assert start is not None, f"{self.name} has no heading {heading!r}"
        return Page(f"{self.name}, {heading}", self.text[start:end])

    def marked(self, name: str) -> "Page":
        """Return what is between two comments of a name: <!-- name --> and <!-- /name -->."""
        found = re.search(rf"<!-- {re.escape(name)} -->\n(.*?)<!-- /{re.escape(name)} -->", self.text, re.DOTALL)
        assert found, f"{self.name} has no part {name!r}"
        return Page(f"{self.name}, {name}", found[1])

    def block(self, name: str) -> str:
        """Return the only block of code of a marked part."""
        part = self.marked(name)
        found = part.blocks()
        assert len(found) == 1, f"{part.name}: {len(found)} blocks of code"
        return found[0]

    def blocks(self, language: str | None = None) -> list[str]:
        """Return the text of all blocks of code, or of those in one language."""
        found = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.DOTALL | re.MULTILINE)
        return [text for word, text in found if language in (None, word)]

    @property
    def rows(self) -> list[list[str]]:
        """The cells of all tables, without their heads."""
        rows: list[list[str]] = []
        head = False
        for _, line in self._lines():
            if not line.startswith("|"):
                head = False
            elif re.fullmatch(r"\|[-:| ]+\|", line):
                head = True
            elif head:
                rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
        return rows

    @property
    def names(self) -> list[str]:
        """What the tables explain: each name in code that is alone in the first cell of a row."""
        found = [re.fullmatch(r"`([^`]+)`", row[0]) for row in self.rows]
        return [match[1] for match in found if match]

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yield each line outside of blocks of code, after the offset where it begins."""
        offset, inside = 0, False
        for line in self.text.split("\n"):
            if line.startswith("```"):
                inside = not inside
            elif not inside:
                yield offset, line
            offset += len(line) + 1


def page(name: str) -> Page:
    """Read a help page by its topic, or another page by its path in the repository."""
    path = ROOT / name if name.endswith(".md") else HELP / f"{name}.md"
    return Page(name, path.read_text())


def help_pages() -> list[Page]:
    """Read every help page."""
    return [page(path.stem) for path in sorted(HELP.glob("*.md"))]


def help_block(name: str) -> str:
    """Return the block of code of this name, which is on exactly one help page."""
    (found,) = [one for one in help_pages() if f"<!-- {name} -->" in one.text]
    return found.block(name)


README = page("README.md")
