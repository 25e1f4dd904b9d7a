"""The labels and annotations of a template, as Kubernetes accepts them."""

from collections.abc import Callable, Mapping
from typing import Final

from bridge.config.names import is_label_name, is_label_value, quoted
from bridge.config.problems import Findings, as_mapping
from bridge.objects import LAST_APPLIED

ANNOTATIONS_LIMIT: Final = 256 * 1024
"""In bytes, for all names and values together (apimachinery's TotalAnnotationSizeLimitB)."""
TRACKING: Final = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance")
"""The marks Argo CD puts on what it deploys: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/."""


def read_labels(labels: object, at: Findings) -> Mapping[str, str]:
    """Return an object's labels, without the invalid ones."""
    texts = _texts(labels, at, is_label_name)
    for name, value in texts.items():
        if not is_label_value(value):
            at.at(name).note("not a valid label value", "use at most 63 characters: letters, digits, -, _ and .")
    return texts


def read_annotations(annotations: object, at: Findings) -> Mapping[str, str]:
    """Return an object's annotations, without the invalid ones."""
    # Kubernetes checks an annotation's name in lower case, so it accepts capitals before the slash.
    texts = _texts(annotations, at, lambda name: is_label_name(name.lower()))
    if LAST_APPLIED in texts:
        at.at(LAST_APPLIED).note("kubectl's copy of the object is not allowed in a template", "remove it")
    if sum(len(name.encode()) + len(value.encode()) for name, value in texts.items()) > ANNOTATIONS_LIMIT:
        at.note(f"more than {ANNOTATIONS_LIMIT // 1024} KiB in total")
    return texts


def _texts(mapping: object, at: Findings, is_name: Callable[[str], bool]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in as_mapping({} if mapping is None else mapping, at).items():
        if not is_name(name):
            at.note(f"{quoted(name)} is not a valid name")
        elif not isinstance(value, str):
            at.at(name).note("must be a string; quote it")
        elif "${" in value:
            at.at(name).note("placeholders are only allowed in values")
        elif name in TRACKING:
            at.at(name).note("Argo CD would treat the object as its own and delete it if it is not in git", "remove it")
        else:
            texts[name] = value
    return texts
