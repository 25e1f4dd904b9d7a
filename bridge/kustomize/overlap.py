"""What the next `kubectl apply` of a build does to the keys that bridge owns. Pure: no cluster is asked.

How kubectl merges: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/
"""

import base64
import binascii
import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bridge.config.placeholder import has_placeholder
from bridge.errors import Problem
from bridge.kustomize.objects import ENCODED, BuiltObject
from bridge.objects import ObjectId
from bridge.secret import SecretValue

CURE: Final = (
    "take it out of this overlay's build: stdout has the patches, `bridge init ENV --fix-kustomize` writes them"
)
ASK_LIVE: Final = "--live tells what it applied last"


class Verdict(enum.Enum):
    """What is wrong with an object of the build."""

    OVERWRITTEN = "overwritten"  # the build has keys that bridge owns
    EMPTIED = "emptied"  # it has no data, and takes every key away
    SHRUNK = "shrunk"  # it takes away keys that an earlier build had
    GENERATED = "generated"  # it has a copy under another name, and that is what the pods read
    CONTROLLED = "controlled"  # a controller writes an object of bridge's, because of this one
    DANGLING = "dangling"  # a pod asks for what neither the build nor bridge writes
    PLACEHOLDER = "placeholder"  # nothing will fill it
    TODAY = "today"  # what an apply would do to the cluster as it is now


class Owned(NamedTuple):
    """What bridge owns: the templates' objects and keys, in a namespace, under a field manager."""

    namespace: str
    manager: str
    keys: Mapping[ObjectId, Collection[str]]


class Finding(NamedTuple):
    """One thing that is wrong with an object of the build, at a place in it. `keys` are those that it is about."""

    verdict: Verdict
    place: str
    object: str
    keys: tuple[str, ...]
    what: str
    hint: str = ""
    warning: bool = False
    needs: tuple[ObjectId, str | None] | None = None  # what a pod asks for in vain; a key, or any key

    def problem(self, shown: str) -> Problem:
        """Word the finding; `shown` names the build."""
        keys = f"key{'s' * (len(self.keys) > 1)} {', '.join(self.keys)}: " if self.keys else ""
        return Problem(f"{shown} {self.place} {self.object}", keys + self.what, self.hint, self.warning)


def here(build: Iterable[BuiltObject], namespace: str) -> tuple[BuiltObject, ...]:
    """Return the objects of the environment's namespace; one that names none, or a placeholder, may be of it."""
    return tuple(one for one in build if one.namespace in {None, "", namespace} or "${" in (one.namespace or ""))


def shared(build: Iterable[BuiltObject], owned: Owned) -> Iterator[tuple[BuiltObject, ObjectId]]:
    """Yield the objects that both the build and bridge write."""
    for one in here(build, owned.namespace):
        if one.id is not None and one.id in owned.keys:
            yield one, one.id


def overwriting(build: Iterable[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield what an apply of the build does to the objects that bridge writes too."""
    for one, id_ in shared(build, owned):
        written = [key for key in owned.keys[id_] if section_of(one, key)]
        if written:
            yield _overwritten(one, written, owned.manager)
        if missing := tuple(key for key in owned.keys[id_] if key not in written):
            yield _taken_away(one, missing)


def section_of(one: BuiltObject, key: str) -> str | None:
    """Return where the build has a key: the section that counts where it is in two (`stringData`)."""
    return next((name for name, keys in reversed(tuple(one.sections.items())) if key in (keys or ())), None)


def _overwritten(one: BuiltObject, written: Sequence[str], manager: str) -> Finding:
    meets = f'`kubectl apply --server-side` meets a conflict with "{manager}", and --force-conflicts overwrites'
    if any(section_of(one, key) == "stringData" for key in written):
        # Tried on 1.36: the API server takes stringData over after it has looked for conflicts.
        meets = "`kubectl apply --server-side` does the same, for stringData meets no conflict"
    notes: dict[str, list[str]] = {}
    for key in written:
        notes.setdefault(_note(one, key), []).append(key)
    told = "; ".join(f"{note}: {', '.join(keys)}" for note, keys in notes.items() if note)
    told = f" ({told})" if told else ""
    what = f"the next `kubectl apply` overwrites what bridge wrote, silently and with status 0{told}; {meets}"
    return Finding(Verdict.OVERWRITTEN, one.place, str(one), tuple(written), what, CURE)


def _note(one: BuiltObject, key: str) -> str:
    """Tell what kind of value the build has, as far as that is worth a word."""
    value = built_value(one, key)
    if value is None:
        return "no base64, which the API server refuses"
    if holds_placeholder(value):
        return "a placeholder"
    if value.is_empty():
        return "empty"
    return "a value in clear" if one.kind == "Secret" else ""


def holds_placeholder(value: SecretValue) -> bool:
    """Say whether there is a placeholder in a value."""
    return has_placeholder(value.reveal().decode(errors="replace"))


def built_value(one: BuiltObject, key: str) -> SecretValue | None:
    """Return the value that the build has for a key, decoded; None where it is not base64.

    A placeholder that stands in `data` as it is, for somebody else to fill, is returned as it is.
    """
    section = section_of(one, key)
    value = (one.sections[section] or {})[key] if section else None
    if value is None or (one.kind, section) not in ENCODED or holds_placeholder(value):
        return value
    try:
        return SecretValue(base64.b64decode(b"".join(value.reveal().split()), validate=True))
    except binascii.Error:
        return None


def _taken_away(one: BuiltObject, missing: tuple[str, ...]) -> Finding:
    """Judge the keys that the build has not; mostly it depends on what was applied last."""
    if "data" in one.sections and one.sections["data"] is None:
        what = "`data:` with nothing under it: every `kubectl apply` deletes every key, silently and with status 0"
        return Finding(Verdict.EMPTIED, one.place, str(one), missing, what, CURE)
    if not one.sections:
        what = (
            "the object has no data here: if what `kubectl apply` applied last had any, the next one deletes every "
            "key, also those that only bridge wrote, silently and with status 0"
        )
        return Finding(Verdict.EMPTIED, one.place, str(one), missing, what, CURE)
    what = "not in this build: the next `kubectl apply` deletes those that it applied last"
    return Finding(Verdict.SHRUNK, one.place, str(one), missing, what, ASK_LIVE, warning=True)
