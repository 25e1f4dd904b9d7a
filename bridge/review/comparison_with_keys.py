"""Compares versions of a value in memory, for `bridge offboard --with-keys`. No value leaves this module."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bridge.config.reference import Reference
from bridge.errors import BridgeError
from bridge.git_history import contents
from bridge.provider import DataKey, Leaf, Outline, SecretValue, Unsealer
from bridge.review.exposure import Verdict
from bridge.review.trails import NOW, Place, Trail


class Comparison:
    """Compares with the keys that a run has. A version that none of them opens stays unknown."""

    def __init__(self, sessions: Mapping[Reference, Unsealer]) -> None:
        self._sessions: Final = sessions
        self._keys: Final[dict[tuple[Reference, frozenset[str]], DataKey | None]] = {}
        self.errors: Final[list[BridgeError]] = []

    def compare(self, trail: Trail, place: Place, versions: Sequence[str]) -> Verdict:
        """Return whether any of the versions has the present data key, or the present value at a place."""
        now = self._key(trail, NOW)
        value = self._values(trail, NOW, place)
        if now is None or value is None:
            return Verdict.UNKNOWN
        verdicts = {self._one(trail, place, version, now, value) for version in versions}
        order = (Verdict.SAME_KEY, Verdict.SAME_VALUE, Verdict.UNKNOWN)
        return next((verdict for verdict in order if verdict in verdicts), Verdict.DIFFERENT)

    def _one(self, trail: Trail, place: Place, version: str, now: DataKey, value: tuple[SecretValue, ...]) -> Verdict:
        key, other = self._key(trail, version), self._values(trail, version, place)
        if key is None or other is None:
            return Verdict.UNKNOWN
        if key.same_as(now):
            return Verdict.SAME_KEY
        return Verdict.SAME_VALUE if _is_equal(value, other) else Verdict.DIFFERENT

    def _values(self, trail: Trail, version: str, place: Place) -> tuple[SecretValue, ...] | None:
        leaf = trail.versions[version].leaves[place]
        key = self._key(trail, version)
        if key is None:
            return None
        return self._unsealed(key, place, leaf)

    def _unsealed(self, key: DataKey, place: Place, leaf: Leaf) -> tuple[SecretValue, ...] | None:
        try:
            return key.unseal(place, leaf)
        except BridgeError:
            return None  # damaged, or pasted from another version

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
