"""The inputs of a run: an environment's files and all its sources."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from bridge import late_warnings
from bridge.config.environment import ClusterChoice, ClusterFlags, Environment, check_k8_env
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.named_tuple import NamedTuple
from bridge.objects import Desired, Live, ObjectId
from bridge.plan.build import Allowed
from bridge.plan.model import NO_STORES, Plan
from bridge.plan.state import Memory
from bridge.provider import Context, Document, Provider
from bridge.report.record import Record
from bridge.secret import SecretValue
from bridge.sources import missing_documents
from bridge.sources.addresses import addresses
from bridge.sources.env_layer import EnvLayer, claims, load_env_layer, namespace_of
from bridge.sources.neighbours import Neighbours, meeting_environments, neighbours
from bridge.sources.providers import build_providers, referenced
from bridge.sources.reader import NOT_READ, documents_in, read_each, wants_known
from bridge.sources.resolve import Resolution, resolve

if TYPE_CHECKING:
    from bridge.cluster.api import Api
    from bridge.cluster.choice import Search
    from bridge.plan.ages import StoredValue
    from bridge.sources.managed_values import Managed
    from bridge.sources.shared import Sharing
    from bridge.sources.variables import Variables

    class Review(Protocol):
        """Judges plans, for example by comparing them with an approved plan."""

        def review(self, wanted: "Wanted", plan: Plan, api: Api) -> tuple[Problem, ...]:
            """Return why a plan must not be carried out."""
            ...

        def over(self, api: Api) -> tuple[Problem, ...]:
            """Return why a plan that was in order must not be carried out at this time; nothing is sent."""
            ...


NONE_GIVEN: Final[Mapping[Reference, Document]] = MappingProxyType({})

Result = TypeVar("Result")

Agreed: TypeAlias = frozenset[tuple[str, str, str | None]]
"""Where a person has agreed to a first write: the server, the namespace, and its uid if it was known."""


class Run(NamedTuple):
    """What every step of a run needs.

    - `deadline`: a `time.monotonic()` value; `lock_wait`: seconds.
    - `record`: receives the run's results.
    - `sharing`: what the run shares with the runs of other environments; `neighbours` finds these environments.
    - `given`: documents to use instead of reading them, as if the store had them.
    - `accept`: called with the documents that were read; raises an error if they cannot be right.
    - `cluster`: the cluster that the command line names.
    - `first`: allows a first write into any cluster; `agreed`: only into these clusters.
    - `review`: judges each plan after its dry runs; what it returns are refusals.
    - `is_ending`: if true, the run only releases what it holds.
    - `dated`: asks the stores for times, even if the environment's own file limits no age.
    - `every_age`: the run shows the ages of all Secrets' values, not only of those with a limit.
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
    review: "Review | None" = None
    is_ending: Callable[[], bool] = lambda: False
    dated: bool = False
    every_age: bool = False

    def search(self, choice: ClusterChoice) -> "Search":
        """Return all settings that can select the cluster of an environment that makes this choice."""
        from bridge.cluster.choice import Search  # noqa: PLC0415 - start-up: `check` does not need it

        return Search(choice.kubeconfig, choice.context, self.environ, self.cluster, self.deadline)


class Files(NamedTuple):
    """The content of an environment's files; None for invalid files. Only valid providers are included."""

    layer: EnvLayer | None
    namespace: str | None
    templates: tuple[TemplateObject, ...] | None
    providers: Mapping[str, Provider]

    @property
    def wants_known(self) -> bool:
        """True if a provider asks which documents an earlier run applied before it reads them."""
        return any(map(wants_known, self.providers.values()))


def read_files(environment: Environment, run: Run, errors: list[BridgeError]) -> Files:
    """Read the env file and the templates, and build the providers; add all problems to `errors`."""
    layer, namespace = _layer(environment, run, errors)
    templates = _attempt(lambda: load_templates(environment, namespace), errors)
    providers = build_providers(environment, referenced(environment), errors)
    if namespace and templates:
        others = run.neighbours(environment, namespace, run.environ)
        meetings = tuple(meeting_environments(environment, namespace, templates, others))
        errors += [ConfigError(*meetings)] if meetings else []
    return Files(layer, namespace, templates, providers)


def sound_files(environment: Environment, run: Run) -> Files:
    """Read the files as `read_files` does; raise one error with all problems."""
    errors: list[BridgeError] = []
    files = read_files(environment, run, errors)
    if errors:
        raise combine(errors)
    return files


def _layer(environment: Environment, run: Run, errors: list[BridgeError]) -> tuple[EnvLayer | None, str | None]:
    """Read the env file, and return it with the namespace, which it may set."""
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
    """The state as it was read, and a mark that every run changes before it writes its first object.

    The mark is empty in a run that writes nothing. `live` has the objects that were read together with the state, or
    the errors; objects that are missing have not been read yet.
    """

    mark: str
    memory: Memory | None
    live: Mapping[ObjectId, Live | BridgeError | None] = MappingProxyType({})


class Wanted(NamedTuple):
    """The content of an environment's files and sources.

    - `seen`: the state before the sources were read, or None if the sources were read first.
    - `shared`: the sources that may have been read even earlier, for another environment.
    - `stores`: for each provider, the addresses that it connects to, without the vendor's own.
    - `hashes`: the SHA-256 of each encrypted document, only for a review.
    - `stored`: the values with an age limit.
    """

    environment: Environment
    namespace: str
    resolution: Resolution
    seen: StateSeen | None = None
    shared: frozenset[str] = frozenset()
    stores: Mapping[str, tuple[str, ...]] = NO_STORES
    hashes: Mapping[str, str] = MappingProxyType({})
    stored: "tuple[StoredValue, ...]" = ()


def gather(environment: Environment, files: Files, run: Run, known: frozenset[str] = NOT_READ) -> Wanted:
    """Read all sources of an environment with valid files; raise one error with all problems.

    `known` are the references that an earlier run applied.
    """
    inputs = _read_all(environment, files, run, known)
    resolution = resolve(environment, *inputs)
    warnings = (*resolution.warnings, *late_warnings.take())
    context = Context(environment.base, run.environ, run.deadline)
    stores = addresses(files.providers, context)
    shared = run.sharing.documents(environment.references) if run.sharing else frozenset()
    wanted = Wanted(environment, inputs.namespace, resolution._replace(warnings=warnings), shared=shared, stores=stores)
    if environment.limits_ages or run.every_age:
        from bridge.sources.stored_values import Layers, stored_values  # noqa: PLC0415 - start-up: few environments limit ages

        layers = Layers(*inputs, files.providers)
        stored = stored_values(environment, layers, resolution.desired, context, every=run.every_age)
        wanted = wanted._replace(stored=stored)
    if run.review is None:
        return wanted
    return wanted._replace(hashes={str(one): document.sha256 for one, document in inputs.documents.items()})


def gather_secrets(environment: Environment, run: Run) -> "Managed":
    """Read everything as `gather` does, and return the values that must stay secret."""
    from bridge.sources.managed_values import managed  # noqa: PLC0415 - start-up: sync and plan do not need it

    return managed(environment, *_read_all(environment, sound_files(environment, run), run))


def gather_objects(environment: Environment, files: Files, run: Run) -> "tuple[tuple[Desired, ...], Managed]":
    """Read everything as `gather` does, and return the objects and the values that must stay secret."""
    from bridge.sources.managed_values import managed  # noqa: PLC0415 - start-up: sync and plan do not need it

    inputs = _read_all(environment, files, run)
    secrets = managed(environment, *inputs)
    secrets = secrets._replace(warnings=(*secrets.warnings, *late_warnings.take()))
    return resolve(environment, *inputs).desired, secrets


class _Inputs(NamedTuple):
    namespace: str
    templates: tuple[TemplateObject, ...]
    documents: Mapping[Reference, Document]
    layer: EnvLayer


def _read_all(environment: Environment, files: Files, run: Run, known: frozenset[str] = NOT_READ) -> _Inputs:
    # If any of these were missing, the caller would have raised an error.
    assert files.layer is not None
    assert files.namespace is not None
    assert files.templates is not None
    context = Context(environment.base, run.environ, run.deadline, dated=run.dated or environment.limits_ages)
    wanted = dict.fromkeys(one.document for one in environment.references)
    providers = run.sharing.wrap(files.providers, environment.base) if run.sharing else files.providers
    with missing_documents.hints(environment, files.providers, context):
        asked = [one for one in wanted if one not in run.given]
        read = documents_in(read_each(providers, asked, context, known, run.record.reads))
        if run.accept:
            run.accept(read)
    documents = {one: run.given[one] if one in run.given else read[one] for one in wanted}
    return _Inputs(files.namespace, files.templates, documents, files.layer)


def gather_variables(environment: Environment, run: Run, names: Iterable[str]) -> "Variables":
    """Return the values of variables, without reading templates; raise one error with all problems."""
    from bridge.sources.variables import read_variables  # noqa: PLC0415 - start-up: sync and plan do not need it

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


def _of_others(environment: str, namespace: str, found: "Variables", environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield problems for variables, including inherited ones, that would send a command to another environment."""
    for name, what, ours in claims(environment, namespace):
        entry = found.entries.get(name)
        if entry and not entry.value.same_as(SecretValue.of(ours)):
            yield Problem(entry.origin.place, f"{name} is set to a different {what} than {ours}", "make the two agree")
        elif not entry and environ.get(name, ours) != ours:
            hint = f"unset {name}, or list it under `infrastructure`"
            yield Problem("the process's environment", f"{name} is set to a different {what} than {ours}", hint)


def find_namespace(environment: Environment, run: Run) -> str:
    """Return the namespace without reading any source, for commands that need no values."""
    errors: list[BridgeError] = []
    _, namespace = _layer(environment, run, errors)
    if errors:
        raise combine(errors)
    assert namespace is not None
    return namespace
