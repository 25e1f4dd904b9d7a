"""Finds the providers that an environment refers to and builds them from their sections. No I/O, no network."""

import sys
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, cast

from bridge.config.environment import Environment
from bridge.config.environment_fields import provider_fields
from bridge.config.names import did_you_mean
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, shortage
from bridge.provider import OptionError, Provider
from bridge.sources.conformance import REPORT
from bridge.sources.entry_points import EntryPoint, entry_points

GROUP: Final = "bridge.providers"


def build_providers(
    environment: Environment, names: Iterable[str], errors: list[BridgeError]
) -> Mapping[str, Provider]:
    """Build the named providers. A provider that cannot be built is left out, and its error is added to `errors`."""
    installed = _installed(tuple(sys.path))
    built: dict[str, Provider] = {}
    for name in dict.fromkeys(names):
        try:
            built[name] = _build(environment, name, installed)
        except BridgeError as error:
            errors.append(error)
    return built


def build_plain(kind: str) -> Provider:
    """Build a provider without a section; ConfigError or Refusal if that is not possible."""
    installed = _installed(tuple(sys.path))
    if kind not in installed:
        hint = did_you_mean(kind, installed) or _list(installed)
        raise ConfigError(Problem("", "provider is not installed", hint))
    return _checked(kind, _construct(kind, _load(installed[kind]), {}, f"provider {kind}"))


def bundled() -> Mapping[str, type[Provider]]:
    """Return the providers that come with bridge, by type; Refusal if one cannot be loaded."""
    ours = [point for point in entry_points(GROUP) if point.value.startswith("bridge_providers.")]
    return {point.name: _load([point]) for point in sorted(ours)}


def referenced(environment: Environment) -> tuple[str, ...]:
    """Return the names of the providers that the environment's references use."""
    return tuple(dict.fromkeys(reference.provider for reference in environment.references))


@lru_cache(1)
def _installed(_path: tuple[str, ...]) -> Mapping[str, list[EntryPoint]]:
    """Find the installed types once for many environments, and again if the path has changed."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in entry_points(GROUP):
        by_name.setdefault(point.name, []).append(point)
    return by_name


def _list(found: Collection[str]) -> str:
    return f"use one of the installed providers: {', '.join(sorted(found)) or 'none'}"


def _build(environment: Environment, name: str, found: Mapping[str, list[EntryPoint]]) -> Provider:
    kind = environment.provider_kind(name)
    options = {key: value for key, value in environment.providers.get(name, {}).items() if key != "provider"}
    where = f"{environment.shown(environment.file)}: providers.{name}"
    if kind not in found:
        raise ConfigError(_unknown(environment, name, kind, found))
    return _checked(kind, _construct(kind, _load(found[kind]), options, where))


def _unknown(environment: Environment, name: str, kind: str, found: Collection[str]) -> Problem:
    where = environment.shown(environment.file)
    hint = did_you_mean(kind, found) or _list(found)
    if kind != name:
        return Problem(f"{where}: providers.{name}.provider", "provider is not installed", hint)
    return Problem(where, f"unknown provider {name}", hint)


def _load(points: list[EntryPoint]) -> type[Provider]:
    if len(points) > 1:
        owners = ", ".join(sorted(point.package for point in points))
        raise Refusal(
            Problem(
                f"provider {points[0].name}", f"is defined by more than one package: {owners}", "uninstall all but one"
            )
        )
    point = points[0]
    try:
        loaded = point.load()
    except Exception as error:  # noqa: BLE001 - a third party's module may fail in any way when it is imported
        what = f"cannot be loaded ({type(error).__name__})"
        raise Refusal(Problem(f"provider {point.name}", what, f"reinstall the package {point.package}")) from None
    if not isinstance(loaded, type) or provider_fields(loaded) is None:
        raise Refusal(Problem(f"provider {point.name}", "is not a dataclass", REPORT))
    return cast("type[Provider]", loaded)


def _construct(kind: str, type_: type[Provider], options: Mapping[str, object], where: str) -> Provider:
    fields = provider_fields(type_) or {}
    removed: Mapping[str, str] = getattr(type_, "removed_options", {})
    problems = [_unknown_option(name, fields, where, removed) for name in options if name not in fields]
    problems += [
        Problem(f"{where}.{name}", "is required")
        for name, is_required in fields.items()
        if is_required and name not in options
    ]
    if problems:
        raise ConfigError(*problems)
    try:
        return type_(**options)
    except OptionError as error:
        problem = Problem(f"{where}.{error.field}", error.what, error.hint)
    except Exception as error:
        if shortage(error):
            raise
        # A bug in the provider; its exception may contain the section.
        what = f"the provider {kind} cannot be built ({type(error).__name__})"
        problem = Problem(where, what, f"check the section, or {REPORT}")
    raise ConfigError(problem)


def _checked(kind: str, built: object) -> Provider:
    """Refuse an object that does not implement the contract."""
    threads: object = getattr(built, "concurrency", None)
    if isinstance(built, Provider) and isinstance(threads, int) and threads > 0:
        return built
    raise Refusal(Problem(f"provider {kind}", "must have `open`, and `concurrency` of at least 1", REPORT))


def _unknown_option(name: str, fields: Collection[str], where: str, removed: Mapping[str, str]) -> Problem:
    if name in removed:
        return Problem(f"{where}.{name}", "no longer exists", removed[name])
    return Problem(f"{where}.{name}", "unknown key", did_you_mean(name, fields))
