"""`bridge diff`: show what a change in git does to an environment, without a key, a store or a cluster."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from bridge.commands.arguments import folder_of
from bridge.commands.results import PENDING
from bridge.config.environment import Environment, environment_names
from bridge.config.folder import is_environment_name
from bridge.config.names import did_you_mean, quoted
from bridge.errors import ConfigError, Problem
from bridge.git_history import Repository
from bridge.provider import Context
from bridge.report.output import printable_data, write_report, write_text
from bridge.report.own_flags import with_hints
from bridge.report.record import Record
from bridge.report.review import review_data
from bridge.report.talk import say
from bridge.review.compare import compare, replayed, unknown
from bridge.review.revisions import Range, commit_of, reporting, repository_of, resolve
from bridge.review.snapshot import CommitFiles, Snapshot, WorkingTreeFiles
from bridge.review.state import FolderPlace, Side, StateReader, prefixed
from bridge.sources.outlines import Outlines


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the report; return 0, or with --exit-code 4 if something differs or cannot be compared."""
    folder, name, deadline = folder_of(args), _name(args), time.monotonic() + args.timeout
    real = Path(os.path.realpath(folder))
    repository = repository_of(real, os.environ, deadline)
    chosen = resolve(repository, args.git)
    with reporting(repository.top):
        place = FolderPlace(folder, real, repository.top)
        before = _state(name, place, repository, CommitFiles(repository, chosen.before), deadline)
        after = _state(name, place, repository, _after(repository, chosen), deadline)
        if before.file is None and after.file is None:
            raise _missing(folder, name, chosen)
        changes = compare(before, after)
        found = {} if repository.is_shallow else replayed(repository, chosen.before, changes.documents)
        limits = tuple(unknown(before, after, changes, is_shallow=repository.is_shallow))
    problems = (*prefixed("before", before.problems), *prefixed("after", after.problems))
    data = review_data(name, chosen, changes._replace(replayed=found), limits, problems)
    _write(record, data, args.output)
    say(record, "warning", problems)
    return PENDING if args.exit_code and (changes or problems) else 0


def _name(args: argparse.Namespace) -> str:
    """Return the environment that the argument or $K8_ENV names."""
    name: str = args.environment or os.environ.get("K8_ENV", "")
    if not name:
        raise ConfigError(Problem("", "no environment given", "write `bridge diff ENV`, or set K8_ENV"))
    return name


def _after(repository: Repository, chosen: Range) -> Snapshot:
    return CommitFiles(repository, chosen.after) if chosen.after else WorkingTreeFiles(repository.top)


def _state(name: str, place: FolderPlace, repository: Repository, snapshot: Snapshot, deadline: float) -> Side:
    """Return what one side shows of the environment."""
    if not is_environment_name(name) or "/" in name or "\0" in name:
        return Side()

    def open_documents(environment: Environment) -> Outlines:
        return Outlines(environment, Context(environment.base, os.environ, deadline))

    def pinned(revision: str) -> Snapshot:
        return CommitFiles(repository, commit_of(repository, revision, "the reference"))

    return StateReader(place, snapshot, open_documents, pinned).state(name)


def _missing(folder: Path, name: str, chosen: Range) -> ConfigError:
    known = environment_names(folder) if folder.is_dir() else ()
    hint = did_you_mean(name, known) or "check the environment's name and --config"
    where = "the working tree" if chosen.after is None else chosen.after[:10]
    what = f"no environment {quoted(name)} in {chosen.before[:10]} or {where}"
    return ConfigError(Problem(str(folder), what, hint))


def _write(record: Record, data: dict[str, Any], form: str) -> None:
    if form == "markdown":
        from bridge.report.review_markdown import review_markdown  # noqa: PLC0415 - start-up: only one form is used

        write_text(review_markdown(printable_data(with_hints(record, data))))
    else:
        from bridge.report.review_text import review_text  # noqa: PLC0415 - start-up

        write_report(record, data, form, review_text)
