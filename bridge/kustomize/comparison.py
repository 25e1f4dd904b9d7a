"""Compares a build before and after a cure: bridge's objects go, and nothing else."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from bridge.kustomize.objects import BuiltObject, parse_build
from bridge.kustomize.patches import Cure
from bridge.secret import SecretValue


class Document(NamedTuple):
    """One object of a build, and its text as it is, with its values."""

    built: BuiltObject
    text: SecretValue


def documents(build: SecretValue, shown: str) -> Mapping[tuple[str, str | None], Document]:
    """Return the documents of what kustomize builds, by object and namespace; ConfigError where it cannot be read."""
    found = {}
    for text in build.reveal().decode(errors="replace").split("\n---\n"):
        for built in parse_build(text, shown) if text.strip() else ():
            found[f"{built.version} {built}", built.namespace] = Document(built, SecretValue.of(text.strip()))
    return found


def spoiled(
    before: Mapping[tuple[str, str | None], Document],
    after: Mapping[tuple[str, str | None], Document],
    found: Collection[Cure],
) -> Iterator[str]:
    """Yield what a cured build lost, changed or has still, beside what the patches are for."""
    patches = {(one.id, one.namespace): one for one in found}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        one = (old or new or before[name]).built
        cure = patches.get((one.id, one.namespace)) if one.id else None
        if old is None or new is None:
            if not (new is None and cure and not cure.keys):
                yield f"{one} would {'come into' if old is None else 'leave'} the build"
        elif cure and not cure.keys:
            yield f"{one} would stay in the build"
        elif (cure and not _only_lost(old.built, new.built, cure)) or (not cure and not old.text.same_as(new.text)):
            yield f"{one} would change"


def _only_lost(old: BuiltObject, new: BuiltObject, cure: Cure) -> bool:
    """Say whether an object lost the keys of a patch, and of the others none has another value."""
    gone = {key for _, keys in cure.keys for key in keys}
    for section, keys in old.sections.items():
        left = new.sections.get(section) or {}
        for key, value in (keys or {}).items():
            if (key in left) is (key in gone) or (key in left and not value.same_as(left[key])):
                return False
    return True
