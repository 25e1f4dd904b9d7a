"""The first half of every run, before the cluster is asked: an environment's files and all its sources."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias, TypeVar

from bridge import late_warnings
from bridge.config.environment import ClusterFlags, Environment, check_k8_env
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.plan.build import Allowed
from bridge.plan.model import NO_STORES
from bridge.plan.state import Memory
from bridge.provider import Context, Document, Provider
from bridge.secret import SecretValue
from bridge.sources import missing_documents
from bridge.sources.addresses import addresses
from bridge.sources.env_layer import EnvLayer, claims, load_env_layer, namespace_of
from bridge.sources.managed_values import Managed, managed
from bridge.sources.neighbours import Neighbours, meeting_environments, neighbours
from bridge.sources.providers import build_providers, referenced
from bridge.sources.reader import Reader, read_documents
from bridge.sources.resolve import Resolution, resolve
from bridge.sources.variables import Variables, read_variables

NONE_GIVEN: Final[Mapping[Reference, Document]] = MappingProxyType({})

Result = TypeVar("Result")

Agreed: TypeAlias = frozenset[tuple[str, str, str | None]]
"""Where a person has agreed to a first write: the server, the namespace, and its uid if it was known then."""


class Run(NamedTuple):
    """What every step of a run needs to know. `deadline` is a `time.monotonic()`, `lock_wait` is in seconds.

    `read` and `neighbours` are how documents and other environments are read: of one run alone, or shared by many.
    `read_again` reads documents from their stores, whatever was read before.
    What is read from the sources is added to `reads`, where somebody wants to know. `cluster` is the cluster that
    the command line names, `first` allows a first write into any cluster, `agreed` into these alone.
    """

    environ: Mapping[str, str]
    deadline: float
    allowed: Allowed = Allowed()
    lock_wait: float = 0.0
    reads: list[tuple[str, str, float]] | None = None
    read: Reader = read_documents
    read_again: Reader = read_documents
    neighbours: Neighbours = neighbours
    cluster: ClusterFlags = ClusterFlags()
    first: bool = False
    agreed: Agreed = frozenset()


class Files(NamedTuple):
    """What an environment's own files say; None for what is wrong, and only the providers that could be built."""

    layer: EnvLayer | None
    namespace: str | None
    templates: tuple[TemplateObject, ...] | None
    providers: Mapping[str, Provider]


def read_files(environment: Environment, run: Run, errors: list[BridgeError]) -> Files:
    """Read the env file and the templates, build the providers; all that is wrong is added to `errors`."""
    layer, namespace = _layer(environment, run, errors)
    templates = _attempt(lambda: load_templates(environment, namespace), errors)
    providers = build_providers(environment, referenced(environment), errors)
    if namespace and templates:
        others = run.neighbours(environment, namespace, run.environ)
        meetings = tuple(meeting_environments(environment, namespace, templates, others))
        errors += [ConfigError(*meetings)] if meetings else []
    return Files(layer, namespace, templates, providers)


def sound_files(environment: Environment, run: Run) -> Files:
    """Read them as `read_files` does; raises one error that holds everything that is wrong."""
    errors: list[BridgeError] = []
    files = read_files(environment, run, errors)
    if errors:
        raise combine(errors)
    return files


def _layer(environment: Environment, run: Run, errors: list[BridgeError]) -> tuple[EnvLayer | None, str | None]:
    """Read the env file, and find the namespace, which it may name."""
    layer = _attempt(lambda: load_env_layer(environment, run.environ), errors)
    return layer, _namespace(environment, layer, errors) if layer else environment.namespace


def _namespace(environment: Environment, layer: EnvLayer, errors: list[BridgeError]) -> str | None:
    _attempt(lambda: check_k8_env(environment, layer.values or {}, layer.shown), errors)
    return _attempt(lambda: namespace_of(environment, layer), errors)


def _attempt(step: Callable[[], Result], errors: list[BridgeError]) -> Result | None:
    try:
        return step()
    except BridgeError as error:
        errors.append(error)
        return None


class Seen(NamedTuple):
    """The memory as it was read, and a mark that every run changes before it writes its first object."""

    mark: str
    memory: Memory | None


class Wanted(NamedTuple):
    """What an environment's files and sources say.

    `seen` is what the cluster knew before the sources were read; None in a run that writes nothing. `shared` are the
    sources that may have been read even earlier, for another environment. `stores` are the addresses that each
    provider talks to, except its vendor's own.
    """

    environment: Environment
    namespace: str
    resolution: Resolution
    seen: Seen | None = None
    shared: frozenset[str] = frozenset()
    stores: Mapping[str, tuple[str, ...]] = NO_STORES


def gather(
    environment: Environment,
    run: Run,
    remembered: Callable[[str], frozenset[str]],
    given: Mapping[Reference, Document] = NONE_GIVEN,
) -> Wanted:
    """Read the files, then all sources; raises one error that holds everything that is wrong with them.

    `remembered` returns the references that an earlier run has written from into a namespace. A document that is
    `given` is not read: it stands for what the store would have.
    """
    return gather_sources(environment, sound_files(environment, run), run, remembered, given)


def gather_sources(
    environment: Environment,
    files: Files,
    run: Run,
    remembered: Callable[[str], frozenset[str]],
    given: Mapping[Reference, Document] = NONE_GIVEN,
) -> Wanted:
    """Do as `gather` does, with files that are read already and sound."""
    inputs = _read_all(environment, files, run, remembered, given)
    resolution = resolve(environment, *inputs)
    warnings = (*resolution.warnings, *late_warnings.take())
    stores = addresses(files.providers, Context(environment.base, run.environ, run.deadline))
    return Wanted(environment, inputs.namespace, resolution._replace(warnings=warnings), stores=stores)


def gather_secrets(environment: Environment, run: Run) -> Managed:
    """Read everything as `gather` does, and return what of it has to stay secret."""
    return managed(environment, *_read_all(environment, sound_files(environment, run), run, lambda _: frozenset()))


class _Inputs(NamedTuple):
    namespace: str
    templates: tuple[TemplateObject, ...]
    documents: Mapping[Reference, Document]
    layer: EnvLayer


def _read_all(
    environment: Environment,
    files: Files,
    run: Run,
    remembered: Callable[[str], frozenset[str]],
    given: Mapping[Reference, Document] = NONE_GIVEN,
) -> _Inputs:
    # What could be missing of them is among the errors.
    assert files.layer is not None
    assert files.namespace is not None
    assert files.templates is not None
    known = partial(remembered, files.namespace)
    context = Context(environment.base, run.environ, run.deadline, known)
    wanted = dict.fromkeys(one.document for one in environment.references)
    with missing_documents.hints(environment, files.providers, context):
        read = run.read(files.providers, [one for one in wanted if one not in given], context, run.reads)
    documents = {one: given[one] if one in given else read[one] for one in wanted}
    return _Inputs(files.namespace, files.templates, documents, files.layer)


def gather_variables(environment: Environment, run: Run, names: Iterable[str]) -> Variables:
    """Give variables their values, without the templates; raises one error that holds everything that is wrong."""
    errors: list[BridgeError] = []
    layer, namespace = _layer(environment, run, errors)
    providers = build_providers(environment, referenced(environment), errors)
    if errors:
        raise combine(errors)
    assert layer is not None
    assert namespace is not None
    context = Context(environment.base, run.environ, run.deadline)
    with missing_documents.hints(environment, providers, context):
        found = read_variables(environment, layer, providers, names, context)
    others = tuple(_of_others(environment.name, namespace, found, run.environ))
    if others:
        raise Refusal(*others)
    return found._replace(warnings=(*found.warnings, *late_warnings.take()))


def _of_others(environment: str, namespace: str, found: Variables, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the variables, also those that a command inherits, that would send it to another environment than this."""
    for name, what, ours in claims(environment, namespace):
        entry = found.entries.get(name)
        if entry and not entry.value.same_as(SecretValue.of(ours)):
            yield Problem(entry.origin.place, f"{name} names another {what} than {ours}", "make the two agree")
        elif not entry and environ.get(name, ours) != ours:
            hint = f"unset {name}, or list it under `infrastructure`"
            yield Problem("the process's environment", f"{name} names another {what} than {ours}", hint)


def find_namespace(environment: Environment, run: Run) -> str:
    """Return the namespace without reading any source, for commands that need nothing else of the values."""
    errors: list[BridgeError] = []
    _, namespace = _layer(environment, run, errors)
    if errors:
        raise combine(errors)
    assert namespace is not None
    return namespace
