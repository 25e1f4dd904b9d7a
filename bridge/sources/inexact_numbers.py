"""Finds numbers that fill a Secret's key and that their store may not have kept as they were written."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import BridgeError, Problem
from bridge.provider import Context, NumberChecker, Provider
from bridge.sources.conformance import failed
from bridge.sources.offline import are_manifests, asked_names, candidates
from bridge.sources.select import located

REWRITTEN: Final = "is stored as a number, which may not be what was typed (1.10 becomes 1.1, and 0777 becomes 511)"


def rewritten_numbers(
    environment: Environment,
    providers: Mapping[str, Provider],
    templates: Iterable[TemplateObject],
    names: Mapping[Reference, frozenset[str] | None],
    context: Context,
) -> Iterator[Problem]:
    """Yield a warning for each such number; `names` are the documents' names as `survey` found them."""
    places: dict[Reference, list[tuple[int, tuple[str, ...]]]] = {}
    for reference in names:
        places[reference] = []
        try:
            found = _places(providers.get(reference.provider), reference, context)
            places[reference] = [(number, tuple(map(str, keys))) for number, keys in found]
        except Exception as error:  # noqa: BLE001 - a provider's bug must not show what it had in hand
            told = error if isinstance(error, BridgeError) else failed(error)
            yield from (located(reference, one) for one in told.problems)
    for name in sorted(asked_names(one for one in templates if one.id.kind == "Secret")):
        variable = environment.variables.get(name)
        field = variable.reference.field if variable else name
        hint = f"`bridge set {environment.name} {name}` stores it as text"
        for reference in candidates(environment, names, name):
            if field in {".".join(keys) for _, keys in places[reference]}:
                yield Problem(str(reference), f"{field} {REWRITTEN}", hint, warning=True)
    for reference in names:
        if are_manifests(names[reference]):
            yield from _in_manifests(reference, places[reference])


def _places(provider: Provider | None, reference: Reference, context: Context) -> Iterable[tuple[int, tuple[str, ...]]]:
    if isinstance(provider, NumberChecker):
        return provider.rewritten_numbers(reference.path, reference.revision, context)
    return ()


def _in_manifests(reference: Reference, found: Iterable[tuple[int, tuple[str, ...]]]) -> Iterator[Problem]:
    """Yield the numbers in `stringData`, which only a Secret has; the object's name may be encrypted."""
    for number, keys in found:
        if keys[:1] == ("stringData",):
            what = f"{'.'.join(keys)} (document {number + 1}) {REWRITTEN}"
            yield Problem(str(reference), what, "write it in quotes", warning=True)
