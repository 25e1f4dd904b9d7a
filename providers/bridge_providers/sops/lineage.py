"""Proves which versions of a file share a data key, by equal parts of their ciphertext; no key is needed.

A value, a MAC and a wrapped data key are each made with fresh randomness, so none repeats by chance. `sops set` and
`sops edit` keep the wrapped keys and every other value, `sops updatekeys` wraps the same data key again and keeps the
values, and `sops rotate` changes everything. So a version has its predecessor's data key if any of these is equal. If
nothing is equal, nothing is proven.

Only neighbours are compared like that. Equal parts in versions far apart may have been pasted, so there all wrapped
keys must be equal. A merge may mix two data keys (such a file cannot be opened), so it is compared by its wrapped keys
first, then by its MAC, and by its values only if they are those of one parent. A wrapped key that a version with
another data key also has does not count for its recipient, because someone copied it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bridge.named_tuple import NamedTuple
from bridge.provider import Outline
from bridge_providers.sops.key_types import Stanza


class Version(NamedTuple):
    """One version of a file, as read without a key."""

    stanzas: frozenset[Stanza]
    mac: frozenset[bytes]
    leaves: frozenset[bytes]
    values: int = 0  # that are encrypted
    shared: bool = False  # whether its keys hold shares of the data key

    @property
    def recipients(self) -> frozenset[str]:
        """Return the recipients of the file."""
        return frozenset(one.recipient for one in self.stanzas)

    @property
    def wrapped(self) -> frozenset[str]:
        """Return the wrapped data keys, or shares."""
        return frozenset(one.enc for one in self.stanzas if one.enc)


class Step(NamedTuple):
    """A change of the file: the ids of the new version and of those before it, and the commit (None: none yet)."""

    child: str
    parents: tuple[str, ...]
    commit: str | None


class Removed(NamedTuple):
    """Someone who can open today's data key but is not a recipient of today's file."""

    recipient: str
    commit: str | None  # the newest that removed the recipient; None if not committed yet


def version_of(outline: Outline) -> Version:
    """Return what a version shows of its data key."""
    leaves = [value for leaf in outline.leaves.values() for value in leaf.sealed]
    readers = outline.rules.readers
    return Version(
        frozenset(Stanza(one.id, one.wrapped) for one in readers),
        frozenset({outline.mac} if outline.mac else ()),
        frozenset(leaves),
        len(leaves),
        any(one.group for one in readers),
    )


def removed(today: str, steps: Sequence[Step], versions: Mapping[str, Version]) -> list[Removed]:
    """Return the removed recipients who can open today's data key, newest first. Steps are newest first."""
    kin = _kin(today, steps, versions)
    strange = {one.enc for name in versions.keys() - kin for one in versions[name].stanzas}
    former = {one.recipient for name in kin for one in versions[name].stanzas if one.enc and one.enc not in strange}
    removals: list[tuple[int, str]] = []
    for recipient in former - versions[today].recipients:
        number = _last_step_without(recipient, steps, versions)
        if number is not None:
            removals.append((number, recipient))
    return [Removed(recipient, steps[number].commit) for number, recipient in sorted(removals)]


def _last_step_without(recipient: str, steps: Sequence[Step], versions: Mapping[str, Version]) -> int | None:
    """Return the newest step that removed a recipient.

    A merge with a branch that still has the recipient has not removed it, if another step has. Nor has a
    version that cannot be read.
    """
    for readable, quorum in ((True, all), (True, any), (False, any)):
        for number, step in enumerate(steps):
            before = [recipient in versions[one].recipients for one in step.parents if one in versions]
            child = versions.get(step.child)
            gone = not readable if child is None else recipient not in child.recipients
            if gone and before and quorum(before):
                return number
    return None


def _kin(today: str, steps: Iterable[Step], versions: Mapping[str, Version]) -> set[str]:
    """Return the versions that are proven to have today's data key."""
    joined: defaultdict[str, set[str]] = defaultdict(set)
    for one, other in same_key(steps, versions):
        joined[one].add(other)
        joined[other].add(one)
    kin, left = {today}, [today]
    while left:
        new = joined[left.pop()] - kin
        kin |= new
        left += new
    return kin


def same_key(steps: Iterable[Step], versions: Mapping[str, Version]) -> Iterator[tuple[str, str]]:
    """Yield pairs of versions that are proven to have one data key."""
    yield from _neighbours(steps, versions)
    yield from _alike(versions)


def _neighbours(steps: Iterable[Step], versions: Mapping[str, Version]) -> Iterator[tuple[str, str]]:
    for step in steps:
        child = versions.get(step.child)
        parents = [one for one in step.parents if one in versions]
        if child is None or not parents:
            continue
        for parent in _related(child, parents, versions):
            yield step.child, parent


def _related(child: Version, parents: Sequence[str], versions: Mapping[str, Version]) -> Sequence[str]:
    """Return the parents that have a version's data key: by wrapped keys, else by MAC, else by the values of one."""
    wrapped = child.wrapped
    if by_key := [one for one in parents if not versions[one].wrapped.isdisjoint(wrapped)]:
        return by_key
    if by_mac := [one for one in parents if versions[one].mac & child.mac]:
        return by_mac
    by_leaf = [one for one in parents if not versions[one].leaves.isdisjoint(child.leaves)]
    return by_leaf if len(by_leaf) == 1 else ()


def _alike(versions: Mapping[str, Version]) -> Iterator[tuple[str, str]]:
    """Yield pairs of versions with the same wrapped keys, such as a later return to an old version."""
    first: dict[frozenset[str], str] = {}
    for name, version in versions.items():
        if version.wrapped:
            yield first.setdefault(version.wrapped, name), name
