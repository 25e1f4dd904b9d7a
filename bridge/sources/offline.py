"""Checks what can be known of the sources without a key and without a network."""

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
from bridge.secret import SecretValue
from bridge.sources import missing_documents
from bridge.sources.addresses import untrusted
from bridge.sources.conformance import failed
from bridge.sources.env_layer import EnvLayer
from bridge.sources.select import MANIFEST_KEYS, located

UNREAD = "its fields are not known without reading it"
MOST_PLACES = 5  # documents that one warning names
STAND_IN = SecretValue(b"c3RhbmQtaW4=")  # valid base64, for variables that are decoded


def survey(
    environment: Environment, providers: Mapping[str, Provider], context: Context, *, history: bool = False
) -> tuple[Mapping[Reference, frozenset[str] | None], tuple[Problem, ...]]:
    """Ask the providers what they can tell of every document without opening it: its field names, what is wrong.

    The names are None where they cannot be told; so they are for a provider that could not be built. With `history`,
    earlier states of today's documents count too.
    """
    names: dict[Reference, frozenset[str] | None] = {}
    problems: list[Problem] = []
    for reference in documents(environment):
        provider = providers.get(reference.provider)
        names[reference], found = _names(provider, reference, context) if provider else (None, [])
        told = names[reference] is not None and not are_manifests(names[reference])
        if provider:
            found = [*found, *(located(reference, one) for one in untrusted(provider, context))]
        if provider and not told and all(one.warning for one in found):
            found.append(Problem(str(reference), UNREAD, "`bridge plan` reads it", warning=True))
        problems += found
        if history and provider and reference.revision is None:
            problems += _of_history(provider, reference, context)
    problems = list(missing_documents.hinted(problems, environment, providers, context))
    return names, tuple(joined(dict.fromkeys(problems)))


def joined(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Put warnings together that differ only in the document they are about."""
    listed = list(problems)
    places: dict[tuple[str, str], list[str]] = {}
    for one in listed:
        if _is_joined(one):
            places.setdefault((one.what, one.hint), []).append(one.where)
    for one in listed:
        if not _is_joined(one):
            yield one
        elif found := places.pop((one.what, one.hint), None):
            more = f" and {len(found) - MOST_PLACES} more" if len(found) > MOST_PLACES else ""
            yield one._replace(where=", ".join(found[:MOST_PLACES]) + more)


def _is_joined(problem: Problem) -> bool:
    return problem.warning and problem.what != UNREAD  # which concerns each document for itself


def about(provider: Checker, reference: Reference, context: Context) -> tuple[str, list[Problem]]:
    """Return in a few words what a document is, where its provider says that, and what is wrong with it."""
    found: list[Problem] = []
    try:
        for one in provider.check(reference.path, context):  # one by one, as below
            found.append(located(reference, one))  # noqa: PERF401
        found += _of_history(provider, reference, context)
        if not isinstance(provider, Describer) or any(not one.warning for one in found):
            return "", found
        return str(provider.describe(reference.path, context)), found
    except Exception as error:  # noqa: BLE001 - a provider's bug must not show what it had in hand
        told = error if isinstance(error, BridgeError) else failed(error)
    return "", [*found, *(located(reference, one) for one in told.problems)]


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
            found, names = provider.check(reference.path, context), None  # the names of today need not be those of then
        for one in found:  # one by one: what is told before an error counts too
            problems.append(located(reference, one))  # noqa: PERF401
        return None if names is None else frozenset(names), problems
    except Exception as error:  # noqa: BLE001 - a provider's bug must not show what it had in hand
        told = error if isinstance(error, BridgeError) else failed(error)
    return None, [*problems, *missing_documents.at(reference, told)]


def _of_history(provider: object, reference: Reference, context: Context) -> list[Problem]:
    if not isinstance(provider, HistoryChecker):
        return []
    try:
        return [located(reference, one) for one in provider.check_history(reference.path, context)]
    except Exception as error:  # noqa: BLE001 - as above
        told = error if isinstance(error, BridgeError) else failed(error)
    return [located(reference, one) for one in told.problems]


def are_manifests(names: frozenset[str] | None) -> bool:
    """Say whether a document's names are those of Kubernetes objects: what they give is known by reading only."""
    return names is not None and names >= MANIFEST_KEYS


def candidates(
    environment: Environment, names: Mapping[Reference, frozenset[str] | None], name: str
) -> tuple[Reference, ...]:
    """Return the documents that may give a variable, in their order; manifests give none.

    Up to the first that is known to have it: those after it cannot win.
    """
    if name in environment.variables:
        return (environment.variables[name].reference.document,)
    found: list[Reference] = []
    for reference in environment.sources:
        known = names[reference]
        if known is None:
            found.append(reference)
        elif name in known and not are_manifests(known):
            return (*found, reference)
    return tuple(found)


def documents(environment: Environment) -> tuple[Reference, ...]:
    """Return every document that the environment refers to, once."""
    return tuple(dict.fromkeys(reference.document for reference in environment.references))


def asked_names(templates: Iterable[TemplateObject]) -> frozenset[str]:
    """Return the variables that templates ask for."""
    parts = [part for one in templates for key in one.keys.values() for part in key.parts]
    return frozenset(part.name for part in parts if isinstance(part, Placeholder))


def secret_names(templates: Iterable[TemplateObject]) -> frozenset[str]:
    """Return the names that may stand for a secret: a Secret's keys, and the variables in them."""
    secrets = [one for one in templates if one.id.kind == "Secret"]
    return asked_names(secrets) | {key for one in secrets for key in one.keys}


def stand_in_layer(templates: Iterable[TemplateObject]) -> EnvLayer:
    """Return an env file that has every name: in place of one that is wrong, so that nothing is missed there."""
    return EnvLayer("", dict.fromkeys(asked_names(templates), STAND_IN))


def stand_ins(
    environment: Environment,
    templates: Iterable[TemplateObject],
    names: Mapping[Reference, frozenset[str] | None],
) -> Mapping[Reference, Document]:
    """Return documents with the known field names and no values, so that the layers can be resolved without them.

    A document whose names are not known stands in with every name that is asked for: nothing is missed there.
    """
    asked = {*asked_names(templates), ""}  # the empty name is nobody's: what is not known is not empty
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
    """Make a nested field findable where nothing speaks against it: only top-level names can be told."""
    if field not in mapping and (known is None or field.split(".", maxsplit=1)[0] in known):
        mapping[field] = STAND_IN
