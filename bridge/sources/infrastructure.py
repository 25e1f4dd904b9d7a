"""Reports where each required infrastructure variable is set; without network access."""

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
    hint = f"looked in {', '.join(looked)}" if looked else "the environment has no sources and no env file"
    where = environment.shown(environment.file)
    problems = [
        Problem(where, f"{'infrastructure.' if name in environment.infrastructure else ''}{name} is not set", hint)
        for name in absent
    ]
    return ConfigError(*problems) if problems else None
