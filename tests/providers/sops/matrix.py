"""What is tried: every format, for every kind of key, with every release of sops at hand, in both directions."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.providers.sops import record
from tests.providers.sops.cases import SMALL

RELEASES: Final = ("3.8.1", "3.11.0", "3.13.2")
"""The releases of the real sops that the tests run."""
KINDS: Final = (*record.KINDS, "kms", "hc_vault")
"""The kinds of keys; what the older ones are is in record.py too."""
IMPOSSIBLE: Final = {("3.8.1", "groups", "env"), ("3.8.1", "groups", "ini")}
"""What a release neither writes nor reads: a threshold in flat metadata, until 3.11 (test_releases.py)."""


class Cell(NamedTuple):
    """One kind of key in one format with one release."""

    release: str
    kind: str
    suffix: str


def cells() -> Iterator[Cell]:
    """Yield all that is possible."""
    for release in RELEASES:
        for kind in KINDS:
            for suffix in SMALL:
                if _has(release, kind) and (release, kind, suffix) not in IMPOSSIBLE:
                    yield Cell(release, kind, suffix)


def _has(release: str, kind: str) -> bool:
    return kind not in record.KINDS or record.parsed(release) >= record.KINDS[kind].since


CELLS: Final = tuple(cells())
