"""`bridge check --manifests`: the checks of a build that need no cluster."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bridge.commands.overlay import left_in_plaintext, only_aimed, usual_overlay
from bridge.config.environment import Environment
from bridge.config.template import TemplateObject
from bridge.errors import ConfigError, Problem
from bridge.kustomize.custom_resources import made_elsewhere
from bridge.kustomize.objects import BuiltObject, load_build
from bridge.kustomize.overlap import Finding, Owned, overwriting
from bridge.kustomize.patches import kept_for_references, paste, removal_patches
from bridge.kustomize.read import Names, load_kustomization, load_names
from bridge.kustomize.unfinished import loose_ends
from bridge.named_tuple import NamedTuple
from bridge.plan.workloads import SPECS
from bridge.report.guard import guard_data
from bridge.run.inputs import Run

USAGE = "pipe in a build: `kustomize build OVERLAY | bridge check ENV --manifests -`"


class Judged(NamedTuple):
    """A build, with its name for messages, and what is wrong with it."""

    shown: str
    build: tuple[BuiltObject, ...]
    owned: Owned
    findings: tuple[Finding, ...]
    overlay: Path | None = None  # the overlay that was built, if bridge knows it
    left: tuple[Problem, ...] = ()  # values in the overlay's files, possibly in plaintext

    @property
    def data(self) -> dict[str, Any]:
        """The findings as data, with the patches that fix them."""
        names = load_names(self.overlay) if self.overlay else None
        patches = removal_patches(self.build, self.owned, names or Names())
        patches = tuple(only_aimed(patches, self.overlay)) if self.overlay else patches
        patches = kept_for_references(patches) if names and (names.prefix or names.suffix) else patches
        unnamed = tuple(dict.fromkeys(str(patch.id) for patch in patches if patch.name is None))
        notes = tuple(_notes(unnamed, renamed=names)) if patches else ()
        return guard_data(self.shown, len(self.build), self.findings, paste(patches), notes)

    @property
    def problems(self) -> Iterator[Problem]:
        """Yield the problems as messages."""
        yield from (finding.problem(self.shown) for finding in self.findings)
        yield from self.left
        namespaced = {"Secret", "ConfigMap", *SPECS}
        unsaid = sum(object_.namespace is None and object_.kind in namespaced for object_ in self.build)
        if unsaid:
            what = f"{unsaid} of its objects have no namespace; {self.owned.namespace} is assumed"
            yield Problem(self.shown, what, warning=True)


def owned_by(environment: Environment, namespace: str, templates: tuple[TemplateObject, ...]) -> Owned:
    """Return what an environment owns."""
    return Owned(namespace, f"bridge/{environment.id}", {template.id: tuple(template.keys) for template in templates})


def _notes(unnamed: Sequence[str], *, renamed: Names | None) -> Iterator[str]:
    """Yield notes about the names in the patches."""
    if unnamed:
        yield f"No patch for {', '.join(unnamed)}: its name in the overlay is unknown or shared with other objects."
    if renamed is None:
        yield "If the overlay has a namePrefix or nameSuffix, remove it from the names here."
    elif renamed.prefix or renamed.suffix:
        yield "The names omit the overlay's namePrefix and nameSuffix, which kustomize adds after the patches."


def judge(source: str, environment: Environment, owned: Owned, run: Run) -> Judged:
    """Read a build and find what is wrong with it; ConfigError if it cannot be read."""
    shown, build = load_build(source, run.deadline, USAGE)
    findings = (*overwriting(build, owned), *made_elsewhere(build, owned), *loose_ends(build, owned))
    overlay = usual_overlay(environment)
    left = tuple(_values_left(overlay, build, owned)) if overlay else ()
    return Judged(shown, build, owned, findings, overlay, left)


def _values_left(overlay: Path, build: Sequence[BuiltObject], owned: Owned) -> Iterator[Problem]:
    """Yield the values in the overlay's files; nothing if one of the files is not on this machine."""
    try:
        kustomization = load_kustomization(overlay)
    except ConfigError:
        return
    kept = {patch.id for patch in removal_patches(build, owned) if patch.keys}
    yield from left_in_plaintext(kustomization, (), owned, kept)
