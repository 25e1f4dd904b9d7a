"""Follows an overlay through everything that it builds from."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.config.problems import Findings
from bridge.config.template_object import SECTIONS
from bridge.config.textfile import read_text
from bridge.config.yamlfile import parse_yaml_documents
from bridge.draft.build_changes import apply_metadata, is_local, of_manifest
from bridge.draft.generated import generate
from bridge.draft.layout_model import Declared, Layout, identify, shown
from bridge.draft.other_tools import GROUPS, group_of, is_translated
from bridge.draft.patched import apply_patch
from bridge.errors import ConfigError, Problem
from bridge.kustomize.objects import DEPTH
from bridge.kustomize.read import Kustomization, kustomization_file, load_kustomization


def overlay_folders(root: Path) -> list[Path]:
    """Return the overlays' folders in a layout."""
    return sorted({folder for pattern in ("overlays", "*/overlays") for folder in root.glob(pattern)})


def find_overlay(root: Path, name: str) -> Path:
    """Return an environment's overlay below a folder, or the folder itself if it is an overlay.

    ConfigError if there is none, or if there are several.
    """
    folders = overlay_folders(root)
    if kustomization_file(root) and not any(_overlays(folder) for folder in folders):
        return root
    overlays = {path: path.relative_to(folder).parts for folder in folders for path in _overlays(folder)}
    exact = [path for path, parts in overlays.items() if parts == (name,)]
    matches = exact or [path for path, parts in overlays.items() if name in {parts[-1], "-".join(parts)}]
    if len(matches) == 1:
        return matches[0]
    hint = f"choose one with `--from {shown(matches[0])}`" if matches else ""
    if matches:
        raise ConfigError(
            Problem(str(root), f"has more than one overlay {name}: {', '.join(map(shown, matches))}", hint)
        )
    what = f"has no overlay {name} (overlays/{name}, or one folder deeper)"
    names = ", ".join("/".join(parts) for parts in overlays.values())
    raise ConfigError(
        Problem(str(root), what, f"found {names}" if names else "pass the layout's folder, or an overlay, with --from")
    )


def layout_root(root: Path, overlay: Path) -> Path:
    """Return the folder that contains `overlays` if an overlay itself was given, else the given folder."""
    if root != overlay:
        return root
    above = [folder for folder in (*overlay.parents, *overlay.absolute().parents) if folder.name == "overlays"]
    return above[0].parent if above else root


def _overlays(folder: Path) -> list[Path]:
    """Return the overlays in a folder: each subfolder with a kustomization, or its subfolders with one."""
    overlays: list[Path] = []
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        if kustomization_file(child):
            overlays.append(child)
        overlays += sorted(path for path in child.iterdir() if path.is_dir() and kustomization_file(path))
    return overlays


def read_layout(overlay: Path) -> Layout:
    """Follow an overlay; ConfigError lists what is wrong with its files."""
    layout = Layout(overlay)
    _follow(overlay, layout, layout.objects, ())
    layout.resources = [declared for declared in layout.objects if declared.kind not in SECTIONS]
    layout.objects = [declared for declared in layout.objects if declared.kind in SECTIONS]
    for declared in layout.objects:
        if is_local(declared):
            declared.kept_out = "is for kustomize only"
    find_namespaces(layout)
    return layout


def find_namespaces(layout: Layout) -> None:
    """Set the namespaces of the layout's Secrets and ConfigMaps."""
    layout.namespaces = sorted(
        {declared.namespace for declared in layout.objects if declared.namespace and not declared.kept_out}
    )
    if layout.namespaces:
        layout.namespace = layout.namespaces[0] if len(layout.namespaces) == 1 else None


def _follow(folder: Path, layout: Layout, objects: list[Declared], above: tuple[Path, ...]) -> None:
    """Add a kustomization's objects to `objects`. A component works on all objects that its user has found before."""
    if folder.resolve() in above:
        raise ConfigError(Problem(shown(folder), "lists itself as a resource"))
    above = (*above, folder.resolve())
    kustomization = load_kustomization(folder)
    for resource in kustomization.resources:
        if resource.is_dir():
            found_below: list[Declared] = []
            _follow(resource, layout, found_below, above)
            objects += found_below
        else:
            objects += _declared(resource, layout)
    for generator in kustomization.generators:
        generate(generator, kustomization, objects, layout)
    for component in kustomization.components:
        _follow(component, layout, objects, above)
    for patch in kustomization.patches:
        apply_patch(patch, objects, layout)
    for declared in objects:
        declared.names.append(kustomization.prefix + declared.names[-1] + kustomization.suffix)
    apply_metadata(kustomization, objects, layout)
    layout.namespace = kustomization.namespace or layout.namespace
    _remark(kustomization, layout)


def _declared(file: Path, layout: Layout) -> Iterator[Declared]:
    for place, content in _manifests(file):
        kind, name = identify(content)
        is_core = kind in SECTIONS and isinstance(content, Mapping) and content.get("apiVersion") == "v1"
        is_resource = is_translated(content)
        if isinstance(content, Mapping) and name and (is_core or is_resource):
            metadata = content["metadata"]
            namespace = metadata.get("namespace")
            declared = Declared(kind, [name], file, content)
            declared.namespace = namespace if isinstance(namespace, str) and "${" not in namespace else None
            declared.labels, declared.annotations = of_manifest(content, "labels"), of_manifest(content, "annotations")
            yield declared
        if is_core and name:
            continue
        if not is_resource:
            layout.contents.append(content)
        layout.others.setdefault(file.resolve(), []).append(f"{kind or '?'}/{name or '?'}")
        if not kind or not name:
            layout.remark(f"{shown(file)} {place}", "is not an object with a name")
        elif is_resource:
            continue
        elif group_of(content) in GROUPS:
            what = f"has {kind}/{name} of another tool, which is not translated"
            layout.remark(shown(file), what, "let bridge write what it gives, or keep it and leave that out")
        elif "Secret" in kind and kind != "Secret":
            what = f"has {kind}/{name}, with a controller that creates a Secret that bridge cannot take over"
            layout.remark(shown(file), what, "keep the Secret out of bridge's templates, or remove it there first")


def _manifests(file: Path) -> Iterator[tuple[str, object]]:
    """Yield the place and the content of each object in a file, with Lists expanded."""
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
    """Whether a manifest is a List of objects."""
    kind = content.get("kind")
    return isinstance(kind, str) and kind.endswith("List")


def _remark(kustomization: Kustomization, layout: Layout) -> None:
    for place in kustomization.remote:
        layout.remark(
            place, "is not on this machine and was not fetched", "check it for Secrets and ConfigMaps by hand"
        )
    for key in kustomization.opaque:
        layout.remark(f"{kustomization.shown} {key}", "may create or change objects; bridge does not follow it")
