"""`bridge check --manifests`: the guard, as far as it needs no cluster."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bridge.commands.left_in_clear import left_in_clear
from bridge.commands.overlay import only_aimed, usual_overlay
from bridge.config.environment import Environment
from bridge.config.template import TemplateObject
from bridge.config.textfile import read_text, read_text_stream
from bridge.errors import ConfigError, Problem
from bridge.kustomize.custom_resources import made_elsewhere
from bridge.kustomize.objects import BuiltObject, parse_build
from bridge.kustomize.overlap import Finding, Owned, overwriting
from bridge.kustomize.patches import cures, kept_for_references, paste
from bridge.kustomize.read import Names, load_kustomization, load_names
from bridge.kustomize.unfinished import loose_ends
from bridge.plan.consumers import SPECS
from bridge.report.guard import guard_data
from bridge.run.inputs import Run

STDIN = "-"


class Judged(NamedTuple):
    """A build, by the name that messages give it, and what is wrong with it."""

    shown: str
    build: tuple[BuiltObject, ...]
    owned: Owned
    findings: tuple[Finding, ...]
    overlay: Path | None = None  # what built it, if bridge knows which it is
    left: tuple[Problem, ...] = ()  # values in the overlay's files, perhaps in clear

    @property
    def data(self) -> dict[str, Any]:
        """Return what was found as data, with the cure."""
        names = load_names(self.overlay) if self.overlay else None
        found = cures(self.build, self.owned, names or Names())
        found = tuple(only_aimed(found, self.overlay)) if self.overlay else found
        found = kept_for_references(found) if names and (names.prefix or names.suffix) else found
        unnamed = tuple(dict.fromkeys(str(one.id) for one in found if one.name is None))
        notes = tuple(_notes(unnamed, renamed=names)) if found else ()
        return guard_data(self.shown, len(self.build), self.findings, paste(found), notes)

    @property
    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong in words."""
        yield from (finding.problem(self.shown) for finding in self.findings)
        yield from self.left
        namespaced = {"Secret", "ConfigMap", *SPECS}
        unsaid = sum(one.namespace is None and one.kind in namespaced for one in self.build)
        if unsaid:
            what = f"{unsaid} of its objects name no namespace; {self.owned.namespace} is assumed"
            yield Problem(self.shown, what, warning=True)


def owned_by(environment: Environment, namespace: str, templates: tuple[TemplateObject, ...]) -> Owned:
    """Return what an environment owns."""
    return Owned(namespace, f"bridge/{environment.id}", {one.id: tuple(one.keys) for one in templates})


def _notes(unnamed: Sequence[str], *, renamed: Names | None) -> Iterator[str]:
    """Yield what has to be known of the names in the cure."""
    if unnamed:
        yield f"No patch for {', '.join(unnamed)}: its name in the overlay is not known, or other objects share it."
    if renamed is None:
        yield "If the overlay has a namePrefix or nameSuffix, write the names here without it."
    elif renamed.prefix or renamed.suffix:
        yield "The names are without the overlay's namePrefix and nameSuffix, which kustomize adds after the patches."


def judge(given: str, environment: Environment, owned: Owned, run: Run) -> Judged:
    """Read a build and find what is wrong with it; ConfigError if it cannot be read."""
    shown = "stdin" if given == STDIN else given
    build = parse_build(_text(given, shown, run.deadline), shown)
    findings = (*overwriting(build, owned), *made_elsewhere(build, owned), *loose_ends(build, owned))
    overlay = usual_overlay(environment)
    left = tuple(_left(overlay, build, owned)) if overlay else ()
    return Judged(shown, build, owned, findings, overlay, left)


def _left(overlay: Path, build: Sequence[BuiltObject], owned: Owned) -> Iterator[Problem]:
    """Yield the values that the overlay's files have; nothing if a file of it is not on this machine."""
    try:
        kustomization = load_kustomization(overlay)
    except ConfigError:
        return
    kept = {one.id for one in cures(build, owned) if one.keys}
    yield from left_in_clear(kustomization, (), owned, kept)


def _text(given: str, shown: str, deadline: float) -> str:
    path = Path(given)
    if given != STDIN and path.is_fifo():  # a shell's <(kustomize build …)
        with path.open("rb", buffering=0) as pipe:
            return read_text_stream(pipe.fileno(), shown, deadline)
    if given != STDIN:
        try:
            return read_text(path, shown)
        except FileNotFoundError:
            raise ConfigError(Problem(shown, "no such file")) from None
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError(
            Problem(
                shown,
                "nothing is piped in",
                "pipe a build in: `kustomize build OVERLAY | bridge check ENV --manifests -`",
            )
        )
    return read_text_stream(sys.stdin.fileno(), shown, deadline)
