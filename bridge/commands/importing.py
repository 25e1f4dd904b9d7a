"""`bridge import`: move the values of a plaintext file into a store, and the public ones into the template."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.prompts import confirm
from bridge.config.dotenv import removal
from bridge.config.environment_edits import list_source
from bridge.config.own_template import write_values
from bridge.errors import ANYTHING, BridgeError, ConfigError, Problem, Stopped, Unavailable, ending
from bridge.git import GitPresence, seen_by_git
from bridge.importing.items import State
from bridge.importing.plaintext import PlainEntry
from bridge.importing.prepare import Import, prepare
from bridge.kustomize.read import User, users_of
from bridge.report.cluster import cluster_field
from bridge.report.data import SCHEMA, problems
from bridge.report.importing import intake_text, outcome_text
from bridge.report.output import printable_data, write_json, write_lines
from bridge.report.own_flags import with_flags
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.inputs import Run
from bridge.shell import command, word
from bridge.stores.update import Written, put, rehearse


@dataclass(eq=False)
class _Outcome:
    """The outcome of an import, always up to date. `files` are the environment's files that have been written."""

    result: str
    document: Written | None = None
    files: list[str] = field(default_factory=list)
    error: BridgeError | None = None


def run(args: argparse.Namespace, record: Record) -> int:
    """Show what goes where, ask, write, read back, and say what may be deleted."""
    _move_file_argument(args)
    environment, run_ = environment_of(args), run_of(args, record)
    file = Path(args.file) if args.file else None
    import_ = prepare(environment, run_, file, args.to, replace=args.replace)
    outcome = _Outcome("refused" if import_.intake.problems else "planned" if import_.pending else "unchanged")
    if args.output == "text":
        write_lines(intake_text(printable_data(_data(import_, outcome, args.file, record))))
    say(record, "warning", import_.warnings)
    if outcome.result == "planned" and (args.dry_run or not args.yes):
        _rehearse(import_, run_, outcome)
    if outcome.result == "planned" and not args.dry_run:
        confirm(import_.question, yes=args.yes)
        _write(args, import_, outcome, record)
    return _end(args, import_, outcome, record)


def _rehearse(import_: Import, run_: Run, outcome: _Outcome) -> None:
    """Find out what would be refused, before asking or reporting success."""
    try:
        if import_.intake.edits:
            rehearse(import_.provider, import_.scene.to, import_.intake.edits, import_.context(run_))
        list(_write_files(import_, dry_run=True))
    except BridgeError as error:
        outcome.error = error
        outcome.result = "failed" if isinstance(error, Unavailable) else "refused"


def _write_files(import_: Import, *, dry_run: bool = False) -> Iterator[str]:
    """Write the template, then the environment's file; yield each as soon as it is written."""
    environment, intake = import_.scene.environment, import_.intake
    if intake.public and import_.own:
        write_values(import_.own, environment.shown(import_.own), intake.public, dry_run=dry_run)
        yield str(import_.scene.own)
    if import_.instead:
        list_source(environment, import_.scene.to, import_.instead, dry_run=dry_run)
        yield environment.shown(environment.file)


def _move_file_argument(args: argparse.Namespace) -> None:
    """Treat a single argument as the file if $K8_ENV names the environment."""
    if args.file is None and not args.from_cluster and os.environ.get("K8_ENV"):
        args.environment, args.file = None, args.environment
    if args.from_cluster and args.file is not None:
        raise ConfigError(Problem("", "a file cannot be combined with --from-cluster", "remove one of them"))
    if not args.from_cluster and args.file is None:
        raise ConfigError(
            Problem("", "no file given", "pass a file: `bridge import ENV FILE --to REF`, or use --from-cluster")
        )


def _write(args: argparse.Namespace, import_: Import, outcome: _Outcome, record: Record) -> None:
    """Write the store first: if the run dies in between, no secret is anywhere else, and the next run continues."""
    run_ = run_of(args, record)  # its time starts now, after a person was asked
    context = import_.context(run_)
    touched: list[str] = []
    record.touched.append(touched)
    try:
        if import_.intake.edits:
            outcome.document = put(import_.provider, import_.scene.to, import_.intake.edits, context)
            touched.append(str(import_.scene.to))
        for file in _write_files(import_):
            outcome.files.append(file)
            touched.append(file)
    except ANYTHING as error:
        outcome.error = ending(error, touched=bool(touched) or isinstance(error, Stopped))
        outcome.result = "stopped" if isinstance(outcome.error, Stopped) else "failed"
    else:
        outcome.result = "written"


def _end(args: argparse.Namespace, import_: Import, outcome: _Outcome, record: Record) -> int:
    is_done = args.file and outcome.result in {"written", "unchanged"}
    seen = seen_by_git(Path(args.file)) if is_done else GitPresence(None)
    data = _data(import_, outcome, args.file, record)
    users = users_of(Path(args.file)) if is_done else ()
    is_safe = bool(is_done and import_.is_safe_elsewhere)
    is_deletable = is_safe and not import_.differences and not users
    spent = import_.spent if is_done and not is_deletable and not users else ()  # the build would lose them
    data |= {
        "deletable": is_deletable,
        "read_differently": bool(is_done and import_.differences),
        "used_by": [str(user.file) for user in users],
        "first": list(_first(import_, users, record)) if is_safe else [],
        "removable": list(spent),
        "removal": removal(Path(args.file), args.file, spent) if spent else "",
        "seen_by_git": seen.by_git,
    }
    errors = outcome.error.problems if outcome.error else import_.intake.problems
    if args.output == "json":
        write_json(record, {**data, "warnings": problems(import_.warnings), "errors": problems(errors)})
    else:
        write_lines(outcome_text(printable_data(data)))
    if seen.by_git:
        what = "this file is in git: everyone with a copy of the repository has these values"
        hint = f"rotate them, and find other copies with `bridge scan {word(import_.scene.environment.name)} --git .`"
        say(record, "warning", [Problem(args.file, what, hint)])
    elif seen.why:
        say(
            record,
            "warning",
            [Problem(args.file, f"cannot find out whether this file is in git: {seen.why}", seen.hint)],
        )
    say(record, "error", errors)
    if outcome.error:
        return outcome.error.exit_status
    return 1 if import_.intake.problems else 0


def _first(import_: Import, users: tuple[User, ...], record: Record) -> Iterator[str]:
    """Yield what has to be done before the file can be deleted: a build that uses it would fail without it."""
    for user in users:
        if user.as_patch:
            words = ["bridge", "init", import_.scene.environment.name, "--fix-kustomize", user.file.parent]
            yield with_flags(record, command(words))
        else:
            yield f"remove it from {user.file}"


def _data(import_: Import, outcome: _Outcome, file: str | None, record: Record) -> dict[str, Any]:
    document, environment = outcome.document, import_.scene.environment
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        **cluster_field(record.cluster),  # with --from-cluster
        "file": file,
        "to": str(import_.scene.to),
        "result": outcome.result,
        "values": [
            {
                "value": str(item.entry) if isinstance(item.entry, PlainEntry) else item.entry.what,
                "variable": item.variable,
                "place": "" if item.state is State.LEFT else item.place,
                "state": item.state.value,
                "reason": item.place if item.state is State.LEFT else "",
            }
            for item in import_.intake.items
        ],
        "document": {"before": document.before and document.before.id, "after": document.after.id}
        if document
        else None,
        "template": import_.scene.own if import_.scene.own in outcome.files else None,
        "listed": _listed(import_) if import_.instead else None,
    }


def _listed(import_: Import) -> dict[str, str]:
    """Return which source replaces the drafted source, and in which file."""
    environment = import_.scene.environment
    shown = environment.shown(environment.file)
    return {"file": shown, "source": str(import_.scene.to), "instead_of": str(import_.instead)}
