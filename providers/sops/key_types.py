"""The keys in a file's metadata: each holds the data key, or a group's share of it, in a wrapping of its own."""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class AgeKey:
    """The data key encrypted to one age recipient; `enc` is an armored age file."""

    recipient: str
    enc: str = field(repr=False)


class Group(NamedTuple):
    """Keys each of which opens the whole data key, or its share where there are several groups."""

    age: tuple[AgeKey, ...]
    others: tuple[str, ...]  # the types, of those that this version cannot use
