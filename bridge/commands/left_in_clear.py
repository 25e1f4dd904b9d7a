"""Finds values that remain in an overlay's files, perhaps in clear, after bridge's objects left the build."""

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
    """Yield each patch and generator with values for bridge's objects, in the overlay and in what it builds from.

    `removed` are the patches that the overlay no longer has, `kept` the objects that the build still has for other
    keys.
    """
    for patch, _ in superseded(kustomization.patches, owned, kept, kustomization.names):
        if patch not in removed and gives_values(patch):
            yield _left(_place(patch))
    yield from _generators(kustomization, kustomization.names, owned, kept)
    yield from _below(kustomization, kustomization.names, owned, kept, {kustomization.file.resolve()})


def _below(
    user: Kustomization, names: Names, owned: Owned, kept: Collection[ObjectId], seen: set[Path]
) -> Iterator[Problem]:
    """Look into components and resources, the last first: it renames what the previous ones have built."""
    for folder in (*reversed(user.components), *(path for path in user.resources if path.is_dir())):
        try:
            loaded = load_kustomization(folder)
        except ConfigError:
            what = "cannot be read by bridge, and may contain values of bridge's objects"
            yield Problem(os.path.normpath(folder), what, "check it for values by hand", warning=True)
            continue
        if loaded.file.resolve() in seen:
            continue
        seen.add(loaded.file.resolve())
        inner = loaded.names.within(names)
        for patch, _ in superseded(loaded.patches, owned, kept, inner):
            if gives_values(patch):
                yield _left(_place(patch))
        yield from _generators(loaded, inner, owned, kept)
        yield from _below(loaded, inner, owned, kept, seen)
        names = inner if folder in user.components else names


def _generators(found: Kustomization, names: Names, owned: Owned, kept: Collection[ObjectId]) -> Iterator[Problem]:
    for generator in generating(found.generators, owned, kept, names):
        yield _left(generator.place)


def _place(patch: Patch) -> str:
    return os.path.normpath(patch.file) if patch.file else patch.place


def _left(place: str) -> Problem:
    what = "still contains values of bridge's objects, perhaps in clear"
    return Problem(place, what, "remove them by hand after importing them", warning=True)
