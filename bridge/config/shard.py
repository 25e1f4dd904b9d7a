"""Decides which environments one of several runs takes, when each run knows only its number and the number of runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from bridge.errors import ConfigError, Problem

MOST: Final = 1_000
INDEX: Final = "JOB_COMPLETION_INDEX"
"""https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode"""


@dataclass(frozen=True)
class Shard:
    """One of `count` runs, counted from 0. Each environment belongs to exactly one run."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def members(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names that belong to this run."""
        return tuple(name for name in names if owner(name, self.count) == self.index)


def owner(name: str, count: int) -> int:
    """Return the number of the run that a name belongs to, the same on every machine.

    It is the run with the greatest hash with the name (rendezvous hashing, Thaler and Ravishankar 1998). When a run is
    added, only the names that move to it change.
    """
    return max(range(count), key=lambda index: blake2b(f"{index}/{name}".encode(), digest_size=8).digest())


def parse_shard(text: str, environ: Mapping[str, str]) -> Shard:
    """Parse INDEX/COUNT, or auto/COUNT with the index that Kubernetes gives an Indexed Job's pod; else ConfigError."""
    first, _, second = text.partition("/")
    index, where = (environ.get(INDEX), INDEX) if first == "auto" else (first, "--shard")
    if index is None:
        hint = "use a Job with completionMode: Indexed, or pass --shard INDEX/COUNT"
        raise ConfigError(Problem("--shard", f"{INDEX} is not set", hint))
    if not (_is_number(index) and _is_number(second)):
        what = "must be INDEX/COUNT or auto/COUNT" if where == "--shard" else "must be a number"
        raise ConfigError(Problem(where, what, "use --shard 0/8 for the first of eight runs"))
    shard = Shard(int(index), int(second))
    if not 1 <= shard.count <= MOST:
        raise ConfigError(Problem("--shard", f"COUNT must be 1 to {MOST}"))
    if shard.index >= shard.count:
        hint = "set COUNT to the Job's completions" if first == "auto" else "count from 0"
        raise ConfigError(Problem(where, f"{shard.index} is not less than COUNT ({shard.count})", hint))
    return shard


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
