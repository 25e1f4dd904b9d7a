"""Compares a build before and after the patches: bridge's objects are removed, and nothing else changes."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from bridge.kustomize.objects import BuiltObject, parse_build
from bridge.kustomize.patches import RemovalPatch
from bridge.secret import SecretValue


class BuiltDocument(NamedTuple):
    """One object of a build, and its text with all its values."""

    built: BuiltObject
    text: SecretValue


def documents(build: SecretValue, shown: str) -> Mapping[tuple[str, str | None], BuiltDocument]:
    """Return the documents of a kustomize build, by object and namespace; ConfigError if it cannot be read."""
    by_name = {}
    for text in build.reveal().decode(errors="replace").split("\n---\n"):
        for built in parse_build(text, shown) if text.strip() else ():
            by_name[f"{built.version} {built}", built.namespace] = BuiltDocument(built, SecretValue.of(text.strip()))
    return by_name


def unexpected_changes(
    before: Mapping[tuple[str, str | None], BuiltDocument],
    after: Mapping[tuple[str, str | None], BuiltDocument],
    patches: Collection[RemovalPatch],
) -> Iterator[str]:
    """Yield the changes of the build that the patches must not make, and the objects that they failed to remove."""
    by_object = {(patch.id, patch.namespace): patch for patch in patches}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        object_ = (old or new or before[name]).built
        patch = by_object.get((object_.id, object_.namespace)) if object_.id else None
        if old is None or new is None:
            if not (new is None and patch and not patch.keys):
                yield f"{object_} would {'be added to' if old is None else 'disappear from'} the build"
        elif patch and not patch.keys:
            yield f"{object_} would stay in the build"
        elif (patch and not _only_lost(old.built, new.built, patch)) or (not patch and not old.text.same_as(new.text)):
            yield f"{object_} would change"


def _only_lost(old: BuiltObject, new: BuiltObject, patch: RemovalPatch) -> bool:
    """Return whether an object lost exactly the keys of a patch, and all other values are unchanged."""
    gone = {key for _, keys in patch.keys for key in keys}
    for section, keys in old.sections.items():
        left = new.sections.get(section) or {}
        for key, value in (keys or {}).items():
            if (key in left) is (key in gone) or (key in left and not value.same_as(left[key])):
                return False
    return True
