"""The first half of every run, before the cluster is asked: an environment's files and all its sources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from bridge.config.environment import Environment, check_k8_env
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import BridgeError, ConfigError, combine
from bridge.plan.build import Allowed
from bridge.provider import Context, Provider
from bridge.sources.env_layer import EnvLayer, load_env_layer, namespace_of
from bridge.sources.neighbours import meeting_environments
from bridge.sources.plugins import build_providers, referenced
from bridge.sources.read import read_documents
from bridge.sources.resolve import Resolution, resolve

Result = TypeVar("Result")


@dataclass(frozen=True)
class Run:
    """What every step of a run needs to know. `deadline` is a `time.monotonic()`."""

    environ: Mapping[str, str]
    deadline: float
    allowed: Allowed = field(default_factory=Allowed)


@dataclass(frozen=True, eq=False)
class Files:
    """What an environment's own files say."""

    layer: EnvLayer
    namespace: str
    templates: tuple[TemplateObject, ...]
    providers: Mapping[str, Provider]


def load_files(environment: Environment, run: Run) -> Files:
    """Read the env file and the templates, build the providers; raises one error with all that is wrong."""
    errors: list[BridgeError] = []
    layer = _attempt(lambda: load_env_layer(environment, run.environ), errors) or EnvLayer("", {})
    _attempt(lambda: check_k8_env(environment, layer.values or {}, layer.shown), errors)
    namespace = _attempt(lambda: namespace_of(environment, layer), errors)
    templates = _attempt(lambda: load_templates(environment, namespace), errors) or ()
    providers = _attempt(lambda: build_providers(environment, referenced(environment)), errors) or {}
    if namespace and not errors:
        meetings = tuple(meeting_environments(environment, namespace, templates, run.environ))
        errors += [ConfigError(*meetings)] if meetings else []
    if errors or not namespace:
        raise combine(errors)
    return Files(layer, namespace, templates, providers)


def _attempt(step: Callable[[], Result], errors: list[BridgeError]) -> Result | None:
    try:
        return step()
    except BridgeError as error:
        errors.append(error)
        return None


@dataclass(frozen=True, eq=False)
class Wanted:
    """What an environment's files and sources say: everything before the cluster is asked."""

    environment: Environment
    namespace: str
    resolution: Resolution


def gather(environment: Environment, run: Run) -> Wanted:
    """Read the files, then all sources; raises one error that holds everything that is wrong with them."""
    files = load_files(environment, run)
    context = Context(environment.base, run.environ, run.deadline)
    documents = read_documents(files.providers, environment.references, context)
    resolution = resolve(environment, files.namespace, files.templates, documents, files.layer)
    return Wanted(environment, files.namespace, resolution)
