"""Checks what can be known of the sources without a key and without a network."""

from collections.abc import Iterable, Iterator, Mapping

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import Problem
from bridge.provider import Checker, Context, Document, Node, Provider, Revision
from bridge.secret import SecretValue
from bridge.sources.fields import located

STAND_IN = SecretValue(b"c3RhbmQtaW4=")  # valid base64, for variables that are decoded


def source_problems(environment: Environment, providers: Mapping[str, Provider], context: Context) -> Iterator[Problem]:
    """Yield what the providers can tell of their documents without opening them."""
    for reference in documents(environment):
        provider = providers[reference.provider]
        if isinstance(provider, Checker):
            yield from (located(reference, one) for one in provider.check(reference.path, context))


def documents(environment: Environment) -> tuple[Reference, ...]:
    """Return every document that the environment refers to, once."""
    return tuple(dict.fromkeys(reference.document for reference in environment.references))


def known_names(
    environment: Environment, providers: Mapping[str, Provider], context: Context
) -> Mapping[Reference, frozenset[str] | None]:
    """Return the field names of each document, None where they cannot be told."""
    names: dict[Reference, frozenset[str] | None] = {}
    for reference in documents(environment):
        provider = providers[reference.provider]
        names[reference] = provider.names(reference.path, context) if isinstance(provider, Checker) else None
    return names


def stand_ins(
    environment: Environment,
    templates: Iterable[TemplateObject],
    names: Mapping[Reference, frozenset[str] | None],
) -> Mapping[Reference, Document]:
    """Return documents with the known field names and no values, so that the layers can be resolved without them.

    A document whose names are not known stands in with every name that is asked for: nothing is missed there.
    """
    parts = [part for one in templates for key in one.keys.values() for part in key.parts]
    asked = {part.name for part in parts if isinstance(part, Placeholder)}
    fields: dict[Reference, dict[str, Node]] = {
        reference: dict.fromkeys(asked if known is None else known, STAND_IN) for reference, known in names.items()
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
