"""Compares versions of a value in memory, for `bridge offboard --with-keys`. No value leaves this module."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bridge.config.reference import Reference
from bridge.errors import BridgeError
from bridge.git_history import contents
from bridge.provider import DataKey, Outline, SecretValue, Unsealer
from bridge.review.exposure import KeyVerdict
from bridge.review.trails import NOW, Place, Trail


class KeyComparison:
    """Compares with the keys that a run has. A version that none of them opens stays unknown."""

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
