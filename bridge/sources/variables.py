"""Gives variables their values by name: the layers of every run, for one who needs a few of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from bridge.config.environment import Environment
from bridge.config.template_value import looks_encrypted
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.objects import Entry
from bridge.provider import Context, Provider
from bridge.sources.document import open_sources
from bridge.sources.env_layer import EnvLayer
from bridge.sources.infrastructure import missing
from bridge.sources.lookup import Lookup
from bridge.sources.offline import candidates, survey
from bridge.sources.reader import read_documents
from bridge.sources.select import located


class Variables(NamedTuple):
    """The variables that were asked for, and what their documents have to tell."""

    entries: Mapping[str, Entry]
    warnings: tuple[Problem, ...]


def read_variables(
    environment: Environment,
    layer: EnvLayer,
    providers: Mapping[str, Provider],
    names: Iterable[str],
    context: Context,
) -> Variables:
    """Return the variables' values; raises one error that names every one that has none, or an unfit one.

    A source is read where it may have one of them, and only then. What an encrypted file's names tell
    without its key is trusted for that: who can write the file can hide a name, and the next layer gives it.
    """
    wanted = list(dict.fromkeys(names))
    told, _ = survey(environment, providers, context)  # what is wrong with a file is told by reading it
    needed = {reference for name in wanted for reference in candidates(environment, told, name)}
    documents = read_documents(providers, [one for one in told if one in needed], context)
    judged = replace(environment, sources=tuple(one for one in environment.sources if one in documents))
    problems: list[Problem] = []
    sources = list(open_sources(judged, environment.namespace or "", documents, problems))
    lookup = Lookup(judged, documents, sources, layer, problems)
    found = {name: lookup.variable(name) for name in wanted}
    entries = {name: one.entry for name, one in found.items() if one and not one.entry.value.is_empty()}
    problems += [
        Problem(entry.origin.place, f"{name} looks still encrypted", "if it is meant so, use `literal: true`")
        for name, entry in entries.items()
        if looks_encrypted(entry.value) and not _literal(environment, name)
    ]
    absent = missing(environment, [name for name in wanted if name not in entries], layer)
    errors: list[BridgeError] = [Refusal(*problems)] if problems else []
    errors += [absent] if absent else []
    if errors:
        raise combine(errors)
    warnings = [located(one, problem) for one, document in documents.items() for problem in document.warnings]
    return Variables(entries, tuple(dict.fromkeys(warnings)))


def _literal(environment: Environment, name: str) -> bool:
    return name in environment.variables and environment.variables[name].literal
