"""`bridge check --manifests`: the guard, as far as it needs no cluster."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bridge.config.environment import Environment
from bridge.config.manifests import BuiltObject, parse_build
from bridge.config.template import TemplateObject
from bridge.config.textfile import read_text, read_text_stream
from bridge.errors import ConfigError, Problem
from bridge.gather import Run
from bridge.plan.consumers import SPECS
from bridge.plan.cure import cures, paste
from bridge.plan.guard import Finding, Owned, overwriting
from bridge.plan.loose_ends import loose_ends
from bridge.report.guard import guard_data

STDIN = "-"


class Judged(NamedTuple):
    """A build, by the name that messages give it, and what is wrong with it."""

    shown: str
    build: tuple[BuiltObject, ...]
    owned: Owned
    findings: tuple[Finding, ...]

    @property
    def data(self) -> dict[str, Any]:
        """Return what was found as data, with the cure."""
        cure = paste(cures(self.build, self.owned))
        return guard_data(self.shown, len(self.build), self.findings, cure)

    @property
    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong in words."""
        yield from (finding.problem(self.shown) for finding in self.findings)
        namespaced = {"Secret", "ConfigMap", *SPECS}
        unsaid = sum(one.namespace is None and one.kind in namespaced for one in self.build)
        if unsaid:
            what = f"{unsaid} of its objects name no namespace; {self.owned.namespace} is assumed"
            yield Problem(self.shown, what, warning=True)


def owned_by(environment: Environment, namespace: str, templates: tuple[TemplateObject, ...]) -> Owned:
    """Return what an environment owns."""
    return Owned(namespace, f"bridge/{environment.id}", {one.id: tuple(one.keys) for one in templates})


def judge(given: str, owned: Owned, run: Run) -> Judged:
    """Read a build and find what is wrong with it; ConfigError where it cannot be read."""
    shown = "stdin" if given == STDIN else given
    build = parse_build(_text(given, shown, run.deadline), shown)
    return Judged(shown, build, owned, (*overwriting(build, owned), *loose_ends(build, owned)))


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
