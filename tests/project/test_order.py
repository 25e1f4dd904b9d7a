from itertools import groupby
from typing import NamedTuple

from tests.order import shuffled


class Item(NamedTuple):
    path: str
    name: int


ITEMS = [Item(path, name) for path in "abcdefgh" for name in range(10)]


def files(items: list[Item]) -> list[str]:
    return [path for path, _ in groupby(items, lambda item: item.path)]


def test_order_has_all_tests_and_keeps_those_of_file_together() -> None:
    order = shuffled(ITEMS, "1")
    assert sorted(order) == ITEMS
    assert sorted(files(order)) == list("abcdefgh")


def test_files_and_their_tests_come_in_another_order() -> None:
    order = shuffled(ITEMS, "1")
    assert files(order) != list("abcdefgh")
    assert [item for item in order if item.path == "a"] != ITEMS[:10]


def test_seed_always_gives_same_order_and_another_one_another() -> None:
    assert shuffled(ITEMS, "1") == shuffled(ITEMS, "1")
    assert shuffled(ITEMS, "1") != shuffled(ITEMS, "2")
