"""Tells of each infrastructure variable that scripts need whether it is set, and where; without a network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import ConfigError, Problem
from bridge.sources.env_layer import EnvLayer

MASK = "********"


@dataclass(frozen=True)
class Setting:
    """One variable. `place` is None where no layer gives it, `value` what may be shown of it."""

    name: str
    place: str | None
    value: str


def infrastructure(
    environment: Environment, names: Mapping[Reference, frozenset[str] | None], layer: EnvLayer
) -> Iterator[Setting]:
    """Yield every variable that the environment requires."""
    for name, rule in environment.infrastructure.items():
        yield _setting(environment, names, layer, name, masked=rule == "secret")


def _setting(
    environment: Environment,
    names: Mapping[Reference, frozenset[str] | None],
    layer: EnvLayer,
    name: str,
    *,
    masked: bool,
) -> Setting:
    if name in environment.variables:
        return Setting(name, str(environment.variables[name].reference), MASK)
    for reference in environment.sources:
        if name in (names[reference] or ()):
            return Setting(name, str(reference), MASK)
    value = (layer.values or {}).get(name)
    if value is not None and not value.is_empty():
        return Setting(name, layer.shown, MASK if masked else value.reveal().decode(errors="replace"))
    unknown = [str(reference) for reference in environment.sources if names[reference] is None]
    if unknown:
        return Setting(name, f"perhaps {' or '.join(unknown)}", "not known without reading it")
    return Setting(name, None, "")


def missing(environment: Environment, settings: list[Setting], layer: EnvLayer) -> ConfigError | None:
    """Return an error that names every variable that is set nowhere."""
    looked = [str(reference) for reference in environment.sources]
    if layer.shown:
        looked.append(layer.shown + (" (which does not exist)" if layer.values is None else ""))
    problems = [
        Problem(
            environment.shown(environment.file),
            f"infrastructure.{one.name} is not set",
            f"looked in {', '.join(looked)}",
        )
        for one in settings
        if one.place is None
    ]
    return ConfigError(*problems) if problems else None
