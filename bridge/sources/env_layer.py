"""The second layer: the env file, or the process's environment instead."""

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from bridge.config.environment import Environment
from bridge.config.folder import is_in_reach
from bridge.config.names import is_dns_label
from bridge.errors import ConfigError, Problem
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from bridge.config.env_readers import ReaderDifference

NAMESPACE = "K8S_NAMESPACE"
K8_ENV = "K8_ENV"


class IdentityClaim(NamedTuple):
    """A variable that says which environment it is for: its name, what it identifies, and our value for it."""

    name: str
    what: str
    ours: str


def claims(environment: str, namespace: str) -> tuple[IdentityClaim, IdentityClaim]:
    """Return the values that a document or a process must have if it sets these variables."""
    return IdentityClaim(K8_ENV, "environment", environment), IdentityClaim(NAMESPACE, "namespace", namespace)


class EnvLayer(NamedTuple):
    """The second layer. `values` is None if the env file does not exist: what it would contain is unknown.

    `differences` are the env file's variables that kubectl and kustomize read differently.
    """

    shown: str
    values: Mapping[str, SecretValue] | None
    differences: Mapping[str, "ReaderDifference"] = MappingProxyType({})


def load_env_layer(environment: Environment, environ: Mapping[str, str]) -> EnvLayer:
    """Read the second layer; ConfigError if the file exists but is invalid."""
    if environment.env_file is None:
        return EnvLayer("", {})
    if environment.env_file == "environment":
        values = {name: SecretValue(os.fsencode(text)) for name, text in environ.items()}
        return EnvLayer("the process's environment", values)
    shown = environment.shown(environment.env_file)
    if not is_in_reach(environment.env_file, environment.base):
        what = "is outside the checkout, so a branch could read any file's variables"
        raise ConfigError(Problem(f"env_file {shown}", what, "move it into the checkout and add it to .gitignore"))
    from bridge.config.dotenv import load_env_file  # noqa: PLC0415 - start-up: many environments have no env file

    try:
        return EnvLayer(shown, *load_env_file(environment.env_file, shown))
    except FileNotFoundError:
        return EnvLayer(shown, None)


def cut_off(layer: EnvLayer) -> Iterator[Problem]:
    """Warn about variables with part of their line read as a comment: it may belong to the value."""
    from bridge.config.env_readers import ReaderDifference, difference_warnings  # noqa: PLC0415 - start-up: as above

    cut = {name: kind for name, kind in layer.differences.items() if kind is ReaderDifference.COMMENT}
    yield from difference_warnings(cut, layer.shown, "")


def namespace_of(environment: Environment, layer: EnvLayer) -> str:
    """Return the namespace from the environment or its env file; ConfigError if both or neither name one."""
    file = environment.shown(environment.file)
    value = (layer.values or {}).get(NAMESPACE)
    declared = None if value is None else value.reveal().decode(errors="replace")
    if environment.namespace is None and declared is None:
        absent = f"{layer.shown} does not exist" if layer.values is None else f"{NAMESPACE} is not set"
        raise ConfigError(Problem(file, f"namespace is missing, and {absent}", "add `namespace: NAME`"))
    if declared is not None and not is_dns_label(declared):
        raise ConfigError(
            Problem(layer.shown, f"{NAMESPACE} is not a valid namespace name", "use lower-case letters, digits and -")
        )
    if environment.namespace and declared and environment.namespace != declared:
        what = f"{NAMESPACE} names a different namespace than {file} ({environment.namespace})"
        raise ConfigError(Problem(layer.shown, what, "use the same namespace in both"))
    return environment.namespace or str(declared)
