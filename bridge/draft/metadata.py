"""Follows what a build says about its objects besides their values: labels, annotations and the namespace."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.config.labels import read_annotations, read_labels
from bridge.config.names import shown as shown_name
from bridge.config.problems import Findings
from bridge.draft.model import Declared, Layout, shown
from bridge.draft.suspect import holds_secret, looks_secret
from bridge.kustomize.read import LOCAL, Kustomization
from bridge.objects import LAST_APPLIED
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from bridge.errors import Problem

# kustomize's own marks, for itself, and kubectl's copy of the object.
_MARKS: Final = ("config.kubernetes.io/", "internal.config.kubernetes.io/", "kustomize.config.k8s.io/", LAST_APPLIED)
FIELDS: Final = {"labels": read_labels, "annotations": read_annotations}


def texts_in(mapping: object) -> dict[str, str]:
    """Return the texts of a mapping by their names; empty if it is no mapping."""
    items = mapping.items() if isinstance(mapping, Mapping) else ()
    return {name: text for name, text in items if isinstance(text, str)}


def of_manifest(content: Mapping[str, object], field: str) -> dict[str, str]:
    """Return the labels or annotations of a manifest."""
    metadata = content.get("metadata")
    return texts_in(metadata.get(field) if isinstance(metadata, Mapping) else None)


def is_local(one: Declared) -> bool:
    """Return whether kustomize keeps an object for itself, and leaves it out of the build."""
    return one.annotations.get(LOCAL) not in {None, "false"}


def apply_metadata(kustomization: Kustomization, objects: Iterable[Declared], layout: Layout) -> None:
    """Give every object the namespace, labels and annotations of a kustomization."""
    content = kustomization.content
    entries = content.get("labels")
    pairs = [one.get("pairs") for one in entries if isinstance(one, Mapping)] if isinstance(entries, list) else []
    labels = {name: text for one in (*pairs, content.get("commonLabels")) for name, text in texts_in(one).items()}
    for one in objects:
        one.labels |= labels
        one.annotations |= texts_in(content.get("commonAnnotations"))
        one.namespace = kustomization.namespace or one.namespace
    if content.get("buildMetadata"):
        what = "adds labels or annotations about the build; bridge does not carry them"
        layout.remark(f"{kustomization.shown} buildMetadata", what)


def patch_metadata(document: Mapping[str, object], one: Declared) -> None:
    """Apply the labels and annotations of a strategic merge patch."""
    metadata = document.get("metadata")
    for field in FIELDS:
        given = metadata.get(field) if isinstance(metadata, Mapping) else None
        kept = _of_object(one, field)
        kept.update(texts_in(given))
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if value is None:
                kept.pop(name, None)


def carried(
    one: Declared, layout: Layout, secrets: Sequence[SecretValue], *, beyond: Mapping[str, object]
) -> Mapping[str, Mapping[str, str]]:
    """Return an object's labels and annotations, without those that a manifest (`beyond`) has already.

    What cannot be in a template is remarked by name.
    """
    found: dict[str, Mapping[str, str]] = {}
    for field in FIELDS:
        there, now = of_manifest(beyond, field), _of_object(one, field)
        kept: dict[str, str] = {}
        for name, text in now.items():
            if there.get(name) == text or name.startswith(_MARKS):
                continue
            if why := _why_not(field, name, text, one, secrets):
                layout.remark(shown(one.file), f"{one.id} {field[:-1]} {shown_name(name)} is left out: {why}")
            else:
                kept[name] = text
        if kept:
            found[field] = kept
        for name in there.keys() - now.keys():
            what = f"{one.id} loses its {field[:-1]} {shown_name(name)} in the build, and keeps it in the template"
            layout.remark(shown(one.file), what, "remove it from the template, if no environment needs it")
    return found


def _of_object(one: Declared, field: str) -> dict[str, str]:
    return one.labels if field == "labels" else one.annotations


def _why_not(field: str, name: str, text: str, one: Declared, secrets: Sequence[SecretValue]) -> str:
    """Return why a label or annotation is not carried; empty if it is."""
    problems: list[Problem] = []
    FIELDS[field]({name: text}, Findings("", problems))
    if problems:
        return problems[0].what
    if of_manifest(one.content, field).get(name) == text:  # it is in git already
        return ""
    value = SecretValue.of(text)
    return "it looks like a secret" if holds_secret(value, secrets) or looks_secret(value) else ""
