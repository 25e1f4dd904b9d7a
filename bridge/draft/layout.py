"""Follows an overlay through all that it builds from."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.config.problems import Findings
from bridge.config.template_object import SECTIONS
from bridge.config.textfile import read_text
from bridge.config.yamlfile import parse_yaml_documents
from bridge.draft.generated import generate
from bridge.draft.metadata import apply_metadata, is_local, of_manifest
from bridge.draft.model import Declared, Layout, identify, shown
from bridge.draft.patched import apply_patch
from bridge.errors import ConfigError, Problem
from bridge.kustomize.objects import DEPTH
from bridge.kustomize.read import Kustomization, kustomization_file, load_kustomization


def overlay_folders(root: Path) -> list[Path]:
    """Return the folders of overlays in a layout."""
    return sorted({folder for pattern in ("overlays", "*/overlays") for folder in root.glob(pattern)})


def find_overlay(root: Path, name: str) -> Path:
    """Return an environment's overlay below a folder, or the folder itself if it is an overlay.

    ConfigError if there is none, or if there are several.
    """
    folders = overlay_folders(root)
    if kustomization_file(root) and not any(_overlays(folder) for folder in folders):
        return root
    there = {path: path.relative_to(folder).parts for folder in folders for path in _overlays(folder)}
    exact = [path for path, parts in there.items() if parts == (name,)]
    found = exact or [path for path, parts in there.items() if name in {parts[-1], "-".join(parts)}]
    if len(found) == 1:
        return found[0]
    hint = f"give one with --from, such as --from {shown(found[0])}" if found else ""
    if found:
        raise ConfigError(Problem(str(root), f"has several overlays {name}: {', '.join(map(shown, found))}", hint))
    what = f"has no overlay {name} (overlays/{name}, or one folder deeper)"
    names = ", ".join("/".join(parts) for parts in there.values())
    raise ConfigError(
        Problem(str(root), what, f"there are {names}" if names else "--from names the layout's folder, or an overlay")
    )


def layout_root(root: Path, overlay: Path) -> Path:
    """Return the folder around `overlays` if an overlay itself was given, else the folder that was given."""
    if root != overlay:
        return root
    above = [one for one in (*overlay.parents, *overlay.absolute().parents) if one.name == "overlays"]
    return above[0].parent if above else root


def _overlays(folder: Path) -> list[Path]:
    """Return the overlays in a folder: each folder with a kustomization, or those in it."""
    found: list[Path] = []
    for child in sorted(one for one in folder.iterdir() if one.is_dir()):
        if kustomization_file(child):
            found.append(child)
        found += sorted(one for one in child.iterdir() if one.is_dir() and kustomization_file(one))
    return found


def read_layout(overlay: Path) -> Layout:
    """Follow an overlay; ConfigError with what is wrong in its files."""
    layout = Layout(overlay)
    _follow(overlay, layout, layout.objects, ())
    for one in layout.objects:
        if is_local(one):
            one.kept_out = "is for kustomize only"
    layout.namespaces = sorted({one.namespace for one in layout.objects if one.namespace and not one.kept_out})
    if layout.namespaces:
        layout.namespace = layout.namespaces[0] if len(layout.namespaces) == 1 else None
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
    for generator in kustomization.generators:
        generate(generator, kustomization, objects, layout)
    for component in kustomization.components:
        _follow(component, layout, objects, above)
    for patch in kustomization.patches:
        apply_patch(patch, objects, layout)
    for one in objects:
        one.names.append(kustomization.prefix + one.names[-1] + kustomization.suffix)
    apply_metadata(kustomization, objects, layout)
    layout.namespace = kustomization.namespace or layout.namespace
    _remark(kustomization, layout)


def _declared(file: Path, layout: Layout) -> Iterator[Declared]:
    for place, content in _manifests(file):
        kind, name = identify(content)
        if isinstance(content, Mapping) and name and kind in SECTIONS and content.get("apiVersion") == "v1":
            metadata = content["metadata"]
            namespace = metadata.get("namespace")
            one = Declared(kind, [name], file, content)
            one.namespace = namespace if isinstance(namespace, str) and "${" not in namespace else None
            one.labels, one.annotations = of_manifest(content, "labels"), of_manifest(content, "annotations")
            yield one
            continue
        layout.others.setdefault(file.resolve(), []).append(f"{kind or '?'}/{name or '?'}")
        if not kind or not name:
            layout.remark(f"{shown(file)} {place}", "is no object with a name")
        elif "Secret" in kind and kind != "Secret":
            what = f"has {kind}/{name}, whose controller makes a Secret that bridge cannot take over"
            layout.remark(shown(file), what, "keep it out of bridge's templates, or give it up there first")


def _manifests(file: Path) -> Iterator[tuple[str, object]]:
    """Yield the place and the content of each object in a file, those of a List one by one."""
    findings = Findings(shown(file))
    documents = parse_yaml_documents(read_text(file, shown(file)), findings, depth=DEPTH, foreign=True)
    if findings:
        findings.fail()
    for number, document in enumerate(documents, start=1):
        content, place = document.content, f"document {number}"
        items = content.get("items") if isinstance(content, Mapping) and is_list(content) else None
        if isinstance(items, list):
            yield from ((f"{place} items[{index}]", item) for index, item in enumerate(items))
        elif content is not None:
            yield place, content


def is_list(content: Mapping[str, object]) -> bool:
    """Return whether a manifest is a List of objects."""
    kind = content.get("kind")
    return isinstance(kind, str) and kind.endswith("List")


def _remark(kustomization: Kustomization, layout: Layout) -> None:
    for place in kustomization.remote:
        layout.remark(place, "is not on this machine, and was not fetched", "its Secrets and ConfigMaps are not known")
    for key in kustomization.opaque:
        layout.remark(f"{kustomization.shown} {key}", "may make or change objects; bridge does not follow it")
