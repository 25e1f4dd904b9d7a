"""Read a profile from the vendor's configuration file, which `scw init` writes.

Format and order: https://github.com/scaleway/scaleway-sdk-go/blob/master/scw/README.md and scw/config.go there. The
file's top level is the default profile, and a named profile overrides it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Denied, ProviderError, SecretValue

LIMIT: Final = 2**20
"""The largest file that is read, in bytes."""
_FIELDS: Final = ("access_key", "api_url", "default_project_id", "default_region")


class Profile(NamedTuple):
    """The settings of a profile. `place` names the file and the profile in messages."""

    place: str
    texts: Mapping[str, str] = MappingProxyType({})
    secret_key: SecretValue | None = None
    insecure: bool = False


def load(environ: Mapping[str, str], name: str | None) -> Profile:
    """Return the named profile, else the profile that SCW_PROFILE or the file selects; empty if there is no file."""
    path = file_of(environ)
    content = _content(path, required=bool(environ.get("SCW_CONFIG_PATH"))) if path else None
    chosen = name or environ.get("SCW_PROFILE")
    if content is None:
        if chosen:
            raise ProviderError(f"profile {chosen} not found: {path or 'the configuration file'} does not exist")
        return Profile(f"{path} (missing)" if path else "no configuration file")
    return _profile(content, chosen or content.get("active_profile"), str(path))


def file_of(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the configuration file, or None if nothing says where it would be."""
    if configured := environ.get("SCW_CONFIG_PATH"):
        return Path(configured)
    home = environ.get("HOME", "")
    folder = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    return Path(folder, "scw/config.yaml") if folder else None


def _content(path: Path, *, required: bool) -> Mapping[str, Any] | None:
    """Return the file's mapping, or None if the file does not exist and is not required."""
    try:
        # O_NONBLOCK: opening a FIFO without a writer would otherwise block forever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            data = file.read(LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise Denied(f"SCW_CONFIG_PATH {path}: no such file") from None
        return None
    except OSError as error:
        raise Denied(f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}") from None
    content = _parsed(data) if len(data) <= LIMIT else None
    if not isinstance(content, dict):
        raise ProviderError(f"{path} is not an scw configuration file", hint="check it with `scw config validate`")
    return content


def _parsed(data: bytes) -> object:
    """Parse YAML; return None if it is invalid. Parser errors are dropped, because they quote the file."""
    import yaml  # noqa: PLC0415 - only needed if the file exists

    class Loader(yaml.CSafeLoader):
        # Numbers and dates stay strings: a value such as 2024-02-30 would make the whole file unreadable.
        yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
            first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":bool", ":merge"))]
            for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        return yaml.load(data, Loader=Loader) or {}  # noqa: S506 - it is a safe one
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        return None


def _profile(content: Mapping[str, Any], name: object, path: str) -> Profile:
    profiles = content.get("profiles")
    named: object = {}
    if name is not None and not (name == "default" and (not isinstance(profiles, dict) or name not in profiles)):
        named = profiles.get(name) if isinstance(profiles, dict) else None
        if not isinstance(named, dict):
            shown = name if isinstance(name, str) and name.isprintable() else "of that name"
            raise ProviderError(f"{path} has no profile {shown}")
    assert isinstance(named, dict)
    return _merged({**content, **{key: value for key, value in named.items() if value is not None}}, path, name)


def _merged(fields: Mapping[str, Any], path: str, name: object) -> Profile:
    key = fields.get("secret_key")
    return Profile(
        f"{path}, profile {name}" if name else path,
        {one: fields[one] for one in _FIELDS if isinstance(fields.get(one), str) and fields[one]},
        SecretValue.of(key) if isinstance(key, str) and key else None,
        fields.get("insecure") is True,
    )
