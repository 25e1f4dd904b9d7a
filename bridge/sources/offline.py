"""Checks what is known about the sources without a key and without network access."""

from collections.abc import Iterable, Iterator, Mapping

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import BridgeError, Problem
from bridge.provider import (
    Checker,
    Context,
    Describer,
    Document,
    HistoryChecker,
    Node,
    PinnedChecker,
    Provider,
    Revision,
)
from bridge.sources import missing_documents
from bridge.sources.addresses import untrusted
from bridge.sources.conformance import failed
from bridge.sources.document import STAND_IN
from bridge.sources.env_layer import EnvLayer
from bridge.sources.select import MANIFEST_KEYS, located

UNREAD = "fields unknown until it is read"
MOST_PLACES = 5  # documents listed in one warning


def survey(
    environment: Environment, providers: Mapping[str, Provider], context: Context, *, history: bool = False
) -> tuple[Mapping[Reference, frozenset[str] | None], tuple[Problem, ...]]:
    """Ask the providers what they know about every document without opening it: its field names, and problems.

    The names are None if they are unknown, or if the provider could not be built. With `history`, earlier revisions of
    the documents are checked too.
    """
    names: dict[Reference, frozenset[str] | None] = {}
    problems: list[Problem] = []
    for reference in documents(environment):
        provider = providers.get(reference.provider)
        names[reference], found = _names(provider, reference, context) if provider else (None, [])
        known = names[reference] is not None and not are_manifests(names[reference])
        if provider:
            found = [*found, *_untrusted(provider, reference, context)]
        if provider and not known and all(problem.warning for problem in found):
            found.append(
                Problem(str(reference), UNREAD, f"read it with `bridge plan {environment.name}`", warning=True)
            )
        problems += found
        if history and provider and reference.revision is None:
            problems += _of_history(provider, reference, context)
    problems = list(missing_documents.hinted(problems, environment, providers, context))
    return names, tuple(joined(dict.fromkeys(problems)))


def _untrusted(provider: Provider, reference: Reference, context: Context) -> list[Problem]:
    """Return what the trust file refuses, or what is wrong with the trust file itself."""
    try:
        return [located(reference, problem) for problem in untrusted(provider, context)]
    except BridgeError as error:
        return list(error.problems)


def joined(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Combine warnings that differ only in their document."""
    listed = list(problems)
    places: dict[tuple[str, str], list[str]] = {}
    for problem in listed:
        if _is_joined(problem):
            places.setdefault((problem.what, problem.hint), []).append(problem.where)
    for problem in listed:
        if not _is_joined(problem):
            yield problem
        elif found := places.pop((problem.what, problem.hint), None):
            more = f" and {len(found) - MOST_PLACES} more" if len(found) > MOST_PLACES else ""
            yield problem._replace(where=", ".join(found[:MOST_PLACES]) + more)


def _is_joined(problem: Problem) -> bool:
    return problem.warning and problem.what != UNREAD  # reported separately for each document


def about(provider: Checker, reference: Reference, context: Context) -> tuple[str, list[Problem]]:
    """Return a short description of a document, if its provider has one, and its problems."""
    problems: list[Problem] = []
    try:
        for problem in provider.check(reference.path, context):  # one at a time, as below
            problems.append(located(reference, problem))  # noqa: PERF401
        problems += _of_history(provider, reference, context)
        if not isinstance(provider, Describer) or any(not problem.warning for problem in problems):
            return "", problems
        return str(provider.describe(reference.path, context)), problems
    except Exception as error:  # noqa: BLE001 - a provider's bug must not expose the values it holds
        caught = error if isinstance(error, BridgeError) else failed(error)
    return "", [*problems, *(located(reference, problem) for problem in caught.problems)]


def _names(provider: Provider, reference: Reference, context: Context) -> tuple[frozenset[str] | None, list[Problem]]:
    if not isinstance(provider, Checker):
        return None, []
    problems: list[Problem] = []
    try:
        if reference.revision is None:
            found, names = provider.check(reference.path, context), provider.names(reference.path, context)
        elif isinstance(provider, PinnedChecker):
            found = provider.check_at(reference.path, reference.revision, context)
            names = provider.names_at(reference.path, reference.revision, context)
        else:
            # Today's names may differ from the pinned revision's.
            found, names = provider.check(reference.path, context), None
        for problem in found:  # one at a time: problems before an error count too
            problems.append(located(reference, problem))  # noqa: PERF401
        return None if names is None else frozenset(names), problems
    except Exception as error:  # noqa: BLE001 - a provider's bug must not expose the values it holds
        caught = error if isinstance(error, BridgeError) else failed(error)
    return None, [*problems, *missing_documents.at(reference, caught)]


def _of_history(provider: object, reference: Reference, context: Context) -> list[Problem]:
    if not isinstance(provider, HistoryChecker):
        return []
    try:
        return [located(reference, one) for one in provider.check_history(reference.path, context)]
    except Exception as error:  # noqa: BLE001 - as above
        caught = error if isinstance(error, BridgeError) else failed(error)
    return [located(reference, one) for one in caught.problems]


def are_manifests(names: frozenset[str] | None) -> bool:
    """Whether a document's names are those of a Kubernetes object; its keys are known only after reading."""
    return names is not None and names >= MANIFEST_KEYS


def candidates(
    environment: Environment, names: Mapping[Reference, frozenset[str] | None], name: str
) -> tuple[Reference, ...]:
    """Return the documents that may give a variable, in order. Manifests are excluded.

    The list ends at the first document that is known to have it, because later ones cannot override it.
    """
    if name in environment.variables:
        return (environment.variables[name].reference.document,)
    possible: list[Reference] = []
    for reference in environment.sources:
        known = names[reference]
        if known is None:
            possible.append(reference)
        elif name in known and not are_manifests(known):
            return (*possible, reference)
    return tuple(possible)


def documents(environment: Environment) -> tuple[Reference, ...]:
    """Return every document that the environment refers to, without duplicates."""
    return tuple(dict.fromkeys(reference.document for reference in environment.references))


def asked_names(templates: Iterable[TemplateObject]) -> frozenset[str]:
    """Return the variables that the templates use."""
    parts = [part for one in templates for key in one.keys.values() for part in key.parts]
    return frozenset(part.name for part in parts if isinstance(part, Placeholder))


def secret_names(templates: Iterable[TemplateObject]) -> frozenset[str]:
    """Return the names that may belong to a secret: a Secret's keys, and the variables in them."""
    secrets = [one for one in templates if one.id.kind == "Secret"]
    return asked_names(secrets) | {key for one in secrets for key in one.keys}


def stand_in_layer(templates: Iterable[TemplateObject]) -> EnvLayer:
    """Return an env layer with every name, used instead of an invalid env file so that no name counts as missing."""
    return EnvLayer("", dict.fromkeys(asked_names(templates), STAND_IN))


def stand_ins(
    environment: Environment,
    templates: Iterable[TemplateObject],
    names: Mapping[Reference, frozenset[str] | None],
) -> Mapping[Reference, Document]:
    """Return documents with the known field names but no values, so that the layers can be resolved offline.

    If a document's names are unknown, its stand-in has every name that is used, so that nothing counts as missing.
    """
    asked = {
        *asked_names(templates),
        "",
    }  # nothing uses the empty name; it keeps an unknown document from looking empty
    fields: dict[Reference, dict[str, Node]] = {
        reference: dict.fromkeys(asked if known is None or are_manifests(known) else known, STAND_IN)
        for reference, known in names.items()
    }
    for variable in environment.variables.values():
        reference = variable.reference
        if reference.field is not None:
            _add_nested(fields[reference.document], reference.field, names[reference.document])
    revision = Revision("")
    return {reference: Document((mapping,), revision) for reference, mapping in fields.items()}


def _add_nested(mapping: dict[str, Node], field: str, known: frozenset[str] | None) -> None:
    """Add a nested field if it may exist: only top-level names are known."""
    if field not in mapping and (known is None or field.split(".", maxsplit=1)[0] in known):
        mapping[field] = STAND_IN
