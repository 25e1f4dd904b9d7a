"""Gives variables their values by name, through the same layers as every run, for commands that need only a few."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template_value import looks_encrypted
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.named_tuple import NamedTuple
from bridge.objects import Entry
from bridge.provider import Context, Provider
from bridge.sources.document import open_sources
from bridge.sources.env_layer import EnvLayer
from bridge.sources.lookup import Lookup
from bridge.sources.offline import candidates, survey
from bridge.sources.reader import read_documents
from bridge.sources.select import located
from bridge.sources.value_checks import is_login

MASK = "********"


class Variables(NamedTuple):
    """The requested variables, and the warnings of their documents."""

    entries: Mapping[str, Entry]
    warnings: tuple[Problem, ...]


def read_variables(
    environment: Environment,
    layer: EnvLayer,
    providers: Mapping[str, Provider],
    names: Iterable[str],
    context: Context,
) -> Variables:
    """Return the variables' values; one error lists every variable without a usable value.

    A source is read only if it may have one of the variables. For that, the unencrypted names in an encrypted file are
    trusted: anyone who can write the file can hide a name, and the next layer then gives the value.
    """
    wanted = list(dict.fromkeys(names))
    names_of, _ = survey(environment, providers, context)  # reading a file reports its problems
    needed = {reference for name in wanted for reference in candidates(environment, names_of, name)}
    documents = read_documents(providers, [reference for reference in names_of if reference in needed], context)
    judged = environment._replace(sources=tuple(source for source in environment.sources if source in documents))
    problems: list[Problem] = []
    sources = list(open_sources(judged, environment.namespace or "", documents, problems))
    lookup = Lookup(judged, documents, sources, layer, problems)
    found = {name: lookup.variable(name) for name in wanted}
    entries = {name: one.entry for name, one in found.items() if one and not one.entry.value.is_empty()}
    problems += [
        Problem(
            entry.origin.place,
            f"{name} still looks encrypted",
            "if this is intended, set `literal: true` on the variable",
        )
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


class Setting(NamedTuple):
    """One variable. `place` is None if no layer gives it; `value` is the part of it that may be shown."""

    name: str
    place: str | None
    value: str


def infrastructure(
    environment: Environment,
    names: Mapping[Reference, frozenset[str] | None],
    layer: EnvLayer | None,
    secrets: Collection[str] | None,
) -> Iterator[Setting]:
    """Yield every variable that the environment requires.

    `layer` is None if the env file is invalid. `secrets` are the names that are masked regardless of their rule; None
    masks all of them.
    """
    for name, rule in environment.infrastructure.items():
        masked = rule == "secret" or secrets is None or name in secrets or is_login(name)
        yield _setting(environment, names, layer, name, masked=masked)


def _setting(
    environment: Environment,
    names: Mapping[Reference, frozenset[str] | None],
    layer: EnvLayer | None,
    name: str,
    *,
    masked: bool,
) -> Setting:
    if name in environment.variables:
        return Setting(name, str(environment.variables[name].reference), MASK)
    found = candidates(environment, names, name)
    unknown = [str(reference) for reference in found if names[reference] is None]
    if len(unknown) < len(found):
        return Setting(name, _unless(str(found[-1]), unknown), MASK)
    value = (layer.values or {}).get(name) if layer else None
    if layer and value is not None and not value.is_empty():
        shown = MASK if masked else value.reveal().decode(errors="replace")
        return Setting(name, _unless(layer.shown, unknown), shown)
    if layer is None:
        unknown.append("the env file")
    if unknown:
        return Setting(name, f"perhaps {' or '.join(unknown)}", "unknown until the source is read")
    return Setting(name, None, "")


def _unless(place: str, earlier: Sequence[str]) -> str:
    """Name the place, and the sources that override it if they have the variable, which only reading tells."""
    return f"{place}, unless {' or '.join(earlier)} has it" if earlier else place


def missing(environment: Environment, absent: Iterable[str], layer: EnvLayer | None) -> ConfigError | None:
    """Return an error that lists every variable that is not set anywhere."""
    looked = [str(reference) for reference in environment.sources]
    if layer and layer.shown:
        looked.append(layer.shown + (" (which does not exist)" if layer.values is None else ""))
    hint = f"set it in {' or '.join(looked)}" if looked else "add a source or an env file to the environment"
    where = environment.shown(environment.file)
    problems = [
        Problem(where, f"{'infrastructure.' if name in environment.infrastructure else ''}{name} is not set", hint)
        for name in absent
    ]
    return ConfigError(*problems) if problems else None
