"""Finds values that stay in an overlay's files, perhaps in clear, after the build has lost what bridge writes."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from bridge.errors import ConfigError, Problem
from bridge.kustomize.overlap import Owned
from bridge.kustomize.patches import generating, gives_values, superseded
from bridge.kustomize.read import Kustomization, Names, Patch, load_kustomization
from bridge.objects import ObjectId


def left_in_clear(
    kustomization: Kustomization, removed: Collection[Patch], owned: Owned, kept: Collection[ObjectId]
) -> Iterator[Problem]:
    """Yield each patch and generator with values for bridge's objects: the overlay's own, and what it builds from.

    `removed` are the patches that the overlay has lost, `kept` the objects that the build still has, for other keys.
    """
    for patch, _ in superseded(kustomization.patches, owned, kept, kustomization.names):
        if patch not in removed and gives_values(patch):
            yield _left(_place(patch))
    yield from _generators(kustomization, kustomization.names, owned, kept)
    yield from _below(kustomization, kustomization.names, owned, kept, {kustomization.file.resolve()})


def _below(
    user: Kustomization, names: Names, owned: Owned, kept: Collection[ObjectId], seen: set[Path]
) -> Iterator[Problem]:
    """Look into components and resources, the last one first: it renames what those before it have made."""
    for folder in (*reversed(user.components), *(one for one in user.resources if one.is_dir())):
        try:
            found = load_kustomization(folder)
        except ConfigError:
            what = "cannot be read by bridge, and may have values for what bridge writes"
            yield Problem(os.path.normpath(folder), what, "look for values there by hand", warning=True)
            continue
        if found.file.resolve() in seen:
            continue
        seen.add(found.file.resolve())
        inner = found.names.within(names)
        for patch, _ in superseded(found.patches, owned, kept, inner):
            if gives_values(patch):
                yield _left(_place(patch))
        yield from _generators(found, inner, owned, kept)
        yield from _below(found, inner, owned, kept, seen)
        names = inner if folder in user.components else names


def _generators(found: Kustomization, names: Names, owned: Owned, kept: Collection[ObjectId]) -> Iterator[Problem]:
    for one in generating(found.generators, owned, kept, names):
        yield _left(one.place)


def _place(patch: Patch) -> str:
    return os.path.normpath(patch.file) if patch.file else patch.place


def _left(place: str) -> Problem:
    what = "still has values for what bridge writes, perhaps in clear"
    return Problem(place, what, "take them out by hand, once they are imported", warning=True)
