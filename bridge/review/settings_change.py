"""Compares the settings of two states of an environment's file."""

import json
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from bridge.config.age_limits import UNLIMITED
from bridge.config.durations import written
from bridge.config.environment import Environment
from bridge.review.change import SettingChange, sides
from bridge.review.state import Side

REASONS: Final = {
    "id": "names the state and the Lease in the cluster: with another id, nothing is remembered",
    "namespace": "decides where the values go",
    "cluster": "decides where the values go",
    "providers": "decides which server or program gives the values and gets the credential",
    "sources": "decides where the values come from; the first source that has a variable wins",
    "secrets_from": "decides whether a plain file may fill a Secret",
    "accept_older": "allows a document to be older than the one that was written last",
    "templates": "decides which objects and keys are written",
    "env_file": "decides where public values come from",
    "max_age": "decides how old a secret may become before bridge warns",
    "infrastructure": "decides which variables scripts get, and which of them are public",
}
_OF_VARIABLES: Final = {
    "from": "decides where the value comes from",
    "decode": "decides how the value is read",
    "literal": "allows a value that looks encrypted: it would be written as it is",
    "max_age": "decides how old the value may become before bridge warns",
    "expires": "decides when bridge calls the value expired",
}


def settings(before: Side, after: Side) -> tuple[SettingChange, ...]:
    """Return the settings of the environment's file that differ, if it can be read on both sides."""
    if before.is_unread or after.is_unread:
        return ()
    old, new = (dict(_fields(side.environment)) if side.environment else {} for side in (before, after))
    return tuple(
        SettingChange(name, one, other, _is_shown(name, one, before) and _is_shown(name, other, after), reason_of(name))
        for name, one, other in sides(old, new)
        if one != other
    )


def reason_of(name: str) -> str:
    """Return what a setting decides."""
    first, _, rest = name.partition(".")
    return _OF_VARIABLES[rest.rpartition(".")[2]] if first == "variables" else REASONS[first]


def _fields(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield the settings by name, as text; defaults are left out."""
    yield "id", environment.id
    if environment.namespace:
        yield "namespace", environment.namespace
    choice = environment.cluster
    for name, value in choice._asdict().items():
        if value:
            shown = environment.shown(value) if name == "kubeconfig" else value
            yield f"cluster.{name}", _text(shown)
    for name, section in environment.providers.items():
        yield from _flat(f"providers.{name}", section)
    yield "sources", _text([str(reference) for reference in environment.sources])
    for name, variable in environment.variables.items():
        yield f"variables.{name}.from", str(variable.reference)
        if variable.decode:
            yield f"variables.{name}.decode", variable.decode
        if variable.literal:
            yield f"variables.{name}.literal", "true"
    yield from _age_limits(environment)
    yield "secrets_from", environment.secrets_from
    yield from ((f"accept_older.{name}", revision) for name, revision in environment.accept_older.items())
    yield "templates", _text([environment.shown(path) for path in environment.templates])
    if environment.env_file:
        file = environment.env_file
        yield "env_file", file if isinstance(file, str) else environment.shown(file)
    yield from ((f"infrastructure.{name}", rule) for name, rule in environment.infrastructure.items())


def _age_limits(environment: Environment) -> Iterator[tuple[str, str]]:
    if environment.max_age:
        yield "max_age", written(environment.max_age)
    for name, limit in environment.age_limits.items():
        if limit.max_age or limit.unlimited:
            yield f"variables.{name}.max_age", UNLIMITED if limit.unlimited else written(limit.max_age or 0)
        if limit.expires:
            yield f"variables.{name}.expires", limit.expires


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the fields of a section, also of nested mappings."""
    if isinstance(value, Mapping):
        if not value:
            yield name, "{}"
        for key, child in value.items():
            yield from _flat(f"{name}.{key}", child)
    else:
        yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)) and len(value) == 1:
        return _text(value[0])
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _is_shown(name: str, text: str | None, side: Side) -> bool:
    """Whether a setting may be shown: nothing of an invalid section, and no URL with a password."""
    first, _, rest = name.partition(".")
    if text is None or first != "providers":
        return True
    is_valid = any(rest == one or rest.startswith(f"{one}.") for one in side.valid_sections)
    return is_valid and not _has_password(text)


def _has_password(text: str) -> bool:
    try:
        return "@" in urlsplit(text).netloc
    except ValueError:
        return True
