"""Which environments one of several runs takes, where each run is told only its number and how many there are."""

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
    """One of `count` runs, counted from 0. Each environment belongs to exactly one of them."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def members(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the names that are this run's."""
        return tuple(name for name in names if owner(name, self.count) == self.index)


def owner(name: str, count: int) -> int:
    """Return the number of the run that a name belongs to, the same on every machine.

    Of all runs, the one whose hash with the name is the greatest (rendezvous hashing, Thaler and Ravishankar 1998):
    with one run more, only the names move that it takes.
    """
    return max(range(count), key=lambda index: blake2b(f"{index}/{name}".encode(), digest_size=8).digest())


def parse_shard(text: str, environ: Mapping[str, str]) -> Shard:
    """Read INDEX/COUNT, or auto/COUNT with the index that Kubernetes gives an Indexed Job's pod; else ConfigError."""
    first, _, second = text.partition("/")
    index, where = (environ.get(INDEX), INDEX) if first == "auto" else (first, "--shard")
    if index is None:
        hint = "run it in a Job with completionMode: Indexed, or give INDEX/COUNT"
        raise ConfigError(Problem("--shard", f"{INDEX} is not set", hint))
    if not (_is_number(index) and _is_number(second)):
        what = "must be INDEX/COUNT or auto/COUNT" if where == "--shard" else "must be a number"
        raise ConfigError(Problem(where, what, "such as --shard 0/8 for the first of eight"))
    shard = Shard(int(index), int(second))
    if not 1 <= shard.count <= MOST:
        raise ConfigError(Problem("--shard", f"COUNT must be 1 to {MOST}"))
    if shard.index >= shard.count:
        hint = "is COUNT the same as the Job's completions?" if first == "auto" else "the first is 0"
        raise ConfigError(Problem(where, f"{shard.index} is not less than COUNT, which is {shard.count}", hint))
    return shard


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
