"""Each promise of README.md and the help pages has a row in the table, which names the tests that show it."""

import pytest

from tests.claims import table
from tests.claims.sentences import is_promise, sentences
from tests.pages import Page

TEXT = """\
# A topic

What the page is about; it never counts.

bridge reads a file. It keeps **all** its [bytes](a.md), and
never writes it. Write a value.

- **No value is shown.** Run `bridge plan`; bridge warns about it.

```
bridge never looks here.
```

| key | meaning |
|---|---|
| it must not count | an unknown key is an error |
| promise | it is refused `tests/sync` |
"""
SENTENCES = [
    "bridge reads a file.",
    "It keeps all its bytes, and never writes it.",
    "Write a value.",
    "No value is shown.",
    "Run `bridge plan`; bridge warns about it.",
    "an unknown key is an error",
]


@pytest.mark.parametrize("name", [name for name in table.pages() if name not in table.NOT_YET])
def test_every_promise_of_page_has_row_with_tests_that_exist(name: str) -> None:
    assert list(table.problems(name)) == []


def test_pages_without_rows_are_listed() -> None:
    assert {name for name in table.pages() if not table.file_of(name).exists()} == set(table.NOT_YET)


def test_sentences_are_read_without_markup_code_and_summary() -> None:
    assert sentences(Page("a", TEXT)) == SENTENCES


def test_instructions_are_no_promises_unless_they_say_what_bridge_does() -> None:
    assert [one for one in SENTENCES if not is_promise(one)] == ["Write a value."]


@pytest.fixture
def rows(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A table with one page, whose rows a test gives."""
    monkeypatch.setattr(table, "HERE", tmp_path)
    monkeypatch.setattr(table, "page", lambda name: Page(name, TEXT))
    return lambda *lines: (tmp_path / "a.tsv").write_text("".join(f"{line}\n" for line in lines))


OWN = "project/test_claims.py::test_sentences_are_read_without_markup_code_and_summary"
ALL = (
    f"bridge reads a file.\t{OWN}",
    f"It keeps all its\t{OWN}",
    "No value is\t= a limit",
    f"Run `bridge plan`;\t{OWN}",
    f"an unknown key\t{OWN}",
)


def test_whole_table_has_no_problem(rows) -> None:
    rows(*ALL)
    assert list(table.problems("a")) == []
    assert table.updated("a") == [table._row(line) for line in table_lines()]


def table_lines() -> list[str]:
    return ["\t".join((start, shown.split("\t")[1])) for start, shown in zip(STARTS, ALL, strict=True)]


STARTS = (
    "bridge reads a file.",
    "It keeps all its bytes, and",
    "No value is shown.",
    "Run `bridge plan`; bridge warns about",
    "an unknown key is an error",
)


@pytest.mark.parametrize(
    ("number", "line", "told"),
    [
        (0, None, "a: no row for: bridge reads a file."),
        (0, "bridge writes a file.\t= x", "a: 0 sentences begin with: bridge writes a file."),
        (1, f"It keeps all its\t{OWN}x", f"a: no such test: {OWN}x"),
        (1, "It keeps all its\tproject/test_nothing.py::test_x", "a: no such test: project/test_nothing.py::test_x"),
        (2, "No value is\t?", "a: no test yet shows: No value is"),
        (2, "No value is", "a: no test yet shows: No value is"),
    ],
)
def test_what_is_wrong_with_row_is_told(rows, number: int, line: str | None, told: str) -> None:
    rows(*ALL[:number], *([] if line is None else [line]), *ALL[number + 1 :])
    assert any(problem.startswith(told) for problem in table.problems("a"))


def test_new_sentence_gets_row_and_name_of_test_its_path(rows) -> None:
    name = OWN.partition("::")[2]
    rows(f"an unknown key\t{name}", "It is gone\t= a limit")
    updated = table.updated("a")
    assert [row.line for row in updated] == [
        *(f"{start}\t?" for start in STARTS[:-1]),
        f"an unknown key is an error\t{OWN}",
        "It is gone\t= a limit",
    ]
