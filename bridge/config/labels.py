"""The labels and annotations of a template, as Kubernetes admits them."""

from collections.abc import Callable, Mapping
from typing import Final

from bridge.config.names import is_label_name, is_label_value, quoted
from bridge.config.problems import Findings, as_mapping
from bridge.objects import LAST_APPLIED

ANNOTATIONS_LIMIT: Final = 256 * 1024
"""In bytes, names and values together (apimachinery's TotalAnnotationSizeLimitB)."""
TRACKING: Final = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance")
"""Argo CD's marks of what it deploys: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/."""


def read_labels(given: object, at: Findings) -> Mapping[str, str]:
    """Return an object's labels, without those that are wrong."""
    texts = _texts(given, at, is_label_name)
    for name, value in texts.items():
        if not is_label_value(value):
            at.at(name).note("not a label's value", "at most 63 of a to z, A to Z, 0 to 9, -, _ and .")
    return texts


def read_annotations(given: object, at: Findings) -> Mapping[str, str]:
    """Return an object's annotations, without those that are wrong."""
    # Kubernetes checks an annotation's name in lower case, and so admits capitals before the slash.
    texts = _texts(given, at, lambda name: is_label_name(name.lower()))
    if LAST_APPLIED in texts:
        at.at(LAST_APPLIED).note("kubectl's copy of the object is refused", "remove it")
    if sum(len(name.encode()) + len(value.encode()) for name, value in texts.items()) > ANNOTATIONS_LIMIT:
        at.note(f"more than {ANNOTATIONS_LIMIT // 1024} KiB in all")
    return texts


def _texts(given: object, at: Findings, is_name: Callable[[str], bool]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in as_mapping({} if given is None else given, at).items():
        if not is_name(name):
            at.note(f"{quoted(name)} is not a valid name")
        elif not isinstance(value, str):
            at.at(name).note("must be a string; quote it")
        elif "${" in value:
            at.at(name).note("placeholders work in values only")
        elif name in TRACKING:
            at.at(name).note(
                "Argo CD would take the object for its own, and delete it when git has it not", "remove it"
            )
        else:
            texts[name] = value
    return texts
