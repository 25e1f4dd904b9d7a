"""Runs many environments in parallel, each with its own guarantees, over shared sessions and connections."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from bridge.cluster.choice import Search
from bridge.cluster.lease import Lease
from bridge.config.environment import Environment
from bridge.errors import ANYTHING, BridgeError, ConfigError, combine, ending
from bridge.parallel import Batch, Once, each
from bridge.plan.model import ClusterName, Plan
from bridge.progress import ProgressStep
from bridge.report.record import Record
from bridge.run.apply import Outcome, first_write_of, sync_environment
from bridge.run.inputs import Run, sound_files
from bridge.run.line import RELEASE, Line, dial
from bridge.run.plan import inspect, plan_only, read_environment, read_sources, with_admission
from bridge.run.view import Cluster, open_cluster
from bridge.sources.neighbours import namespace_in
from bridge.sources.providers import build_providers, referenced
from bridge.sources.shared import Sharing

if TYPE_CHECKING:
    from bridge.run.restart import Restart

THREADS: Final = 8
"""How many environments run at once. This limits memory use and connections to a cluster."""


@dataclass(eq=False)
class Member:
    """The outcome of one environment, accurate at any moment. `record` belongs to its own run."""

    name: str
    outcome: Outcome = field(default_factory=Outcome)
    restart: "Restart | None" = None
    unused: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the fields of each source, only for `status`
    error: BridgeError | None = None
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(environment=self.name)

    @property
    def plan(self) -> Plan | None:
        """The latest plan, or None before the first one."""
        return self.outcome.plan

    @property
    def cluster(self) -> ClusterName | None:
        """The environment's cluster, or None before it is opened."""
        return self.record.cluster

    @property
    def touched(self) -> bool:
        """True if anything was, or may have been, written or restarted."""
        return self.outcome.touched or bool(self.restart and (self.restart.rolled or self.restart.begun))

    @property
    def errors(self) -> Sequence[BridgeError]:
        """The errors of the environment."""
        found = (self.error, self.outcome.error, self.restart.error if self.restart else None)
        return [one for one in found if one]


class Fleet:
    """The environments of a folder, or the error if one could not be loaded, and what their runs share.

    Use it in a `with` block, which closes sessions and connections and releases every Lease.
    """

    def __init__(self, folder: Mapping[str, Environment | ConfigError], run: Run) -> None:
        self._folder: Final = folder
        self._sharing: Final = Sharing()
        self._lines: Final = _Lines()
        self._spaces: Final = _Namespaces(folder)
        self._run: Final = run._replace(
            sharing=self._sharing,
            neighbours=self._spaces.neighbours,
            is_ending=lambda: self._lines.ended,
            # For all of them, because they share sessions.
            dated=any(isinstance(one, Environment) and one.limits_ages for one in folder.values()),
        )
        self._under_way: Final[dict[str, Member]] = {}
        self._batch: Batch[str, None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Send no more requests except releases; wait a moment for the current ones."""
        self._lines.end()
        if self._batch:
            self._batch.stop()
        held = [member.outcome.lease for member in self.under_way() if member.outcome.lease]
        each(Lease.end, held, threads=len(held), deadline=time.monotonic() + RELEASE)
        self._sharing.close()
        self._lines.close()

    def under_way(self) -> list[Member]:
        """Return the environments that have started and not finished."""
        return list(self._under_way.values())

    def look_ahead(self, names: Sequence[str], done: Callable[[Member], None]) -> None:
        """Plan environments without writing; an environment's first write becomes its error, a FirstWrite."""
        self._each(names, self._look_ahead, done, "planning {} of {} environments")

    def plan(self, names: Sequence[str], done: Callable[[Member], None]) -> None:
        """Plan environments; any thread calls `done` with each as soon as it has finished."""
        self._each(names, self._plan, done, "planning {} of {} environments")

    def status(self, names: Sequence[str], done: Callable[[Member], None]) -> None:
        """Compare environments with their clusters, as `bridge status` does; `done` is called as in `plan`."""
        self._each(names, self._status, done, "reading {} of {} environments")

    def sync(self, names: Sequence[str], done: Callable[[Member], None], *, restart: bool = False) -> None:
        """Sync each environment, then restart its workloads if requested; `done` is called as in `plan`."""
        self._each(names, partial(self._sync, restart=restart), done, "syncing {} of {} environments")

    def _each(
        self,
        names: Sequence[str],
        work: Callable[[Member, Environment], None],
        done: Callable[[Member], None],
        text: str,
    ) -> None:
        self._announce(names)
        self._batch = Batch(lambda name: self._one(Member(name), work, done), names)
        self._batch.start(THREADS)
        with ProgressStep(text, len(names)) as step:
            self._batch.finish(self._run.deadline + RELEASE, step)

    def _announce(self, names: Iterable[str]) -> None:
        for name in names:
            environment = self._folder[name]
            if isinstance(environment, Environment):
                errors: list[BridgeError] = []  # the environment's own run reports them
                providers = build_providers(environment, referenced(environment), errors)
                self._sharing.announce(providers, environment.references, environment.base)

    def _one(self, member: Member, work: Callable[[Member, Environment], None], done: Callable[[Member], None]) -> None:
        if time.monotonic() >= self._run.deadline:
            return
        self._under_way[member.name] = member
        environment = self._folder[member.name]
        try:
            if isinstance(environment, Environment):
                work(member, environment)
            else:
                member.error = environment
        except ANYTHING as error:  # the other environments continue
            member.error = ending(error, touched=member.touched)
        done(member)
        self._under_way.pop(member.name, None)

    def _plan(self, member: Member, environment: Environment) -> None:
        run = self._run._replace(record=member.record)
        with read_environment(environment, run, self._lines.dial) as (wanted, cluster):
            member.outcome.plan = plan_only(wanted, cluster, run)

    def _status(self, member: Member, environment: Environment) -> None:
        run = self._run._replace(record=member.record, every_age=True)
        with read_environment(environment, run, self._lines.dial) as (wanted, cluster):
            member.outcome.plan = with_admission(inspect(wanted, cluster, run), cluster.objects, run)
        member.unused = dict(wanted.resolution.unused)

    def _look_ahead(self, member: Member, environment: Environment) -> None:
        run = self._run._replace(record=member.record)
        files = sound_files(environment, run)
        assert files.namespace is not None
        with open_cluster(environment, files.namespace, run, self._lines.dial) as cluster:
            if cluster.name.binding:
                return
            plan = plan_only(read_sources(environment, files, cluster, run), cluster, run)
            if first := first_write_of(plan, environment, cluster, run):
                raise first

    def _sync(self, member: Member, environment: Environment, *, restart: bool) -> None:
        run = self._run._replace(record=member.record)
        sync_environment(
            environment,
            run,
            member.outcome,
            line_to=self._lines.dial,
            then=partial(_restart, member) if restart else None,
        )


def _restart(member: Member, cluster: Cluster) -> None:
    from bridge.run.restart import Restart, survey_and_roll  # noqa: PLC0415 - most runs restart nothing

    member.restart = Restart()
    survey_and_roll(cluster, member.restart)


class _Lines:
    """Connections to each cluster, shared by all environments that choose it."""

    def __init__(self) -> None:
        self._stack: Final = ExitStack()
        self._lock: Final = threading.Lock()
        self._lines: Final[Once[tuple[object, object], Line | BridgeError]] = Once()
        self.ended = False

    @contextmanager
    def dial(self, search: Search) -> Iterator[Line]:
        """Connect as `line.dial` does, but keep the connections for the next environment."""
        chosen = (None, None) if search.flags.in_cluster else (search.kubeconfig, search.context)
        line = self._lines.get(chosen, lambda: self._open(dial(search)))
        if isinstance(line, BridgeError):
            raise combine([line])  # a separate error for each thread
        yield line

    def _open(self, opening: AbstractContextManager[Line]) -> Line | BridgeError:
        try:
            with ExitStack() as stack:
                line = stack.enter_context(opening)
                with self._lock:
                    self._stack.push(stack.pop_all())
        except BridgeError as error:
            return error
        if self.ended:
            line.api.end()
        return line

    def end(self) -> None:
        """Send no more requests, except for the Leases."""
        self.ended = True
        for line in self._lines.made():
            if isinstance(line, Line):
                line.api.end()

    def close(self) -> None:
        """Close all connections."""
        self._stack.close()


class _Namespaces:
    """The environments of a folder by their namespaces, looked up once."""

    def __init__(self, folder: Mapping[str, Environment | ConfigError]) -> None:
        self._folder: Final = folder
        self._found: Final[Once[None, Mapping[str, list[Environment]]]] = Once()

    def neighbours(self, _environment: Environment, namespace: str, environ: Mapping[str, str]) -> list[Environment]:
        """Return the environments of a namespace."""
        return self._found.get(None, lambda: self._read(environ)).get(namespace, [])

    def _read(self, environ: Mapping[str, str]) -> Mapping[str, list[Environment]]:
        found: dict[str, list[Environment]] = {}
        for environment in self._folder.values():
            try:
                if isinstance(environment, Environment):
                    found.setdefault(namespace_in(environment, environ), []).append(environment)
            except ConfigError:  # its own run reports it
                continue
        return found
