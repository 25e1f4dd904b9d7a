from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import spread
from tests.spread import APART, LONG, Spread, long_first

ROOT = Path(__file__).parents[2]
PLACES = ("tests/a.py", LONG[1], "tests/b.py", LONG[0])


class Item(NamedTuple):
    path: Path
    name: int


def test_long_files_come_first_and_the_others_stay_in_their_order() -> None:
    items = [Item(ROOT / place, number) for place in PLACES for number in range(3)]
    order = long_first(items, ROOT)
    assert [path for path, _ in groupby(order, lambda item: item.path)] == [
        ROOT / place for place in (LONG[0], LONG[1], "tests/a.py", "tests/b.py")
    ]
    assert [item.name for item in order] == [0, 1, 2] * 4


def test_files_that_are_named_exist() -> None:
    assert [name for name in {*LONG, *APART} if not (ROOT / name).is_file()] == []


def test_tests_of_file_stay_together_unless_they_share_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "APART", frozenset({"tests/b.py"}))
    scope = Spread.__new__(Spread)._split_scope
    assert scope("tests/a.py::A::test[x::y]") == scope("tests/a.py::test") == "tests/a.py"
    assert scope("tests/b.py::test[1]") != scope("tests/b.py::test[2]")
