"""Asks an environment's providers what their documents show without a key; a provider's bug never exposes a value."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Refusal
from bridge.provider import Context, Outline, Outliner, Rules
from bridge.sources.conformance import REPORT, failed
from bridge.sources.providers import build_providers, referenced
from bridge.sources.select import located

T = TypeVar("T")


class Outlines:
    """The documents of one environment, which may be another person's. No session is opened, and no server is asked."""

    def __init__(self, environment: Environment, context: Context) -> None:
        errors: list[BridgeError] = []
        providers = dict(build_providers(environment, referenced(environment), errors))
        self.problems: Final = tuple(problem for error in errors for problem in error.problems)
        unused = environment.providers.keys() - {*referenced(environment)}
        self._outliners: Final = {name: one for name, one in providers.items() if isinstance(one, Outliner)}
        self.valid_sections: Final = frozenset([*providers, *build_providers(environment, sorted(unused), [])])
        self._context: Final = context

    def file(self, reference: Reference) -> Path | None:
        """Return the path of a document's file, or None if the provider's documents are not files."""
        outliner = self._outliners.get(reference.provider)
        if outliner is None:
            return None
        return _guarded(reference, lambda: outliner.file(reference.path, self._context), (Path, type(None)))

    def rules_file(self, reference: Reference) -> str:
        """Return the name of the file that has the rules for new documents."""
        name: object = self._outliners[reference.provider].rules_file
        return name if isinstance(name, str) and "/" not in name else ""

    def outline(self, reference: Reference, content: bytes) -> Outline:
        """Return what the content of a document's file shows."""
        outliner = self._outliners[reference.provider]
        return _guarded(reference, lambda: outliner.outline(reference.path, content), Outline)

    def rules(self, reference: Reference, path: str, content: bytes) -> Rules | None:
        """Return the rules for a new file; see `Outliner.rules_for`."""
        outliner = self._outliners[reference.provider]
        return _guarded(reference, lambda: outliner.rules_for(path, content), (Rules, type(None)))


def _guarded(reference: Reference, ask: Callable[[], T], wanted: type | tuple[type, ...]) -> T:
    """Return a provider's answer; raise Refusal with the document's reference if there is none."""
    try:
        answer = ask()
        if isinstance(answer, wanted):
            return answer
        problems: tuple[Problem, ...] = (Problem("", "the provider's answer is not what it promises", REPORT),)
    except Exception as error:  # noqa: BLE001 - a provider's bug must not expose what it has read
        problems = (error if isinstance(error, BridgeError) else failed(error)).problems
    raise Refusal(*(located(reference, problem) for problem in problems))
