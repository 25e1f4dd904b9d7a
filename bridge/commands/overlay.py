"""Finds the overlay of an environment: the kustomization that builds its objects, and the names they have in it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bridge.config.environment import Environment
from bridge.draft.layout import read_layout
from bridge.errors import ConfigError
from bridge.kustomize.patches import Cure
from bridge.kustomize.read import kustomization_file


def overlay_folders(environment: Environment) -> list[Path]:
    """Return the folders of the environment's name beside the base of a template, whether they exist or not."""
    bases = dict.fromkeys(path.parent for path in environment.templates)
    return [Path(os.path.normpath(base.parent / "overlays" / environment.name)) for base in bases]


def usual_overlay(environment: Environment) -> Path | None:
    """Return the one folder of these that has a kustomization, or None if none or several have."""
    found = [folder for folder in overlay_folders(environment) if kustomization_file(folder)]
    return found[0] if len(found) == 1 else None


def only_aimed(found: Iterable[Cure], overlay: Path) -> Iterator[Cure]:
    """Yield the patches; those that would be for another object too, by the name in its file, lose their name.

    kustomize compares a patch's target with an object's first name and with its present one.
    """
    try:
        objects = read_layout(overlay).objects
    except ConfigError:
        objects = []  # a patch in clear that is not on this machine, perhaps: nothing is known of the names
    for cure in found:
        others = [one for one in objects if one.kind == cure.id.kind and one.id != cure.id]
        taken = {name for one in others for name in (one.names[0], *one.names[-2:-1])}
        yield cure._replace(name=None) if cure.name in taken else cure
