"""What a run starts from: an environment's files and all its sources."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from bridge import late_warnings
from bridge.config.environment import ClusterFlags, Environment, check_k8_env
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.objects import Live, ObjectId
from bridge.plan.build import Allowed
from bridge.plan.model import NO_STORES
from bridge.plan.state import Memory
from bridge.provider import Context, Document, Provider
from bridge.report.record import Record
from bridge.secret import SecretValue
from bridge.sources import missing_documents
from bridge.sources.addresses import addresses
from bridge.sources.env_layer import EnvLayer, claims, load_env_layer, namespace_of
from bridge.sources.managed_values import Managed, managed
from bridge.sources.neighbours import Neighbours, meeting_environments, neighbours
from bridge.sources.providers import build_providers, referenced
from bridge.sources.reader import NOT_READ, documents_in, read_each, wants_known
from bridge.sources.resolve import Resolution, resolve
from bridge.sources.variables import Variables, read_variables

if TYPE_CHECKING:
    from bridge.sources.shared import Sharing

NONE_GIVEN: Final[Mapping[Reference, Document]] = MappingProxyType({})

Result = TypeVar("Result")

Agreed: TypeAlias = frozenset[tuple[str, str, str | None]]
"""Where a person has agreed to a first write: the server, the namespace, and its uid if it was known then."""


class Run(NamedTuple):
    """What every step of a run needs to know. `deadline` is a `time.monotonic()`, `lock_wait` is in seconds.

    What becomes of the run is noted in `record`. `sharing` is what it shares with the runs of other environments, and
    `neighbours` finds those. A document that is `given` is not read: it is what the store would have. `accept` is
    called with those that were read, and raises if they cannot be right. `cluster` is the cluster that the command
    line names, `first` allows a first write into any cluster, `agreed` into these alone. Once the run `is_ending`,
    nothing is sent but what gives back.
    """

    environ: Mapping[str, str]
    deadline: float
    record: Record
    allowed: Allowed = Allowed()
    lock_wait: float = 0.0
    sharing: "Sharing | None" = None
    neighbours: Neighbours = neighbours
    given: Mapping[Reference, Document] = NONE_GIVEN
    accept: Callable[[Mapping[Reference, Document]], None] | None = None
    cluster: ClusterFlags = ClusterFlags()
    first: bool = False
    agreed: Agreed = frozenset()
    is_ending: Callable[[], bool] = lambda: False


class Files(NamedTuple):
    """What an environment's own files say; None for what is wrong, and only the providers that could be built."""

    layer: EnvLayer | None
    namespace: str | None
    templates: tuple[TemplateObject, ...] | None
    providers: Mapping[str, Provider]

    @property
    def wants_known(self) -> bool:
        """Return whether a source has to know, before it is read, what an earlier run has written from."""
        return any(map(wants_known, self.providers.values()))


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


class StateSeen(NamedTuple):
    """The memory as it was read, and a mark that every run changes before it writes its first object.

    The mark is empty in a run that writes nothing. `live` are the objects that were read together with the memory, or
    why they could not be; those missing are yet to be read.
    """

    mark: str
    memory: Memory | None
    live: Mapping[ObjectId, Live | BridgeError | None] = MappingProxyType({})


class Wanted(NamedTuple):
    """What an environment's files and sources say.

    `seen` is what the cluster knew before the sources were read, None if they were read first. `shared` are the
    sources that may have been read even earlier, for another environment. `stores` are the addresses that each
    provider talks to, except its vendor's own.
    """

    environment: Environment
    namespace: str
    resolution: Resolution
    seen: StateSeen | None = None
    shared: frozenset[str] = frozenset()
    stores: Mapping[str, tuple[str, ...]] = NO_STORES


def gather(environment: Environment, files: Files, run: Run, known: frozenset[str] = NOT_READ) -> Wanted:
    """Read all sources; raises one error that holds everything that is wrong with them. The files are sound.

    `known` are the references that an earlier run has written from.
    """
    inputs = _read_all(environment, files, run, known)
    resolution = resolve(environment, *inputs)
    warnings = (*resolution.warnings, *late_warnings.take())
    stores = addresses(files.providers, Context(environment.base, run.environ, run.deadline))
    shared = run.sharing.documents(environment.references) if run.sharing else frozenset()
    return Wanted(environment, inputs.namespace, resolution._replace(warnings=warnings), shared=shared, stores=stores)


def gather_secrets(environment: Environment, run: Run) -> Managed:
    """Read everything as `gather` does, and return what of it has to stay secret."""
    return managed(environment, *_read_all(environment, sound_files(environment, run), run))


class _Inputs(NamedTuple):
    namespace: str
    templates: tuple[TemplateObject, ...]
    documents: Mapping[Reference, Document]
    layer: EnvLayer


def _read_all(environment: Environment, files: Files, run: Run, known: frozenset[str] = NOT_READ) -> _Inputs:
    # What could be missing of them is among the errors.
    assert files.layer is not None
    assert files.namespace is not None
    assert files.templates is not None
    context = Context(environment.base, run.environ, run.deadline)
    wanted = dict.fromkeys(one.document for one in environment.references)
    providers = run.sharing.wrap(files.providers, environment.base) if run.sharing else files.providers
    with missing_documents.hints(environment, files.providers, context):
        asked = [one for one in wanted if one not in run.given]
        read = documents_in(read_each(providers, asked, context, known, run.record.reads))
        if run.accept:
            run.accept(read)
    documents = {one: run.given[one] if one in run.given else read[one] for one in wanted}
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
