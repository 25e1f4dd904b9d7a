"""The second layer: the env file, or the process's environment in its place."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bridge.config.dotenv import load_env_file
from bridge.config.env_readers import Difference, told
from bridge.config.environment import Environment
from bridge.config.names import is_dns_label
from bridge.errors import ConfigError, Problem
from bridge.secret import SecretValue

NAMESPACE = "K8S_NAMESPACE"
K8_ENV = "K8_ENV"


class Claim(NamedTuple):
    """A variable that says whose its surroundings are: what it names, and what that is for us."""

    name: str
    what: str
    ours: str


def claims(environment: str, namespace: str) -> tuple[Claim, Claim]:
    """Return what a document, or a process, must say if it says whose it is."""
    return Claim(K8_ENV, "environment", environment), Claim(NAMESPACE, "namespace", namespace)


class EnvLayer(NamedTuple):
    """The second layer. `values` is None where the env file is absent: what it might hold is then not known.

    `differences` are the variables of the env file that kubectl and kustomize read otherwise.
    """

    shown: str
    values: Mapping[str, SecretValue] | None
    differences: Mapping[str, Difference] = MappingProxyType({})


def load_env_layer(environment: Environment, environ: Mapping[str, str]) -> EnvLayer:
    """Read the second layer; raises ConfigError for a file that is there and wrong."""
    if environment.env_file is None:
        return EnvLayer("", {})
    if environment.env_file == "environment":
        values = {name: SecretValue(os.fsencode(text)) for name, text in environ.items()}
        return EnvLayer("the process's environment", values)
    shown = environment.shown(environment.env_file)
    if not _is_in_reach(environment.env_file, environment.base):
        what = "is outside the checkout, and a branch could write any file's variables into its objects"
        raise ConfigError(Problem(f"env_file {shown}", what, "move it into the checkout, and add it to .gitignore"))
    try:
        return EnvLayer(shown, *load_env_file(environment.env_file, shown))
    except FileNotFoundError:
        return EnvLayer(shown, None)


def cut_off(layer: EnvLayer) -> Iterator[Problem]:
    """Warn of the variables that lost a part of their line to a comment: it may belong to the value."""
    found = {name: one for name, one in layer.differences.items() if one is Difference.COMMENT}
    yield from told(found, layer.shown, "")


def _is_in_reach(file: Path, base: Path) -> bool:
    """Return whether an environment may have this env file; `base` is the folder of its own file."""
    try:
        if Path(os.path.realpath(file)).is_relative_to(os.path.realpath(base)):
            return True
        from bridge.git import is_in_reach  # noqa: PLC0415 - start-up: most env files are next to the environment's

        return is_in_reach(file, base)
    except ValueError:  # a zero byte in its name, of which reading it tells
        return True


def namespace_of(environment: Environment, layer: EnvLayer) -> str:
    """Return the namespace that the environment or its env file names; raises ConfigError where none does, or two."""
    file = environment.shown(environment.file)
    value = (layer.values or {}).get(NAMESPACE)
    given = None if value is None else value.reveal().decode(errors="replace")
    if environment.namespace is None and given is None:
        absent = f"{layer.shown} does not exist" if layer.values is None else f"{NAMESPACE} is not set either"
        raise ConfigError(Problem(file, f"no namespace is given, and {absent}", "add `namespace:`"))
    if given is not None and not is_dns_label(given):
        raise ConfigError(
            Problem(layer.shown, f"{NAMESPACE} is no valid namespace name", "lower-case letters, digits and -")
        )
    if environment.namespace and given and environment.namespace != given:
        what = f"{NAMESPACE} names another namespace than {file}, which says {environment.namespace}"
        raise ConfigError(Problem(layer.shown, what, "make the two agree"))
    return environment.namespace or str(given)
