"""Markdown on a terminal: tables become columns, or a list if they are too wide."""

from bridge.report.wrapping import wrapped

TABLE = """\
| status | meaning |
|---|---|
| 0 | done |
| 130, 143 | interrupted, terminated, its terminal was closed |
"""


def test_table_that_fits_becomes_columns() -> None:
    assert wrapped(TABLE, 80) == (
        "status    meaning\n0         done\n130, 143  interrupted, terminated, its terminal was closed\n"
    )


def test_long_last_cell_is_wrapped_within_its_column() -> None:
    assert wrapped(TABLE, 50).splitlines()[2:] == [
        "130, 143  interrupted, terminated, its terminal",
        "          was closed",
    ]


def test_table_without_room_becomes_list() -> None:
    table = TABLE.replace("| 0 |", "| `a\\|b`, and something else that is long |").replace("done", "")
    assert wrapped(table, 40).splitlines() == [
        "`a|b`, and something else that is long",
        "",
        "130, 143",
        "    meaning: interrupted, terminated,",
        "      its terminal was closed",
    ]


def test_text_around_table_is_wrapped_as_before() -> None:
    assert wrapped("one two\nthree\n\n| a |\n|---|\n| b |\n\n- four five\n", 8) == (
        "one two\nthree\n\na\nb\n\n- four\n  five\n"
    )
