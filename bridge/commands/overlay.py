"""Finds an environment's overlay: the kustomization that builds its objects, and the objects' names in it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bridge.config.environment import Environment
from bridge.draft.layout import read_layout
from bridge.errors import ConfigError
from bridge.kustomize.patches import Cure
from bridge.kustomize.read import kustomization_file


def overlay_folders(environment: Environment) -> list[Path]:
    """Return the folders with the environment's name next to the base of a template, whether they exist or not."""
    bases = dict.fromkeys(path.parent for path in environment.templates)
    return [Path(os.path.normpath(base.parent / "overlays" / environment.name)) for base in bases]


def usual_overlay(environment: Environment) -> Path | None:
    """Return the only one of these folders with a kustomization, or None if none or several have one."""
    folders = [folder for folder in overlay_folders(environment) if kustomization_file(folder)]
    return folders[0] if len(folders) == 1 else None


def only_aimed(patches: Iterable[Cure], overlay: Path) -> Iterator[Cure]:
    """Yield the patches; a patch that would also match another object loses its name.

    kustomize compares a patch's target with an object's first name and its current name.
    """
    try:
        objects = read_layout(overlay).objects
    except ConfigError:
        objects = []  # perhaps a plaintext patch is not on this machine: the names are unknown
    for cure in patches:
        others = [declared for declared in objects if declared.kind == cure.id.kind and declared.id != cure.id]
        taken = {name for declared in others for name in (declared.names[0], *declared.names[-2:-1])}
        yield cure._replace(name=None) if cure.name in taken else cure
