"""Determines which of an environment's values have to stay secret."""

from collections.abc import Mapping

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.objects import Desired, Entry, Layer
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.document import open_sources
from bridge.sources.env_layer import EnvLayer
from bridge.sources.lookup import Lookup
from bridge.sources.offline import asked_names
from bridge.sources.resolve import resolve


class Managed(NamedTuple):
    """The secret values by name, the public values, and the secrets that are not hidden, each with the reason."""

    secrets: tuple[tuple[str, SecretValue], ...]
    public: tuple[SecretValue, ...]
    skipped: Mapping[str, str]
    warnings: tuple[Problem, ...]


def managed(
    environment: Environment,
    namespace: str,
    templates: tuple[TemplateObject, ...],
    documents: Mapping[Reference, Document],
    env_layer: EnvLayer,
) -> Managed:
    """Return the values that fill a Secret's key, the variables in them, and the secret infrastructure variables.

    Raise Refusal if `resolve` does.
    """
    resolution = resolve(environment, namespace, templates, documents, env_layer)
    problems: list[Problem] = []
    sources = list(open_sources(environment, namespace, documents, problems))
    lookup = Lookup(environment, documents, sources, env_layer, problems)
    rules = environment.infrastructure
    names = [*asked_names(one for one in templates if one.id.kind == "Secret")]
    values = {name: lookup.variable(name) for name in dict.fromkeys((*sorted(names), *rules))}
    if problems:
        raise Refusal(*problems)
    filled = _filled(resolution.desired)
    literals = [name for name, entry in filled.items() if entry.origin.layers == {Layer.TEMPLATE}]
    keys = {name: entry for name, entry in filled.items() if name not in literals}
    variables = {name: found.entry.value for name, found in values.items() if found}
    secret = {name: value for name, value in variables.items() if name in names or rules[name] == "secret"}
    unset = [name for name, rule in rules.items() if rule == "secret" and name not in variables]
    # A variable that is a key's whole value is listed under the key's name.
    parts = [(part.name, key.value) for key in keys.values() for part in key.origin.parts]
    whole_keys = {name for name, value in parts if name in variables and variables[name].same_as(value)}
    return Managed(
        (
            *((name, entry.value) for name, entry in keys.items()),
            *((f"variable {name}", value) for name, value in secret.items() if name not in whole_keys),
        ),
        (
            *(entry.value for one in resolution.desired if one.id.kind != "Secret" for entry in one.keys.values()),
            *(value for name, value in variables.items() if name not in secret),
        ),
        dict.fromkeys(literals, "is in plaintext in a template") | {f"variable {name}": "is not set" for name in unset},
        resolution.warnings,
    )


def _filled(desired: tuple[Desired, ...]) -> Mapping[str, Entry]:
    """Return the keys of all Secrets by their names."""
    return {
        f"{one.id} key {key}": entry for one in desired if one.id.kind == "Secret" for key, entry in one.keys.items()
    }
