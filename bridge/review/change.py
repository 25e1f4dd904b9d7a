"""What both kinds of comparison have in common: how two mappings differ."""

import enum
from collections.abc import Iterator, Mapping
from typing import TypeVar

from bridge.named_tuple import NamedTuple

K = TypeVar("K")
V = TypeVar("V")


class ChangeKind(enum.Enum):
    """What a change does to something that has a name."""

    ADD = "added"
    CHANGE = "changed"
    REMOVE = "removed"
    KEEP = "unchanged"


class SettingChange(NamedTuple):
    """A setting that differs, as text; None on a side that does not have it.

    `is_shown` is false if the texts must not be shown. `reason` says what the setting decides.
    """

    name: str
    before: str | None
    after: str | None
    is_shown: bool = True
    reason: str = ""

    @property
    def what(self) -> ChangeKind:
        """What the change does to the setting."""
        return what(self.before, self.after)


def what(before: object | None, after: object | None) -> ChangeKind:
    """Return what a change does to something that is None on a side that does not have it."""
    return ChangeKind.ADD if before is None else ChangeKind.REMOVE if after is None else ChangeKind.CHANGE


def sides(before: Mapping[K, V], after: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """Yield every name with its content on both sides: first those of the older side, in order."""
    for name in dict.fromkeys((*before, *after)):
        yield name, before.get(name), after.get(name)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[SettingChange, ...]:
    """Return the settings that differ."""
    return tuple(SettingChange(name, old, new) for name, old, new in sides(before, after) if old != new)
