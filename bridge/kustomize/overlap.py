"""Determines what the next `kubectl apply` of a build does to the keys that bridge owns. Pure: no cluster access.

How kubectl merges: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/
"""

import base64
import binascii
import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from bridge.config.placeholder import has_placeholder
from bridge.errors import Problem
from bridge.kustomize.objects import ENCODED, BuiltObject
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.secret import SecretValue

CURE: Final = (
    "remove it from this overlay's build: apply the patches on stdout, or run `bridge init ENV --fix-kustomize`"
)
ASK_LIVE: Final = "use --live to see what it applied last"


class Verdict(enum.Enum):
    """What is wrong with an object of the build."""

    OVERWRITTEN = "overwritten"  # the build has keys that bridge owns
    EMPTIED = "emptied"  # it has no data, and removes every key
    SHRUNK = "shrunk"  # it removes keys that an earlier build had
    GENERATED = "generated"  # a copy under another name exists, and the pods read the copy
    CONTROLLED = "controlled"  # a controller writes one of bridge's objects because of this one
    DANGLING = "dangling"  # a pod uses something that neither the build nor bridge writes
    PLACEHOLDER = "placeholder"  # nothing will fill it
    TODAY = "today"  # what an apply would do to the cluster in its current state


class Owned(NamedTuple):
    """What bridge owns: the templates' objects and keys, in a namespace, under a field manager."""

    namespace: str
    manager: str
    keys: Mapping[ObjectId, Collection[str]]


class Finding(NamedTuple):
    """One problem with an object of the build, at a place in it, for these `keys`."""

    verdict: Verdict
    place: str
    object: str
    keys: tuple[str, ...]
    what: str
    hint: str = ""
    warning: bool = False
    needs: tuple[ObjectId, str | None] | None = (
        None  # the missing object that a pod uses, and its key (None for any key)
    )

    def problem(self, shown: str) -> Problem:
        """Format the finding as a Problem; `shown` names the build."""
        keys = f"key{'s' * (len(self.keys) > 1)} {', '.join(self.keys)}: " if self.keys else ""
        return Problem(f"{shown} {self.place} {self.object}", keys + self.what, self.hint, self.warning)


def here(build: Iterable[BuiltObject], namespace: str) -> tuple[BuiltObject, ...]:
    """Return the objects that may be in the environment's namespace: with this one, none, or a placeholder."""
    return tuple(o for o in build if o.namespace in {None, "", namespace} or "${" in (o.namespace or ""))


def shared(build: Iterable[BuiltObject], owned: Owned) -> Iterator[tuple[BuiltObject, ObjectId]]:
    """Yield the objects that both the build and bridge write."""
    for object_ in here(build, owned.namespace):
        if object_.id is not None and object_.id in owned.keys:
            yield object_, object_.id


def overwriting(build: Iterable[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield what an apply of the build does to the objects that bridge also writes."""
    for object_, id_ in shared(build, owned):
        written = [key for key in owned.keys[id_] if section_of(object_, key)]
        if written:
            yield _overwritten(object_, written, owned.manager)
        if missing := tuple(key for key in owned.keys[id_] if key not in written):
            yield _taken_away(object_, missing)


def section_of(built: BuiltObject, key: str) -> str | None:
    """Return the section of the build that gives a key; `stringData` takes precedence."""
    return next((name for name, keys in reversed(tuple(built.sections.items())) if key in (keys or ())), None)


def _overwritten(built: BuiltObject, written: Sequence[str], manager: str) -> Finding:
    meets = f'`kubectl apply --server-side` gets a conflict with "{manager}", and --force-conflicts overwrites it'
    if any(section_of(built, key) == "stringData" for key in written):
        # Tried on 1.36: the API server copies stringData into data after it has checked for conflicts.
        meets = "`kubectl apply --server-side` does the same, because stringData causes no conflict"
    notes: dict[str, list[str]] = {}
    for key in written:
        notes.setdefault(_note(built, key), []).append(key)
    details = "; ".join(f"{note}: {', '.join(keys)}" for note, keys in notes.items() if note)
    details = f" ({details})" if details else ""
    what = f"the next `kubectl apply` silently overwrites what bridge wrote (exit status 0){details}; {meets}"
    return Finding(Verdict.OVERWRITTEN, built.place, str(built), tuple(written), what, CURE)


def _note(built: BuiltObject, key: str) -> str:
    """Describe what kind of value the build has, or return "" if that is not worth a note."""
    value = built_value(built, key)
    if value is None:
        return "not base64, which the API server refuses"
    if holds_placeholder(value):
        return "a placeholder"
    if value.is_empty():
        return "empty"
    return "a plaintext value" if built.kind == "Secret" else ""


def holds_placeholder(value: SecretValue) -> bool:
    """Whether a value contains a placeholder."""
    return has_placeholder(value.reveal().decode(errors="replace"))


def built_value(built: BuiltObject, key: str) -> SecretValue | None:
    """Return the build's value for a key, decoded, or None if it is not valid base64.

    A literal placeholder in `data`, to be filled by another tool, is returned unchanged.
    """
    section = section_of(built, key)
    value = (built.sections[section] or {})[key] if section else None
    if value is None or (built.kind, section) not in ENCODED or holds_placeholder(value):
        return value
    try:
        return SecretValue(base64.b64decode(b"".join(value.reveal().split()), validate=True))
    except binascii.Error:
        return None


def _taken_away(built: BuiltObject, missing: tuple[str, ...]) -> Finding:
    """Judge the keys that the build does not have; mostly this depends on what was applied last."""
    if "data" in built.sections and built.sections["data"] is None:
        what = "`data:` is empty: every `kubectl apply` silently deletes every key (exit status 0)"
        return Finding(Verdict.EMPTIED, built.place, str(built), missing, what, CURE)
    if not built.sections:
        what = (
            "the object has no data: if the last `kubectl apply` set any, the next one silently deletes every "
            "key (exit status 0), including those that only bridge wrote"
        )
        return Finding(Verdict.EMPTIED, built.place, str(built), missing, what, CURE)
    what = "not in this build: the next `kubectl apply` deletes the keys that it applied last"
    return Finding(Verdict.SHRUNK, built.place, str(built), missing, what, ASK_LIVE, warning=True)
