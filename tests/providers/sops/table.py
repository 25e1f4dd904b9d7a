"""The help page's table of keys and formats, made of what the tests are parametrized with."""

from collections.abc import Iterable

from tests.providers.sops import record
from tests.providers.sops.matrix import CELLS
from tests.providers.sops.test_written_by import FILES, UNREADABLE

SUFFIXES = {"YAML": "yaml", "JSON": "json", "dotenv": "env", "ini": "ini", "binary": "bin"}
"""The table's columns."""
ROWS = {
    "`age`: X25519 (`age1…`)": "age",
    "`age`: post-quantum (`age1pq1…`)": "post-quantum",
    "`age`: `ssh-ed25519`": "ssh-ed25519",
    "`age`: `ssh-rsa`": "ssh-rsa",
    "`pgp`": "pgp",
    "`kms` (AWS)": "kms",
    "`hc_vault` (transit)": "hc_vault",
    "key groups (`shamir_threshold`)": "groups",
}
"""The table's rows: the kinds of keys as the tests call them."""


def both_ways(kind: str, suffix: str) -> set[str]:
    """Return the releases that test_matrix.py runs with a kind of key in a format."""
    return {cell.release for cell in CELLS if (cell.kind, cell.suffix) == (kind, suffix)}


def read(kind: str, suffix: str) -> set[str]:
    """Return the releases whose recorded files of that kind and format test_written_by.py reads."""
    return {
        release
        for release, one in FILES
        if (one.key, one.case.rpartition(".")[2]) == (kind, suffix) and (release, one.key, one.case) not in UNREADABLE
    }


def row(name: str) -> str:
    """Return a row of the table: the releases of each cell without their last number, bold where tried both ways."""
    return f"| {name} | {' | '.join(_cell(ROWS[name], suffix) for suffix in SUFFIXES.values())} |"


def legend(releases: Iterable[str]) -> str:
    """Return releases as the help page lists them."""
    *others, last = sorted(releases, key=record.parsed)
    return f"{', '.join(others)} and {last}"


def _cell(kind: str, suffix: str) -> str:
    tried = {_minor(release): f"{_minor(release)}" for release in read(kind, suffix)}
    tried |= {_minor(release): f"**{_minor(release)}**" for release in both_ways(kind, suffix)}
    return " ".join(tried[minor] for minor in sorted(tried, key=lambda minor: int(minor.partition(".")[2])))


def _minor(release: str) -> str:
    return release.rpartition(".")[0]
