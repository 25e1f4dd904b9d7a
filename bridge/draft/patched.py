"""Applies patches to a layout's Secrets and ConfigMaps, as far as keys and values go."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from bridge.config.names import shown as shown_name
from bridge.config.template_object import SECTIONS
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.metadata import patch_metadata
from bridge.draft.model import Declared, Given, Layout, as_value, identify, shown
from bridge.kustomize.read import Patch


def apply_patch(patch: Patch, objects: Iterable[Declared], layout: Layout) -> None:
    """Apply one patch of a kustomization; what is not understood is remarked, by name."""
    place = shown(patch.file) if patch.file else patch.place
    found = list(objects)
    if patch.operations:
        _remark_operations(patch, place, found, layout)
    if patch.target and patch.target.narrowed and any(_aimed(patch, one) for one in found):
        layout.remark(patch.place, "selects by label or annotation; bridge does not follow it")
        return
    has_secret = False
    for document in patch.documents:
        theirs = [one for one in found if _aimed(patch, one)] if patch.target else _named(document, found)
        if not theirs and not patch.target and identify(document).kind in SECTIONS:
            layout.remark(place, f"patches {identify(document)}, which no resource declares")
        for one in theirs:
            _merge(document, one, place, layout)
        has_secret |= _gives(document, {identify(document).kind, *(one.kind for one in theirs)})
    if patch.file:
        layout.patch_files[patch.file] = layout.patch_files.get(patch.file, False) or has_secret
    elif has_secret:
        layout.remark(place, "has a Secret's values in the kustomization itself", "move them to a file and import that")


def apply_file(file: Path, layout: Layout) -> None:
    """Apply a file of manifests that is deployed beside the build; where both give a value, the build's counts."""
    documents = load_yaml_documents(file, shown(file), foreign=True)
    contents = [one.content for one in documents if isinstance(one.content, Mapping)]
    layout.patch_files[file] = any(_gives(content, {identify(content).kind}) for content in contents)
    for content in contents:
        theirs = _named(content, layout.objects)
        if not theirs:
            layout.remark(shown(file), f"gives {identify(content)}, which no resource declares")
        for one in theirs:
            before = dict(one.given)
            _merge(content, one, shown(file), layout)
            for key, given in before.items():
                if not one.given[key].value.same_as(given.value):
                    what = f"{one.id} key {key} has another value than {given.place}, which the build deploys"
                    layout.remark(shown(file), what, "the build's is taken")
            one.given |= before


def _gives(document: Mapping[str, object], kinds: Collection[str]) -> bool:
    """Return whether a patch has values for a Secret, and not only labels and the like."""
    return "Secret" in kinds and any(document.get(section) for section in SECTIONS["Secret"])


def _aimed(patch: Patch, one: Declared) -> bool:
    return patch.target is not None and any(patch.target.matches(one.kind, name) for name in one.names)


def _named(document: Mapping[str, object], objects: Iterable[Declared]) -> list[Declared]:
    kind, name = identify(document)
    return [one for one in objects if kind == one.kind and name in one.names]


def _remark_operations(patch: Patch, place: str, objects: Iterable[Declared], layout: Layout) -> None:
    """Name the fields that a JSON patch changes; its values may be secret, and its order matters."""
    given = (one.get("path") for one in patch.operations)
    paths = ", ".join(dict.fromkeys(path if isinstance(path, str) else "?" for path in given))
    for one in objects:
        if _aimed(patch, one):
            what = f"is a JSON patch of {one.id} ({paths}); bridge does not follow it"
            layout.remark(place, what, "give these keys a value in a source (Secret) or in the public template")


def _merge(document: Mapping[str, object], one: Declared, place: str, layout: Layout) -> None:
    directive = document.get("$patch")
    if directive == "delete":
        one.deleted = place
        layout.remark(place, f"deletes {one.id} from the build; bridge would write it all the same")
        return
    if directive is not None:
        layout.remark(place, f"replaces {one.id} as a whole; its template still names all keys of the base")
    patch_metadata(document, one)
    for name in ("type", "immutable"):
        if name in document and document[name] != one.content.get(name):
            layout.remark(place, f"sets {name} of {one.id} to another than its template", "make the template say it")
    for section in SECTIONS[one.kind]:
        if section in document:
            _merge_section(section, document[section], one, place, layout)


def _merge_section(section: str, values: object, one: Declared, place: str, layout: Layout) -> None:
    if not isinstance(values, Mapping) or "$patch" in values:
        layout.remark(place, f"replaces or removes {section} of {one.id} as a whole; bridge does not follow it")
    texts = {key: text for _, key, text in one.texts()}
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(value, str) and "${" in value and value == texts.get(key):
            continue  # the template's own placeholder once more
        if value is None:
            one.removed[key] = place
            what = f"removes {one.id} key {shown_name(key)}, which its template names"
            layout.remark(place, what, "take it from the template, or give it a value")
        elif not isinstance(value, str):
            layout.remark(place, f"{one.id} key {shown_name(key)} is no text", "quote it")
        elif key != "$patch":
            one.given[key] = Given(section, as_value(one.kind, section, value), place)
