"""`bridge history`: show when each variable last changed, and by whom."""

import argparse
from collections.abc import Iterator, Mapping

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.git_files import GitFiles, read_git_files, warnings
from bridge.config.environment import Environment
from bridge.config.names import did_you_mean
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.provider import Context, VersionLister
from bridge.report.history import DocumentVersions, LastWrite, Row, history_data, history_text
from bridge.report.output import write_report
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.review.trails import Place, Trail
from bridge.review.value_history import all_events, last_events
from bridge.review.variable_names import Named
from bridge.run.inputs import Run, sound_files
from bridge.run.view import open_cluster
from bridge.sources.offline import documents
from bridge.sources.reader import at_reference
from bridge.sources.session import close_sessions, open_session


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the changes that git knows and, with --stores, those of the stores and of the cluster."""
    environment, run_ = environment_of(args), run_of(args, record)
    files = read_git_files(environment, run_)
    rows = list(_all(files, args.name) if args.name else _last(files))
    found = list(warnings(files.trails))
    if not files.trails and not args.stores:
        hint = "add --stores to see the versions in its stores"
        found.append(Problem(environment.name, "has no encrypted file in git", hint, warning=True))
    errors: list[BridgeError] = []
    stores, cluster = _elsewhere(environment, files, run_, args.name, errors) if args.stores else ((), None)
    if args.name and not rows and not (cluster and cluster.keys):
        raise _unknown(environment, files, args.name)
    data = history_data(environment.name, rows, stores, cluster, found)
    write_report(record, data, args.output, history_text)
    say(record, "warning", found)
    if not errors:
        return 0
    error = combine(errors)
    say(record, "error", error.problems)
    return error.exit_status


def _elsewhere(
    environment: Environment, files: GitFiles, run: Run, name: str | None, errors: list[BridgeError]
) -> tuple[list[DocumentVersions], LastWrite | None]:
    """Return what the stores and the cluster know. What fails is left out, and its error is added to `errors`."""
    stores = list(_stores(environment, files, run, errors))
    cluster = None
    try:
        newest, keys = _last_write(environment, run)
        cluster = LastWrite(newest, {key: moment for key, moment in keys.items() if _is_of(files, key, name)})
    except BridgeError as error:
        errors.append(error)
    return stores, cluster


def _is_of(files: GitFiles, key: str, name: str | None) -> bool:
    return name is None or name in files.names.variables_of(key)


def _stores(
    environment: Environment, files: GitFiles, run: Run, errors: list[BridgeError]
) -> Iterator[DocumentVersions]:
    """Yield the versions of each document that is in a store which lists them."""
    context = Context(environment.base, run.environ, run.deadline)
    for reference in documents(environment):
        session = open_session(files.providers[reference.provider], context)
        try:
            if isinstance(session, BridgeError):
                raise session
            if isinstance(session, VersionLister):
                yield DocumentVersions(str(reference), tuple(session.versions(reference.path)))
        except BridgeError as error:
            errors.append(at_reference(reference, error))
        finally:
            if not isinstance(session, BridgeError):
                close_sessions([session])


def _last(files: GitFiles) -> Iterator[Row]:
    for trail in files.trails:
        names = files.names.of(trail.reference, trail.now)
        for place, event in last_events(trail).items():
            if place in names:
                yield Row(names[place], str(trail.reference), trail.shown, event)


def _all(files: GitFiles, name: str) -> Iterator[Row]:
    for trail in files.trails:
        names = _named(files, trail, name)
        for place, event in all_events(trail, names):
            yield Row(names[place], str(trail.reference), trail.shown, event)


def _named(files: GitFiles, trail: Trail, name: str) -> dict[Place, Named]:
    """Return the places that have had a name in any version, newest first."""
    found: dict[Place, Named] = {}
    for outline in trail.versions.values():
        for place, named in files.names.of(trail.reference, outline).items():
            if named.is_called(name):
                found.setdefault(place, named)
    return found


def _unknown(environment: Environment, files: GitFiles, name: str) -> ConfigError:
    known = {
        one
        for trail in files.trails
        for named in files.names.of(trail.reference, trail.now).values()
        for one in (named.label, *named.variables)
    }
    everything = f"list all with `bridge history {environment.name}`"
    message = "no file in git has ever had a value of this name"
    return ConfigError(Problem(environment.name, message, did_you_mean(name, known) or everything))


def _last_write(environment: Environment, run: Run) -> tuple[str, Mapping[str, str]]:
    """Return the times (RFC 3339) of the last change, and of each key's; Refusal if bridge has not written there."""
    files = sound_files(environment, run)
    with open_cluster(environment, files.namespace or "", run) as cluster:
        memory = cluster.look().memory
    if memory is None or memory.lost:
        message = "bridge has no state there, so the time of its last write is unknown"
        raise Refusal(Problem("the cluster", message, f"write it with `bridge sync {environment.name}`"))
    keys = {
        f"{id_} key {name}": key.changed for id_, known in memory.objects.items() for name, key in known.keys.items()
    }
    return memory.newest, dict(sorted(keys.items()))
