"""Applies patches to the keys and values of a layout's Secrets and ConfigMaps."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

from bridge.config.names import shown as shown_name
from bridge.config.template_object import SECTIONS
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.build_changes import patch_metadata
from bridge.draft.layout_model import Declared, DraftedValue, Layout, as_value, identify, shown
from bridge.kustomize.read import Patch


def apply_patch(patch: Patch, objects: Iterable[Declared], layout: Layout) -> None:
    """Apply one patch of a kustomization; remark by name on what is not understood."""
    place = shown(patch.file) if patch.file else patch.place
    candidates = list(objects)
    if patch.operations:
        _remark_operations(patch, place, candidates, layout)
    if patch.target and patch.target.narrowed and any(_is_target(patch, declared) for declared in candidates):
        layout.remark(patch.place, "selects by label or annotation; bridge does not follow it")
        return
    has_secret = False
    for document in patch.documents:
        theirs = (
            [declared for declared in candidates if _is_target(patch, declared)]
            if patch.target
            else _named(document, candidates)
        )
        if not theirs and not patch.target and identify(document).kind in SECTIONS:
            layout.remark(place, f"patches {identify(document)}, which no resource defines")
        for declared in theirs:
            _merge(document, declared, place, layout)
        has_secret |= _gives(document, {identify(document).kind, *(declared.kind for declared in theirs)})
    if patch.file:
        layout.patch_files[patch.file] = layout.patch_files.get(patch.file, False) or has_secret
    elif has_secret:
        layout.remark(
            place, "has a Secret's values in the kustomization itself", "move them to a file, and import the file"
        )


def apply_file(file: Path, layout: Layout) -> None:
    """Apply a file of manifests that is deployed separately. If both give a value, the build's value is used."""
    documents = load_yaml_documents(file, shown(file), foreign=True)
    contents = [document.content for document in documents if isinstance(document.content, Mapping)]
    layout.patch_files[file] = any(_gives(content, {identify(content).kind}) for content in contents)
    for content in contents:
        theirs = _named(content, layout.objects)
        if not theirs:
            layout.remark(shown(file), f"gives {identify(content)}, which no resource defines")
        for declared in theirs:
            before = dict(declared.given)
            _merge(content, declared, shown(file), layout)
            for key, given in before.items():
                if not declared.given[key].value.same_as(given.value):
                    what = f"{declared.id} key {key} has a different value than {given.place}, which the build deploys"
                    layout.remark(shown(file), what, "check which value is right; the build's value is used")
            declared.given |= before


def _gives(document: Mapping[str, object], kinds: Collection[str]) -> bool:
    """Whether a patch has values for a Secret, and not only labels and the like."""
    return "Secret" in kinds and any(document.get(section) for section in SECTIONS["Secret"])


def _is_target(patch: Patch, declared: Declared) -> bool:
    api = declared.content.get("apiVersion") if declared.kind not in SECTIONS else "v1"
    return patch.target is not None and any(
        patch.target.matches(declared.kind, name, str(api)) for name in declared.names
    )


def _named(document: Mapping[str, object], objects: Iterable[Declared]) -> list[Declared]:
    kind, name = identify(document)
    return [declared for declared in objects if kind == declared.kind and name in declared.names]


def _remark_operations(patch: Patch, place: str, objects: Iterable[Declared], layout: Layout) -> None:
    """Name the fields that a JSON patch changes; its values may be secret, and its order matters."""
    fields = (step.get("path") for step in patch.operations)
    paths = ", ".join(dict.fromkeys(path if isinstance(path, str) else "?" for path in fields))
    for declared in objects:
        if declared.kind not in SECTIONS and _is_target(patch, declared):
            try:
                declared.content = operated(declared.content, patch.operations)
            except PatchError:
                what = f"is a JSON patch of {declared.id} that bridge does not follow"
                layout.remark(place, what, "check what is drafted for it")
        elif _is_target(patch, declared):
            what = f"is a JSON patch of {declared.id} ({paths}); bridge does not follow it"
            layout.remark(place, what, "give these keys a value in a source (Secret) or in the public template")


def _merge(document: Mapping[str, object], declared: Declared, place: str, layout: Layout) -> None:
    directive = document.get("$patch")
    if directive == "delete":
        declared.deleted = place
        if declared.kind not in SECTIONS:
            return
        layout.remark(place, f"deletes {declared.id} from the build; bridge would still write it")
        return
    if directive is not None and declared.kind in SECTIONS:
        layout.remark(place, f"replaces {declared.id} as a whole; its template still has all keys of the base")
    patch_metadata(document, declared)
    if declared.kind not in SECTIONS:
        declared.content = document if directive == "replace" else merged(declared.content, document)
        return
    for name in ("type", "immutable"):
        if name in document and document[name] != declared.content.get(name):
            layout.remark(
                place, f"sets {name} of {declared.id} to a different value than its template", "set it in the template"
            )
    for section in SECTIONS[declared.kind]:
        if section in document:
            _merge_section(section, document[section], declared, place, layout)


def _merge_section(section: str, values: object, declared: Declared, place: str, layout: Layout) -> None:
    if not isinstance(values, Mapping) or "$patch" in values:
        layout.remark(place, f"replaces or removes {section} of {declared.id} as a whole; bridge does not follow it")
    texts = {key: text for _, key, text in declared.texts()}
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(value, str) and "${" in value and value == texts.get(key):
            continue  # the template's own placeholder repeated
        if value is None:
            declared.removed[key] = place
            what = f"removes {declared.id} key {shown_name(key)}, which is in its template"
            layout.remark(place, what, "remove it from the template, or give it a value")
        elif not isinstance(value, str):
            layout.remark(place, f"{declared.id} key {shown_name(key)} is not text", "quote it")
        elif key != "$patch":
            declared.given[key] = DraftedValue(section, as_value(declared.kind, section, value), place)


class PatchError(Exception):
    """An operation cannot be followed; it holds no text of the patch."""


def merged(content: object, patch: Mapping[str, object]) -> dict[str, object]:
    """Return the content after a merge patch; null removes a field."""
    before = content if isinstance(content, Mapping) else {}
    result: dict[str, object] = {name: value for name, value in before.items() if patch.get(name, value) is not None}
    for name, value in patch.items():
        if value is not None and name != "$patch":
            result[name] = merged(before.get(name), value) if isinstance(value, Mapping) else value
    return result


def operated(content: Mapping[str, object], operations: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """Return the content after a JSON patch; PatchError if an operation is of another kind or does not fit."""
    result = deepcopy(dict(content))
    for operation in operations:
        path, verb = operation.get("path"), operation.get("op")
        if not isinstance(path, str) or not path.startswith("/") or verb not in {"add", "replace", "remove"}:
            raise PatchError
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
        node: object = result
        for name in parents:
            node = _child(node, name)
        _change(node, last, str(verb), deepcopy(operation.get("value")))
    return result


def _child(node: object, name: str) -> object:
    if isinstance(node, dict) and name in node:
        return node[name]
    if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
        return node[int(name)]
    raise PatchError


def _change(node: object, name: str, verb: str, value: object) -> None:
    if isinstance(node, dict) and (verb == "add" or name in node):
        if verb == "remove":
            del node[name]
        else:
            node[name] = value
    elif isinstance(node, list):
        place = len(node) if name == "-" and verb == "add" else int(name) if name.isdecimal() else -1
        if not 0 <= place < len(node) + (verb == "add"):
            raise PatchError
        if verb == "add":
            node.insert(place, value)
        elif verb == "replace":
            node[place] = value
        else:
            del node[place]
    else:
        raise PatchError
