"""`bridge import`: move the values of a plaintext file into a store, and the public ones into the template."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.confirm import confirm
from bridge.commands.history import Seen, seen_by_git
from bridge.config.env_lines import removal
from bridge.config.listing import list_source
from bridge.config.own_template import write_values
from bridge.errors import ANYTHING, BridgeError, ConfigError, Problem, Stopped, Unavailable, ending
from bridge.importing.inputs import Import, prepare
from bridge.importing.items import State
from bridge.importing.plaintext import Given
from bridge.kustomize.users import User, users_of
from bridge.report.cluster import cluster_field
from bridge.report.commands import with_flags
from bridge.report.data import SCHEMA, problems
from bridge.report.importing import intake_text, outcome_text
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.report.write import printable_data, write_json, write_lines
from bridge.run.inputs import Run
from bridge.shell import command, word
from bridge.stores.update import Written, put, rehearse


@dataclass(eq=False)
class _Outcome:
    """What became of an import, right at any moment. `files` are those of the environment that are written."""

    result: str
    document: Written | None = None
    files: list[str] = field(default_factory=list)
    error: BridgeError | None = None


def run(args: argparse.Namespace, record: Record) -> int:
    """Show what goes where, ask, write, read back, and tell what may be deleted."""
    _shift(args)
    environment, run_ = environment_of(args), run_of(args, record)
    file = Path(args.file) if args.file else None
    found = prepare(environment, run_, file, args.to, replace=args.replace)
    outcome = _Outcome("refused" if found.intake.problems else "planned" if found.pending else "unchanged")
    if args.output == "text":
        write_lines(intake_text(printable_data(_data(found, outcome, args.file, record))))
    say(record, "warning", found.warnings)
    if outcome.result == "planned" and (args.dry_run or not args.yes):
        _rehearse(found, run_, outcome)
    if outcome.result == "planned" and not args.dry_run:
        confirm(found.question, yes=args.yes)
        _write(args, found, outcome, record)
    return _end(args, found, outcome, record)


def _rehearse(found: Import, run_: Run, outcome: _Outcome) -> None:
    """Find what would be refused before anybody is asked, or told that nothing is in the way."""
    try:
        if found.intake.edits:
            rehearse(found.provider, found.scene.to, found.intake.edits, found.context(run_))
        list(_write_files(found, dry_run=True))
    except BridgeError as error:
        outcome.error = error
        outcome.result = "failed" if isinstance(error, Unavailable) else "refused"


def _write_files(found: Import, *, dry_run: bool = False) -> Iterator[str]:
    """Write the template, then the environment's file; yields each as soon as it is written."""
    environment, intake = found.scene.environment, found.intake
    if intake.public and found.own:
        write_values(found.own, environment.shown(found.own), intake.public, dry_run=dry_run)
        yield str(found.scene.own)
    if found.instead:
        list_source(environment, found.scene.to, found.instead, dry_run=dry_run)
        yield environment.shown(environment.file)


def _shift(args: argparse.Namespace) -> None:
    """Take a lone argument for the file where $K8_ENV names the environment."""
    if args.file is None and not args.from_cluster and os.environ.get("K8_ENV"):
        args.environment, args.file = None, args.environment
    if args.from_cluster and args.file is not None:
        raise ConfigError(Problem("", "both a file and --from-cluster are given", "leave one of them out"))
    if not args.from_cluster and args.file is None:
        raise ConfigError(Problem("", "no file is named", "bridge import ENV FILE --to REF, or --from-cluster"))


def _write(args: argparse.Namespace, found: Import, outcome: _Outcome, record: Record) -> None:
    """Write the store first: a run that dies in between has put no secret anywhere else, and the next goes on."""
    run_ = run_of(args, record)  # its time begins now: a person was asked
    context = found.context(run_)
    touched: list[str] = []
    record.touched.append(touched)
    try:
        if found.intake.edits:
            outcome.document = put(found.provider, found.scene.to, found.intake.edits, context)
            touched.append(str(found.scene.to))
        for file in _write_files(found):
            outcome.files.append(file)
            touched.append(file)
    except ANYTHING as error:
        outcome.error = ending(error, touched=bool(touched) or isinstance(error, Stopped))
        outcome.result = "stopped" if isinstance(outcome.error, Stopped) else "failed"
    else:
        outcome.result = "written"


def _end(args: argparse.Namespace, found: Import, outcome: _Outcome, record: Record) -> int:
    is_done = args.file and outcome.result in {"written", "unchanged"}
    seen = seen_by_git(Path(args.file)) if is_done else Seen(None)
    data = _data(found, outcome, args.file, record)
    users = users_of(Path(args.file)) if is_done else ()
    is_safe = bool(is_done and found.is_safe_elsewhere)
    is_deletable = is_safe and not found.differences and not users
    spent = found.spent if is_done and not is_deletable and not users else ()  # what is built would lose them
    data |= {
        "deletable": is_deletable,
        "read_differently": bool(is_done and found.differences),
        "used_by": [str(one.file) for one in users],
        "first": list(_first(found, users, record)) if is_safe else [],
        "removable": list(spent),
        "removal": removal(Path(args.file), args.file, spent) if spent else "",
        "seen_by_git": seen.by_git,
    }
    errors = outcome.error.problems if outcome.error else found.intake.problems
    if args.output == "json":
        write_json(record, {**data, "warnings": problems(found.warnings), "errors": problems(errors)})
    else:
        write_lines(outcome_text(printable_data(data)))
    if seen.by_git:
        what = "git has seen this file: whoever has a copy of the repository has these values"
        hint = f"rotate them; `bridge scan {word(found.scene.environment.name)} --git .` shows where else they are"
        say(record, "warning", [Problem(args.file, what, hint)])
    elif seen.why:
        say(
            record,
            "warning",
            [Problem(args.file, f"git cannot tell whether it has seen this file: {seen.why}", seen.hint)],
        )
    say(record, "error", errors)
    if outcome.error:
        return outcome.error.exit_status
    return 1 if found.intake.problems else 0


def _first(found: Import, users: tuple[User, ...], record: Record) -> Iterator[str]:
    """Yield what has to be done before the file may go: a build that names it would fail without it."""
    for one in users:
        if one.as_patch:
            words = ["bridge", "init", found.scene.environment.name, "--fix-kustomize", one.file.parent]
            yield with_flags(record, command(words))
        else:
            yield f"take it out of {one.file}"


def _data(found: Import, outcome: _Outcome, file: str | None, record: Record) -> dict[str, Any]:
    document, environment = outcome.document, found.scene.environment
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        **cluster_field(record.cluster),  # with --from-cluster
        "file": file,
        "to": str(found.scene.to),
        "result": outcome.result,
        "values": [
            {
                "value": str(one.given) if isinstance(one.given, Given) else one.given.what,
                "variable": one.variable,
                "place": "" if one.state is State.LEFT else one.place,
                "state": one.state.value,
                "reason": one.place if one.state is State.LEFT else "",
            }
            for one in found.intake.items
        ],
        "document": {"before": document.before and document.before.id, "after": document.after.id}
        if document
        else None,
        "template": found.scene.own if found.scene.own in outcome.files else None,
        "listed": _listed(found) if found.instead else None,
    }


def _listed(found: Import) -> dict[str, str]:
    """Return which source takes the place of the drafted one, and in which file."""
    environment = found.scene.environment
    shown = environment.shown(environment.file)
    return {"file": shown, "source": str(found.scene.to), "instead_of": str(found.instead)}
