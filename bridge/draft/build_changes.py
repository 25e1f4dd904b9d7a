"""Applies a build's labels, annotations and namespaces to its objects."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.config.names import shown as shown_name
from bridge.config.problems import Findings
from bridge.config.template_object import read_annotations, read_labels
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.secret_looking import holds_secret, looks_secret
from bridge.kustomize.read import LOCAL, Kustomization
from bridge.objects import LAST_APPLIED
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from bridge.errors import Problem

# kustomize's internal marks, and kubectl's copy of the object.
_MARKS: Final = ("config.kubernetes.io/", "internal.config.kubernetes.io/", "kustomize.config.k8s.io/", LAST_APPLIED)
FIELDS: Final = {"labels": read_labels, "annotations": read_annotations}


def texts_in(mapping: object) -> dict[str, str]:
    """Return the string values of a mapping by name, or {} if it is not a mapping."""
    items = mapping.items() if isinstance(mapping, Mapping) else ()
    return {name: text for name, text in items if isinstance(text, str)}


def of_manifest(content: Mapping[str, object], field: str) -> dict[str, str]:
    """Return the labels or annotations of a manifest."""
    metadata = content.get("metadata")
    return texts_in(metadata.get(field) if isinstance(metadata, Mapping) else None)


def is_local(declared: Declared) -> bool:
    """Whether kustomize only uses an object internally and leaves it out of the build."""
    return declared.annotations.get(LOCAL) not in {None, "false"}


def apply_metadata(kustomization: Kustomization, objects: Iterable[Declared], layout: Layout) -> None:
    """Give every object the namespace, labels and annotations of a kustomization."""
    content = kustomization.content
    entries = content.get("labels")
    pairs = [entry.get("pairs") for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    labels = {name: text for pair in (*pairs, content.get("commonLabels")) for name, text in texts_in(pair).items()}
    for declared in objects:
        declared.labels |= labels
        declared.annotations |= texts_in(content.get("commonAnnotations"))
        declared.namespace = kustomization.namespace or declared.namespace
    if content.get("buildMetadata"):
        what = "adds labels or annotations about the build; bridge does not carry them"
        layout.remark(f"{kustomization.shown} buildMetadata", what)


def patch_metadata(document: Mapping[str, object], declared: Declared) -> None:
    """Apply the labels and annotations of a strategic merge patch."""
    metadata = document.get("metadata")
    for field in FIELDS:
        patched = metadata.get(field) if isinstance(metadata, Mapping) else None
        kept = _of_object(declared, field)
        kept.update(texts_in(patched))
        for name, value in patched.items() if isinstance(patched, Mapping) else ():
            if value is None:
                kept.pop(name, None)


def carried(
    declared: Declared, layout: Layout, secrets: Sequence[SecretValue], *, beyond: Mapping[str, object]
) -> Mapping[str, Mapping[str, str]]:
    """Return an object's labels and annotations without those that a manifest (`beyond`) already has.

    Remark by name on anything that cannot be in a template.
    """
    result: dict[str, Mapping[str, str]] = {}
    for field in FIELDS:
        existing, now = of_manifest(beyond, field), _of_object(declared, field)
        kept: dict[str, str] = {}
        for name, text in now.items():
            if existing.get(name) == text or name.startswith(_MARKS):
                continue
            if why := _why_not(field, name, text, declared, secrets):
                layout.remark(shown(declared.file), f"{declared.id} {field[:-1]} {shown_name(name)} is left out: {why}")
            else:
                kept[name] = text
        if kept:
            result[field] = kept
        for name in existing.keys() - now.keys():
            what = f"{declared.id} loses its {field[:-1]} {shown_name(name)} in the build, but keeps it in the template"
            layout.remark(shown(declared.file), what, "remove it from the template if no environment needs it")
    return result


def _of_object(declared: Declared, field: str) -> dict[str, str]:
    return declared.labels if field == "labels" else declared.annotations


def _why_not(field: str, name: str, text: str, declared: Declared, secrets: Sequence[SecretValue]) -> str:
    """Return why a label or annotation is not carried over, or "" if it is."""
    problems: list[Problem] = []
    FIELDS[field]({name: text}, Findings("", problems))
    if problems:
        return problems[0].what
    if of_manifest(declared.content, field).get(name) == text:  # it is already in git
        return ""
    value = SecretValue.of(text)
    return "it looks like a secret" if holds_secret(value, secrets) or looks_secret(value) else ""
