"""What a client-side `kubectl apply` would do to an object as it is now: kubectl's three-way merge, by keys.

Source: CreateThreeWayMergePatch of k8s.io/apimachinery, pkg/util/strategicpatch; tried with kubectl 1.37.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias

from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import built_value, section_of
from bridge.objects import Live

Applied: TypeAlias = Mapping[str, frozenset[str]]
"""The sections of the last-applied annotation with their keys; a section that is there and null has none."""


class Effect(NamedTuple):
    """What would become of bridge's keys."""

    overwritten: tuple[str, ...]  # by another value than the object has
    deleted: tuple[str, ...]


def client_side(one: BuiltObject, live: Live, applied: Applied, ours: Collection[str]) -> Effect:
    """Return the effect of `kubectl apply` on the keys that are there.

    `applied` is empty where the object has no last-applied annotation.
    """
    present = [key for key in ours if key in live.data]
    overwritten = tuple(key for key in present if _differs(one, live, key))
    gone = [key for key in present if section_of(one, key) is None]
    deleted = tuple(key for key in gone if _deletes(one, _section(live, key), applied, key))
    return Effect(overwritten, deleted)


def _differs(one: BuiltObject, live: Live, key: str) -> bool:
    if section_of(one, key) is None:
        return False
    value = built_value(one, key)
    return value is None or not value.same_as(live.data[key])


def _section(live: Live, key: str) -> str:
    return "binaryData" if key in live.binary else "data"


def endangers(one: BuiltObject, applied: Applied, ours: Collection[str]) -> bool:
    """Say whether `kubectl apply` would delete keys that the build has not, were they there."""
    return any(section_of(one, key) is None and _deletes(one, "data", applied, key) for key in ours)


def _deletes(one: BuiltObject, section: str, applied: Applied, key: str) -> bool:
    """Say whether a key goes that the build has not: with its whole section, or by itself."""
    if one.sections.get(section) is None:
        # An explicit null is sent as it is; a section that is gone becomes null.
        return section in one.sections or section in applied
    return key in applied.get(section, frozenset())
