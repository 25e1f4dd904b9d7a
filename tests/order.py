"""Another order of the tests, which shows those that need what another one has left behind.

BRIDGE_TEST_ORDER is the seed, any text; the order is the same for the same seed, also in each process of pytest-xdist.
"""

import os
import random
from collections.abc import Iterable
from typing import Any, Final

VARIABLE: Final = "BRIDGE_TEST_ORDER"


def chosen() -> str | None:
    """Return the seed of this run, or None if the tests run as they are written."""
    return os.environ.get(VARIABLE)


def shuffled(items: Iterable[Any], seed: str) -> list[Any]:
    """Return the tests with the files in another order, and each file's tests too; those of a file stay together."""
    chance = random.Random(seed)
    files: dict[Any, list[Any]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    groups = list(files.values())
    chance.shuffle(groups)
    for group in groups:
        chance.shuffle(group)
    return [item for group in groups for item in group]
