"""Tells when each value of a document changed, and by whom, from its history in git."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Final

from bridge.git_history import BlobChange, Commit, before_of, origins
from bridge.named_tuple import NamedTuple
from bridge.provider import Leaf, Outline
from bridge.review.trails import NOW, Place, Trail

_GONE: Final = "-"
_TOLERANCE: Final = 3600  # seconds by which the clocks of a team may differ


class EventKind(StrEnum):
    """EventKind a commit did to a value, as far as that is visible without a key."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    ENCRYPTED = "encrypted"
    RENEWED = "re-encrypted"
    """With all other values of the file, under a new data key. The value itself may be the same."""


class Event(NamedTuple):
    """A change of a value; without a commit, it is not committed yet."""

    what: EventKind
    commit: Commit | None


def last_events(trail: Trail) -> Mapping[Place, Event | None]:
    """Return the last change of each value; None if git does not know it."""
    parts = {id_: outline.leaves for id_, outline in trail.versions.items()}
    now = trail.now.leaves
    if trail.head is None:
        return dict.fromkeys(now, Event(EventKind.ADDED, None))
    found = origins(trail.changes, now, parts, Leaf.same_as)
    committed = parts.get(trail.head, {})
    events: dict[Place, Event | None] = {}
    for place, leaf in now.items():
        if place not in committed or not leaf.same_as(committed[place]):
            events[place] = Event(_what(trail, NOW, (trail.head,), place), None)
        elif change := found.get(place):
            before = before_of(change, trail.changes, trail.versions)
            events[place] = Event(_what(trail, change.blob or "", before, place), change.commit)
        else:
            events[place] = None
    return events


def all_events(trail: Trail, places: Collection[Place]) -> Iterator[tuple[Place, Event]]:
    """Yield every change of some values, newest first."""
    steps: list[tuple[str, Collection[str], Commit | None]] = []
    if trail.head is None or not _same_leaves(trail, trail.head):
        steps.append((NOW, (trail.head,) if trail.head else (), None))
    steps += [
        (change.blob or _GONE, before_of(change, trail.changes, trail.versions), change.commit)
        for change in trail.changes
        if not change.is_taken
    ]
    for child, before, commit in steps:
        for place in places:
            if what := _changed(trail, child, before, place):
                yield place, Event(what, commit)


def _same_leaves(trail: Trail, version: str) -> bool:
    other = trail.versions.get(version)
    leaves = trail.now.leaves
    return (
        other is not None
        and leaves.keys() == other.leaves.keys()
        and all(leaf.same_as(other.leaves[place]) for place, leaf in leaves.items())
    )


def _changed(trail: Trail, child: str, before: Collection[str], place: Place) -> EventKind | None:
    """Return what a version did to a value, or None if it is as in a version before."""
    olds = [trail.versions[one].leaves.get(place) for one in before if one in trail.versions]
    if child == _GONE:
        return EventKind.REMOVED if any(olds) else None
    if child not in trail.versions:
        return None
    leaf = trail.versions[child].leaves.get(place)
    if leaf is None:
        return EventKind.REMOVED if olds and all(olds) else None
    if any(old is not None and leaf.same_as(old) for old in olds):
        return None
    return _what(trail, child, before, place)


def _what(trail: Trail, child: str, before: Collection[str], place: Place) -> EventKind:
    versions = [(one, trail.versions[one]) for one in before if one in trail.versions]
    having = [(one, version) for one, version in versions if place in version.leaves]
    if not having:
        return EventKind.ADDED
    if child not in trail.clear and all(one in trail.clear for one, _ in having):
        return EventKind.ENCRYPTED
    renewed = all(_is_renewed(trail.versions[child], version) for one, version in having if one not in trail.clear)
    return EventKind.RENEWED if renewed else EventKind.CHANGED


def _is_renewed(new: Outline, old: Outline) -> bool:
    """Return whether nothing of a version's ciphertext is in the next one, as after a rotation of the data key."""
    wrapped = [{reader.wrapped for reader in version.rules.readers} for version in (new, old)]
    sealed = [{text for leaf in version.leaves.values() for text in leaf.sealed} for version in (new, old)]
    return all(wrapped) and all(sealed) and not wrapped[0] & wrapped[1] and not sealed[0] & sealed[1]


def has_wrong_dates(changes: Collection[BlobChange], now: float) -> bool:
    """Return whether a commit is dated before one that it builds on, or in the future: a clock was wrong."""
    made = {change.blob: change.commit.committed for change in reversed([*changes])}
    return any(
        change.commit.committed > now + _TOLERANCE
        or any(made.get(one, 0) > change.commit.committed + _TOLERANCE for one in change.before)
        for change in changes
    )
