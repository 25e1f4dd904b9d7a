"""`bridge history`: show when each variable last changed, and by whom."""

import argparse
from collections.abc import Iterator

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.git_files import GitFiles, read_git_files, warnings
from bridge.config.environment import Environment
from bridge.config.names import did_you_mean
from bridge.errors import ConfigError, Problem
from bridge.report import streams
from bridge.report.history import Row, Stored, Written, history_data, history_text
from bridge.report.output import printable_data, write_json
from bridge.report.record import Record
from bridge.report.style import style_of
from bridge.report.talk import say
from bridge.review.trails import Place, Trail
from bridge.review.value_history import all_events, last_events
from bridge.review.variable_names import Named


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the changes that git knows and, with --stores, those of the stores and of the cluster."""
    environment, run_ = environment_of(args), run_of(args, record)
    files = read_git_files(environment, run_)
    rows = list(_all(files, args.name) if args.name else _last(files))
    stores: list[Stored] = []
    cluster: Written | None = None
    found = list(warnings(files.trails))
    if args.name and not rows:
        raise _unknown(environment, files, args.name)
    data = history_data(environment.name, rows, stores, cluster, found)
    if args.output == "json":
        write_json(record, data)
    else:
        streams.report().write(history_text(printable_data(data), style_of(streams.report())))
        streams.report().flush()
    say(record, "warning", found)
    return 0


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
    hint = did_you_mean(name, known) or f"list all with `bridge history {environment.name}`"
    return ConfigError(Problem(environment.name, "no file in git has ever had a value of this name", hint))
