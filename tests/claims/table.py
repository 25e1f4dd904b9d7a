"""Holds README.md and the help pages to the table of what shows each of their promises.

    python -m tests.claims.table            what is missing; status 1 if anything is
    python -m tests.claims.table --write    the same, after writing the rows of new sentences, in the order of the page

The table has a file for each page, `PAGE.tsv`, with a line for each promise: how its sentence begins, a tab, and the
tests that show it, as `folder/test_file.py::test_name`. For a sentence that only looks like a promise, a reason comes
instead of tests, after `=`. `--write` adds a new sentence with `?`, and completes the name of a test to its path. A row
whose sentence has another beginning now is kept at the end, so that its tests can be moved to the new row.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.claims.sentences import promises, sentences
from tests.pages import HELP, ROOT, page

HERE: Final = Path(__file__).parent
TESTS: Final = ROOT / "tests"
NOT_YET: Final[tuple[str, ...]] = ()
"""Pages whose promises are not in the table yet. This list only becomes shorter."""
WITHOUT: Final = {
    "tested-with": "says what was tried; tests/project/test_tested_with.py compares its releases",
    "troubleshooting": "explains messages; tests/project/test_help_messages.py finds each of them in the program",
}
"""Pages that promise nothing of their own, and why."""
UNKNOWN: Final = "?"
_WORDS: Final = 6
"""How many words of a sentence a row has, unless more are needed to tell it from another one."""


class Row(NamedTuple):
    """What shows a promise: tests, or the reason why there is none."""

    start: str
    tests: tuple[str, ...] = ()
    reason: str = ""

    @property
    def line(self) -> str:
        """The row as it is in the file."""
        return f"{self.start}\t{f'= {self.reason}' if self.reason else ' '.join(self.tests) or UNKNOWN}"


def pages() -> list[str]:
    """Return the names of all pages that promise something, README.md first."""
    return ["README.md", *sorted(path.stem for path in HELP.glob("*.md") if path.stem not in WITHOUT)]


def file_of(name: str) -> Path:
    """Return the file with the rows of a page."""
    return HERE / f"{name.removesuffix('.md')}.tsv"


def rows_of(name: str) -> list[Row]:
    """Read the rows of a page."""
    file = file_of(name)
    return [_row(line) for line in file.read_text().splitlines() if line] if file.exists() else []


def _row(line: str) -> Row:
    start, _, shown = line.partition("\t")
    if shown.startswith("= "):
        return Row(start, reason=shown[2:])
    return Row(start, tuple(word for word in shown.split() if word != UNKNOWN))


def problems(name: str) -> Iterator[str]:
    """Yield what is wrong with the rows of a page."""
    every, rows = sentences(page(name)), rows_of(name)
    for row in rows:
        count = sum(one.startswith(row.start) for one in every)
        if count != 1:
            yield f"{name}: {count} sentences begin with: {row.start}"
        if not row.tests and not row.reason:
            yield f"{name}: no test yet shows: {row.start}"
        yield from (f"{name}: no such test: {test}" for test in row.tests if not exists(test))
    for promise in promises(page(name)):
        if not any(promise.startswith(row.start) for row in rows):
            yield f"{name}: no row for: {promise} (add one with `make claims`)"


def exists(test: str) -> bool:
    """Return whether pytest collects a test of this name."""
    path, _, name = test.partition("::")
    file = (ROOT if path.startswith("bridge/") else TESTS) / path
    return file.is_file() and name in _functions(file)


@cache
def _functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    nodes = [node for body in (tree.body, *(one.body for one in classes)) for node in body]
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def updated(name: str) -> list[Row]:
    """Return the rows of a page in its order, with one for each promise and complete names of tests."""
    every, rows = sentences(page(name)), rows_of(name)
    wanted = set(promises(page(name)))
    found: list[Row] = []
    for sentence in every:
        row = next((row for row in rows if sentence.startswith(row.start)), None)
        if row is not None or sentence in wanted:
            row = row or Row("")
            found.append(row._replace(start=_start(sentence, every), tests=tuple(map(_complete, row.tests))))
    lost = [row for row in rows if not any(one.startswith(row.start) for one in every)]
    return [*found, *lost]


def _start(sentence: str, every: list[str]) -> str:
    """Return the beginning of a sentence that no other one has."""
    words = sentence.split(" ")
    for count in range(min(_WORDS, len(words)), len(words)):
        start = " ".join(words[:count])
        if sum(one.startswith(start) for one in every) == 1:
            return start
    return sentence


def _complete(test: str) -> str:
    """Return the path and the name of a test whose name is unique, else the text as it is."""
    found = _places().get(test, [])
    return f"{found[0]}::{test}" if len(found) == 1 else test


@cache
def _places() -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for name in re.findall(r"^ *def (test_\w+)", file.read_text(), re.MULTILINE):
            places.setdefault(name, []).append(str(file.relative_to(TESTS)))
    return places


def main(arguments: list[str]) -> int:
    """Print what is missing, after writing new rows if that is wanted; return the exit status."""
    named = [name for name in pages() if name not in NOT_YET]
    if arguments == ["--write"]:
        for name in named:
            file_of(name).write_text("".join(f"{row.line}\n" for row in updated(name)))
    found = [problem for name in named for problem in problems(name)]
    count = sum(len(rows_of(name)) for name in named)
    sys.stdout.write("\n".join([*found, f"{count} sentences on {len(named)} pages, {len(found)} problems\n"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
