"""The overlay of an environment: where it is, plaintext values that stay in it, and references to deleted patches."""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bridge.config.environment import Environment
from bridge.config.replace_file import replace_bytes, replace_text
from bridge.config.textfile import read_text
from bridge.draft.layout import read_layout
from bridge.draft.secret_looking import named_like_a_secret
from bridge.errors import ConfigError, Problem, Refusal
from bridge.git import tracked_by_git
from bridge.kustomize.edit import MissingPatch, change_patches, missing_patches
from bridge.kustomize.overlap import Owned
from bridge.kustomize.patches import RemovalPatch, generating, gives_values, superseded
from bridge.kustomize.read import Kustomization, Names, Patch, kustomization_file, load_kustomization
from bridge.objects import ObjectId
from bridge.shell import word

_KINDS: Final = frozenset({"Secret", "ConfigMap"})


def overlay_folders(environment: Environment) -> list[Path]:
    """Return the folders with the environment's name next to the base of a template, whether they exist or not."""
    bases = dict.fromkeys(path.parent for path in environment.templates)
    return [Path(os.path.normpath(base.parent / "overlays" / environment.name)) for base in bases]


def usual_overlay(environment: Environment) -> Path | None:
    """Return the environment's overlay, or None unless exactly one of these folders has a kustomization."""
    folders = [folder for folder in overlay_folders(environment) if kustomization_file(folder)]
    return folders[0] if len(folders) == 1 else None


def only_aimed(patches: Iterable[RemovalPatch], overlay: Path) -> Iterator[RemovalPatch]:
    """Yield the patches; a patch that would also match another object loses its name.

    kustomize compares a patch's target with an object's first name and its current name.
    """
    try:
        objects = read_layout(overlay).objects
    except ConfigError:
        objects = []  # perhaps a plaintext patch is not on this machine: the names are unknown
    for patch in patches:
        others = [declared for declared in objects if declared.kind == patch.id.kind and declared.id != patch.id]
        taken = {name for declared in others for name in (declared.names[0], *declared.names[-2:-1])}
        yield patch._replace(name=None) if patch.name in taken else patch


def left_in_plaintext(
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
    """Search components and resources, last first: a component renames what the earlier folders built."""
    for folder in (*reversed(user.components), *(path for path in user.resources if path.is_dir())):
        try:
            loaded = load_kustomization(folder)
        except ConfigError:
            what = "cannot be read, and may contain values of bridge's objects"
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


def _generators(user: Kustomization, names: Names, owned: Owned, kept: Collection[ObjectId]) -> Iterator[Problem]:
    for generator in generating(user.generators, owned, kept, names):
        yield _left(generator.place)


def _place(patch: Patch) -> str:
    return os.path.normpath(patch.file) if patch.file else patch.place


def _left(place: str) -> Problem:
    what = "still contains values of bridge's objects, possibly in plaintext"
    return Problem(place, what, "remove them by hand after importing them", warning=True)


@contextmanager
def without_missing_patches(overlay: Path) -> Iterator[tuple[Path, ...]]:
    """Remove the references to missing plaintext patches from an overlay's kustomization; yield the patches' paths.

    Refusal for a missing patch that may contain more than values. If the block fails, the file gets its old content
    back.
    """
    file = kustomization_file(overlay)
    assert file is not None, "an overlay has a kustomization"
    shown = os.path.normpath(file)
    text = read_text(file, shown)
    missing = list(missing_patches(text, overlay))
    if not missing:
        yield ()
        return
    problems = [problem for patch in missing if (problem := _doubt(patch, shown))]
    if problems:
        raise Refusal(*problems)
    original = file.read_bytes()
    changed = change_patches(text, shown, {patch.item for patch in missing}, ())
    try:
        replace_text(file, changed)
        yield tuple(Path(os.path.normpath(patch.file)) for patch in missing)
    except BaseException:
        replace_bytes(file, original)
        raise


def _doubt(patch: MissingPatch, shown: str) -> Problem | None:
    """Return the reason not to drop a reference: the patch may change what bridge does not write."""
    path = os.path.normpath(patch.file)
    quoted = word(path)
    if tracked_by_git(patch.file):
        hint = f"restore it with `git checkout -- {quoted}`, or run `git rm --cached {quoted}` if it only had values"
        return Problem(path, "is missing, but is tracked by git", hint)
    if patch.kind in _KINDS or named_like_a_secret(patch.file.stem):
        return None
    hint = f"if it only contained imported values, remove its entry from {shown}"
    return Problem(path, "is missing, and may have contained more than values", hint)
