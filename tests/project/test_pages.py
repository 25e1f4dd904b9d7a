"""How tests read a page: its sections, tables and blocks of code."""

import pytest

from tests.pages import Page

TEXT = """\
# Roll back

Before.

## Steps

```bash
# not a heading
| `not` | a table |
```

| name | what it is |
|---|:--|
| `kept` | a \\| b |
| `left` or `gone` | c |

### Details

<!-- sample -->
```yaml
a: 1
```
<!-- /sample -->

## Next

| a line with a pipe, but no table
"""
PAGE = Page("a.md", TEXT)


def test_section_ends_at_next_heading_of_its_level() -> None:
    section = PAGE.section("Steps")
    assert section.text.startswith("\n```bash\n# not a heading\n")
    assert section.text.endswith("<!-- /sample -->\n\n")
    assert PAGE.section("Details").rows == []
    assert PAGE.section("Next").text == TEXT.partition("## Next\n")[2]
    assert PAGE.section("Roll back").text == TEXT.partition("\n")[2]


def test_rows_are_those_of_tables_outside_of_code() -> None:
    assert PAGE.rows == [["`kept`", "a \\| b"], ["`left` or `gone`", "c"]]
    assert PAGE.names == ["kept"]


def test_blocks_of_one_language_or_of_all() -> None:
    assert PAGE.blocks("yaml") == ["a: 1\n"]
    assert len(PAGE.blocks()) == 2
    assert PAGE.block("sample") == "a: 1\n"


@pytest.mark.parametrize("ask", [PAGE.section, PAGE.marked, PAGE.block])
def test_part_that_does_not_exist_is_error(ask) -> None:
    with pytest.raises(AssertionError, match=r"a\.md has no .* 'not a heading'"):
        ask("not a heading")
