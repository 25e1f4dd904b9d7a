"""Follows an overlay through all that it builds from."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.config.kustomize import Kustomization, load_kustomization
from bridge.config.manifest import SECTIONS
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.model import Declared, Layout, identify, shown
from bridge.draft.patched import apply_patch
from bridge.errors import ConfigError, Problem


def overlay_folders(root: Path) -> list[Path]:
    """Return the folders of overlays in a layout."""
    return sorted({folder for pattern in ("overlays", "*/overlays") for folder in root.glob(pattern)})


def find_overlay(root: Path, name: str) -> Path:
    """Return an environment's overlay below a folder; ConfigError where there is none, or there are several."""
    folders = overlay_folders(root)
    found = [folder / name for folder in folders if (folder / name).is_dir()]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            Problem(
                str(root), f"has several overlays {name}: {', '.join(map(shown, found))}", "give one layout with --from"
            )
        )
    there = sorted(one.name for folder in folders for one in folder.iterdir() if one.is_dir())
    what = f"has no overlay {name} (overlays/{name}, or one folder deeper)"
    hint = f"there are {', '.join(there)}" if there else "--from names the folder of the kustomize layout"
    raise ConfigError(Problem(str(root), what, hint))


def read_layout(overlay: Path) -> Layout:
    """Follow an overlay; ConfigError with what is wrong in its files."""
    layout = Layout(overlay)
    _follow(overlay, layout, layout.objects, ())
    return layout


def _follow(folder: Path, layout: Layout, objects: list[Declared], above: tuple[Path, ...]) -> None:
    """Add a kustomization's objects to `objects`. A component works on all that its user has found before."""
    if folder.resolve() in above:
        raise ConfigError(Problem(shown(folder), "is among its own resources"))
    above = (*above, folder.resolve())
    kustomization = load_kustomization(folder)
    for resource in kustomization.resources:
        if resource.is_dir():
            found: list[Declared] = []
            _follow(resource, layout, found, above)
            objects += found
        else:
            objects += _declared(resource, layout)
    for component in kustomization.components:
        _follow(component, layout, objects, above)
    for patch in kustomization.patches:
        apply_patch(patch, objects, layout)
    for one in objects:
        one.names.append(kustomization.prefix + one.names[-1] + kustomization.suffix)
    layout.namespace = kustomization.namespace or layout.namespace
    _remark(kustomization, layout)


def _declared(file: Path, layout: Layout) -> Iterator[Declared]:
    for number, document in enumerate(load_yaml_documents(file, shown(file)), start=1):
        content = document.content
        if content is None:
            continue
        kind, name = identify(content)
        if isinstance(content, Mapping) and name and kind in SECTIONS and content.get("apiVersion") == "v1":
            yield Declared(kind, [name], file, content)
            continue
        layout.others.setdefault(file.resolve(), []).append(f"{kind or '?'}/{name or '?'}")
        if not kind or not name:
            is_list = kind in {"List", "SecretList", "ConfigMapList"}
            what = f"is a {kind}, and bridge does not look into it" if is_list else "is no object with a name"
            layout.remark(f"{shown(file)} document {number}", what)
        elif "Secret" in kind and kind != "Secret":
            what = f"has {kind}/{name}, whose controller makes a Secret that bridge cannot take over"
            layout.remark(shown(file), what, "keep it out of bridge's templates, or give it up there first")


def _remark(kustomization: Kustomization, layout: Layout) -> None:
    for place in kustomization.remote:
        layout.remark(place, "is not on this machine, and was not fetched", "its Secrets and ConfigMaps are not known")
    for one in kustomization.generators:
        what = f"makes {one.kind}/{one.name or '?'} under a name with a hash, which bridge cannot take over"
        layout.remark(one.place, what, "leave it, or make it a manifest with a fixed name among the resources")
    for key in kustomization.opaque:
        layout.remark(f"{kustomization.shown} {key}", "may make or change objects; bridge does not follow it")
