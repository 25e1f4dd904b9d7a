"""Finds the providers that an environment refers to and builds them from their sections. No I/O, no network."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from bridge.config.environment import Environment
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.provider import OptionError, Provider

GROUP: Final = "bridge.providers"


def build_providers(environment: Environment, names: Iterable[str]) -> Mapping[str, Provider]:
    """Build the named providers; raises one error that holds every problem of every section."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    built: dict[str, Provider] = {}
    errors: list[BridgeError] = []
    for name in dict.fromkeys(names):
        try:
            built[name] = _build(environment, name, found)
        except BridgeError as error:
            errors.append(error)
    if errors:
        raise combine(errors)
    return built


def referenced(environment: Environment) -> tuple[str, ...]:
    """Return the provider names that the environment's references use."""
    return tuple(dict.fromkeys(reference.provider for reference in environment.references))


def _build(environment: Environment, name: str, found: Mapping[str, list[EntryPoint]]) -> Provider:
    options = dict(environment.providers.get(name, {}))
    where = f"{environment.shown(environment.file)}: providers.{name}"
    kind = str(options.pop("provider", name))
    if kind not in found:
        raise ConfigError(_unknown(environment, name, kind, found))
    return _construct(_load(found[kind]), options, where)


def _unknown(environment: Environment, name: str, kind: str, found: Iterable[str]) -> Problem:
    where = environment.shown(environment.file)
    close = difflib.get_close_matches(kind, found, 1)
    hint = f"did you mean {close[0]}?" if close else f"installed are {', '.join(sorted(found)) or 'none'}"
    if kind != name:
        return Problem(f"{where}: providers.{name}.provider", "no such provider is installed", hint)
    return Problem(where, f"unknown provider {name}", hint)


def _load(points: list[EntryPoint]) -> type[Provider]:
    if len(points) > 1:
        owners = ", ".join(sorted(point.dist.name if point.dist else "?" for point in points))
        raise Refusal(Problem(f"provider {points[0].name}", f"is claimed by several packages: {owners}", "remove one"))
    point = points[0]
    try:
        return cast("type[Provider]", point.load())
    except Exception as error:  # noqa: BLE001 - a third party's module may fail in any way when it is imported
        owner = point.dist.name if point.dist else point.value
        what = f"cannot be loaded ({type(error).__name__})"
        raise Refusal(Problem(f"provider {point.name}", what, f"reinstall the package {owner}")) from None


def _construct(kind: type[Provider], options: Mapping[str, object], where: str) -> Provider:
    fields = {field.name: field for field in dataclasses.fields(cast("Any", kind)) if field.init}
    problems = [_unknown_option(name, fields, where) for name in options if name not in fields]
    problems += [
        Problem(f"{where}.{name}", "is required")
        for name, field in fields.items()
        if name not in options and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if problems:
        raise ConfigError(*problems)
    try:
        return kind(**options)
    except OptionError as error:
        raise ConfigError(Problem(f"{where}.{error.field}", error.what, error.hint)) from None


def _unknown_option(name: str, fields: Iterable[str], where: str) -> Problem:
    close = difflib.get_close_matches(name, fields, 1)
    return Problem(f"{where}.{name}", "unknown key", f"did you mean {close[0]}?" if close else "")
