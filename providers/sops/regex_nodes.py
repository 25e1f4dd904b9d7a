"""What a regular expression is made of, once parsed."""

import enum
import string
from dataclasses import dataclass
from typing import Final, TypeAlias

Ranges: TypeAlias = tuple[tuple[str, str], ...]
"""The first and last characters of what a set has."""

ALNUM: Final = frozenset(string.ascii_letters + string.digits + "_")
"""What `\\w` and `\\b` count as a word's characters."""
MAX_SIZE: Final = 1000
"""How many instructions a pattern may have; also the most that RE2 lets a repetition count."""


class Unsupported(Exception):
    """Why a pattern cannot be followed: it is wrong for RE2 too, or beyond this subset."""


class Op(enum.Enum):
    """What a node does."""

    CAT = enum.auto()
    ALT = enum.auto()
    REPEAT = enum.auto()
    SET = enum.auto()
    ASSERT = enum.auto()


class Assertion(enum.Enum):
    """What has to hold at a position."""

    TEXT_START = enum.auto()
    TEXT_END = enum.auto()
    LINE_START = enum.auto()
    LINE_END = enum.auto()
    WORD_EDGE = enum.auto()
    NO_WORD_EDGE = enum.auto()


@dataclass(frozen=True)
class Node:
    """A part of a pattern."""

    op: Op
    parts: tuple["Node", ...] = ()
    least: int = 0
    most: int | None = None
    ranges: Ranges = ()
    negated: bool = False
    assertion: Assertion | None = None

    def contains(self, char: str) -> bool:
        """Say whether a set has a character."""
        return any(low <= char <= high for low, high in self.ranges) is not self.negated
