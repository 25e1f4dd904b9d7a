"""Finds the values that a recipient could ever read, and that may still be the same: for `bridge offboard`.

A recipient who had a data key can open every version that is encrypted with it, also versions that were written after
the recipient was removed. Which versions have the same data key is proven by equal parts of their ciphertext; what is
not proven is unknown. Nothing proves without a key that two data keys or two values differ.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from bridge.config.reference import Reference
from bridge.errors import BridgeError
from bridge.git_history import Commit, contents
from bridge.named_tuple import NamedTuple
from bridge.provider import DataKey, Outline, Reader, SecretValue, Unsealer
from bridge.review.trails import NOW, Place, Trail


class KeyVerdict(StrEnum):
    """What is known about a value that a recipient could read once."""

    READER = "still a recipient"
    SAME_KEY = "same data key"
    SAME_VALUE = "same value"
    UNKNOWN = "unknown"
    DIFFERENT = "different"

    @property
    def is_open(self) -> bool:
        """Whether the recipient may still know the value."""
        return self is not KeyVerdict.DIFFERENT


class Exposure(NamedTuple):
    """A value that a recipient could read, and the newest commit in which that was so; None if not committed yet."""

    trail: Trail
    place: Place
    verdict: KeyVerdict
    commit: Commit | None


class Exposed(NamedTuple):
    """What a recipient could read in one document.

    `removed` are places of values that the document no longer has. `clear` are the commits that had the document in
    plaintext, when anyone could read it.
    """

    trail: Trail
    values: tuple[Exposure, ...]
    removed: tuple[Place, ...]
    clear: tuple[Commit, ...]


Compare: TypeAlias = Callable[[Trail, Place, Sequence[str]], KeyVerdict]
"""Compares a value as it is now with what it was in other versions."""


def unknown(_trail: Trail, _place: Place, _versions: Sequence[str]) -> KeyVerdict:
    """Compare nothing: there is no key."""
    return KeyVerdict.UNKNOWN


def readers(trails: Iterable[Trail]) -> tuple[Reader, ...]:
    """Return every recipient that any version has ever had, sorted by name."""
    found = {
        (reader.kind, reader.id)
        for trail in trails
        for outline in trail.versions.values()
        for reader in outline.rules.readers
    }
    return tuple(Reader(kind, id_) for kind, id_ in sorted(found))


def meant_by(text: str, known: Iterable[Reader]) -> frozenset[str]:
    """Return the recipients that a user means: by name, however its letters and spaces are written."""
    return frozenset(reader.id for reader in known if _plain(reader.kind, text) == _plain(reader.kind, reader.id))


def _plain(kind: str, text: str) -> str:
    if kind == "pgp":
        return text.replace(" ", "").removeprefix("0x").upper()
    if kind == "age":
        return " ".join(text.split()[:2])
    if kind == "kms":
        return text.partition("+")[0]
    if kind == "hc_vault":
        return "/".join(part for part in text.split("/") if part not in {"v1", "keys"})
    return text


def exposed(trail: Trail, recipients: Collection[str], compare: Compare = unknown) -> Exposed:
    """Return what any of some recipients could read in a document, now or in its history."""
    has_had = {
        id_
        for id_, outline in trail.versions.items()
        if any(reader.id in recipients for reader in outline.rules.readers)
    }
    readable = _with_same_key(trail, has_had) | trail.clear  # which anyone could read
    order = _newest_first(trail)
    values: list[Exposure] = []
    now = trail.now.leaves
    for place, leaf in now.items():
        versions = [id_ for id_ in order if id_ in readable and place in trail.versions[id_].leaves]
        if not leaf.sealed or not versions:
            continue
        commit = _commit(trail, versions[0])
        values.append(Exposure(trail, place, _verdict(trail, place, versions, has_had, compare), commit))
    removed = {
        place for id_ in readable for place, leaf in trail.versions[id_].leaves.items() if leaf.sealed
    } - now.keys()
    clear = [change.commit for change in trail.changes if change.blob in trail.clear]
    return Exposed(trail, tuple(values), tuple(sorted(removed)), tuple(clear))


def _verdict(
    trail: Trail, place: Place, versions: Sequence[str], has_had: Collection[str], compare: Compare
) -> KeyVerdict:
    if NOW in versions:
        return KeyVerdict.READER if NOW in has_had else KeyVerdict.SAME_KEY
    return compare(trail, place, versions)


def _with_same_key(trail: Trail, versions: Iterable[str]) -> set[str]:
    """Return versions, and all those that are proven to have the data key of one of them."""
    joined: defaultdict[str, set[str]] = defaultdict(set)
    sealed = {id_: outline for id_, outline in trail.versions.items() if id_ not in trail.clear}
    for one, other in trail.tracer.same_key(trail.steps, sealed):
        joined[one].add(other)
        joined[other].add(one)
    found = set(versions)
    left = list(found)
    while left:
        new = joined[left.pop()] - found
        found |= new
        left += new
    return found


def _newest_first(trail: Trail) -> list[str]:
    ids = [
        NOW,
        *filter(None, [trail.head]),
        *(id_ for change in trail.changes for id_ in (change.blob, *change.before)),
    ]
    return [id_ for id_ in dict.fromkeys(ids) if id_ is not None and id_ in trail.versions]


def _commit(trail: Trail, version: str) -> Commit | None:
    id_ = trail.head if version == NOW else version
    return next((change.commit for change in trail.changes if change.blob == id_), None)


class KeyComparison:
    """Compares versions in memory with the keys that a run has. A version that none of them opens stays unknown."""

    def __init__(self, sessions: Mapping[Reference, Unsealer]) -> None:
        self._sessions: Final = sessions
        self._keys: Final[dict[tuple[Reference, frozenset[str]], DataKey | None]] = {}
        self.errors: Final[list[BridgeError]] = []

    def compare(self, trail: Trail, place: Place, versions: Sequence[str]) -> KeyVerdict:
        """Return whether any of the versions has the present data key, or the present value at a place."""
        now = self._key(trail, NOW)
        value = self._values(trail, NOW, place)
        if now is None or value is None:
            return KeyVerdict.UNKNOWN
        verdicts = {self._one(trail, place, version, now, value) for version in versions}
        order = (KeyVerdict.SAME_KEY, KeyVerdict.SAME_VALUE, KeyVerdict.UNKNOWN)
        return next((verdict for verdict in order if verdict in verdicts), KeyVerdict.DIFFERENT)

    def _one(
        self, trail: Trail, place: Place, version: str, now: DataKey, value: tuple[SecretValue, ...]
    ) -> KeyVerdict:
        other = self._values(trail, version, place)
        if other is None:
            return KeyVerdict.UNKNOWN
        if version not in trail.clear and (key := self._key(trail, version)) and key.same_as(now):
            return KeyVerdict.SAME_KEY
        return KeyVerdict.SAME_VALUE if _is_equal(value, other) else KeyVerdict.DIFFERENT

    def _values(self, trail: Trail, version: str, place: Place) -> tuple[SecretValue, ...] | None:
        """Return a value; None if no key opens it, or if it was damaged or pasted from another version."""
        leaf = trail.versions[version].leaves[place]
        if version in trail.clear:
            return leaf.clear
        try:
            key = self._key(trail, version)
            return key.unseal(place, leaf) if key else None
        except BridgeError:
            return None

    def _key(self, trail: Trail, version: str) -> DataKey | None:
        """Open a version's data key, once for all versions in which it is stored equally."""
        outline = trail.versions[version]
        place = (trail.reference, _stored(outline))
        if place not in self._keys:
            self._keys[place] = self._opened(trail, version)
        return self._keys[place]

    def _opened(self, trail: Trail, version: str) -> DataKey | None:
        name, content = trail.path, trail.content
        if version != NOW:
            name = trail.names[version]
            content = next((data for _, data in contents(trail.repository, [version])), b"")
        try:
            return self._sessions[trail.reference].data_key(name, content)
        except BridgeError as error:
            self.errors.append(error)
            return None


def _stored(outline: Outline) -> frozenset[str]:
    return frozenset(reader.wrapped for reader in outline.rules.readers)


def _is_equal(one: Iterable[SecretValue], other: Iterable[SecretValue]) -> bool:
    values, others = [*one], [*other]
    return len(values) == len(others) and all(map(SecretValue.same_as, values, others))
