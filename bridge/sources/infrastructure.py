"""Tells of each infrastructure variable that scripts need whether it is set, and where; without a network."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import ConfigError, Problem
from bridge.sources.env_layer import EnvLayer
from bridge.sources.login_variables import is_login
from bridge.sources.offline import candidates

MASK = "********"


@dataclass(frozen=True)
class Setting:
    """One variable. `place` is None where no layer gives it, `value` what may be shown of it."""

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

    `layer` is None where the env file is wrong. `secrets` are the names that are masked whatever the rule;
    None masks all of them.
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
        return Setting(name, f"perhaps {' or '.join(unknown)}", "not known without reading it")
    return Setting(name, None, "")


def _unless(place: str, earlier: Sequence[str]) -> str:
    """Name the place, and the sources that win over it if they have the variable, which only reading tells."""
    return f"{place}, unless {' or '.join(earlier)} has it" if earlier else place


def missing(environment: Environment, absent: Iterable[str], layer: EnvLayer | None) -> ConfigError | None:
    """Return an error that names every variable that is set nowhere."""
    looked = [str(reference) for reference in environment.sources]
    if layer and layer.shown:
        looked.append(layer.shown + (" (which does not exist)" if layer.values is None else ""))
    hint = f"looked in {', '.join(looked)}" if looked else "the environment lists no source and no env file"
    where = environment.shown(environment.file)
    problems = [
        Problem(where, f"{'infrastructure.' if name in environment.infrastructure else ''}{name} is not set", hint)
        for name in absent
    ]
    return ConfigError(*problems) if problems else None
