"""What a client-side `kubectl apply` would do to a live object: kubectl's three-way merge, by keys.

Source: CreateThreeWayMergePatch of k8s.io/apimachinery, pkg/util/strategicpatch; tried with kubectl 1.37.
"""

from collections.abc import Collection, Mapping
from typing import TypeAlias

from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import built_value, section_of
from bridge.named_tuple import NamedTuple
from bridge.objects import Live

Applied: TypeAlias = Mapping[str, frozenset[str]]
"""The sections of the last-applied annotation with their keys; a section that is present but null has no keys."""


class Effect(NamedTuple):
    """What would happen to bridge's keys."""

    overwritten: tuple[str, ...]  # with a value other than the object's
    deleted: tuple[str, ...]


def client_side(built: BuiltObject, live: Live, applied: Applied, ours: Collection[str]) -> Effect:
    """Return the effect of `kubectl apply` on the keys that exist.

    `applied` is empty if the object has no last-applied annotation.
    """
    present = [key for key in ours if key in live.data]
    overwritten = tuple(key for key in present if _differs(built, live, key))
    gone = [key for key in present if section_of(built, key) is None]
    deleted = tuple(key for key in gone if _deletes(built, _section(live, key), applied, key))
    return Effect(overwritten, deleted)


def _differs(built: BuiltObject, live: Live, key: str) -> bool:
    if section_of(built, key) is None:
        return False
    value = built_value(built, key)
    return value is None or not value.same_as(live.data[key])


def _section(live: Live, key: str) -> str:
    return "binaryData" if key in live.binary else "data"


def endangers(built: BuiltObject, applied: Applied, ours: Collection[str]) -> bool:
    """Whether `kubectl apply` would delete keys that are not in the build, if they existed."""
    return any(section_of(built, key) is None and _deletes(built, "data", applied, key) for key in ours)


def _deletes(built: BuiltObject, section: str, applied: Applied, key: str) -> bool:
    """Whether a key that is not in the build would be deleted, by itself or with its whole section."""
    if built.sections.get(section) is None:
        # An explicit null is sent unchanged; a removed section becomes null.
        return section in built.sections or section in applied
    return key in applied.get(section, frozenset())
