"""Finds environments in the same folder that would write the same key of the same object in the same cluster."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from bridge.config.environment import Environment, load_all
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import ConfigError, Problem
from bridge.sources.env_layer import load_env_layer, namespace_of

Neighbours: TypeAlias = Callable[[Environment, str, Mapping[str, str]], Iterable[Environment]]
"""Returns the environments of a folder that use a namespace; the asking environment may be included."""


def neighbours(environment: Environment, namespace: str, environ: Mapping[str, str]) -> Iterator[Environment]:
    """Read the other environments in the folder, skipping invalid ones: their own checks report what is wrong."""
    for other in load_all(environment.base, but=environment.name).values():
        try:
            if isinstance(other, Environment) and namespace_in(other, environ) == namespace:
                yield other
        except ConfigError:
            continue


def namespace_in(environment: Environment, environ: Mapping[str, str]) -> str:
    """Return the namespace of an environment; ConfigError if its env file is invalid, or no namespace is given."""
    return namespace_of(environment, load_env_layer(environment, environ))


def meeting_environments(
    environment: Environment, namespace: str, templates: Sequence[TemplateObject], others: Iterable[Environment]
) -> Iterator[Problem]:
    """Yield each conflict between this environment and another in its namespace."""
    for other in others:
        if other.name == environment.name or not _may_share_cluster(environment, other):
            continue
        try:
            theirs = load_templates(other, namespace)
        except ConfigError:
            continue
        yield from _meetings(environment, other, templates, theirs)


def _may_share_cluster(first: Environment, second: Environment) -> bool:
    """Whether two environments may be in the same cluster: they are known to differ only if both name a cluster."""
    names = [(e.cluster.kubeconfig, e.cluster.context) for e in (first, second)]
    return names[0] == names[1] or (None, None) in names


def _meetings(
    environment: Environment, other: Environment, ours: Sequence[TemplateObject], theirs: Sequence[TemplateObject]
) -> Iterator[Problem]:
    where = environment.shown(environment.file)
    hint = "use another namespace for one of them, or set `cluster.context` in both"
    if environment.id == other.id:
        yield Problem(where, f"the environment {other.name} has the same id in the same namespace", hint)
    known = {(one.id, key) for one in theirs for key in one.keys}
    for object_ in ours:
        for key in object_.keys:
            if (object_.id, key) in known:
                yield Problem(where, f"the environment {other.name} also writes {object_.id} key {key}", hint)
