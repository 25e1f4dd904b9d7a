"""`bridge scan`: looks for secret values that still lie about in clear."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.report import streams
from bridge.report.data import SCHEMA, problems
from bridge.report.record import Record
from bridge.report.talk import printable, say
from bridge.report.write import write_json
from bridge.run.inputs import Run, gather_secrets
from bridge.scan.files import check_path, scan_files
from bridge.scan.findings import MOST, Enough, Finding, Scan
from bridge.scan.forms import choose
from bridge.scan.git import Repository, repository_of
from bridge.scan.history import scan_history
from bridge.scan.search import Search

HINT = "replace it at its source: what was in a file or in git may have been copied"


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the places; 1 where there is one, or where something could not be looked at."""
    environment, run_ = environment_of(args), run_of(args, record)
    paths = [Path(path) for path in args.paths]
    _check(paths, history=args.git)
    repositories = _repositories(paths or [Path()], run_) if args.git else []
    managed = gather_secrets(environment, run_)
    choice = choose(managed.secrets, managed.public)
    skipped = {**managed.skipped, **choice.skipped}
    scan = Scan(Search(choice.patterns), run_.deadline)
    whole = _look(paths, repositories, scan)
    warnings = [*managed.warnings, *scan.warnings, *_skipped(environment.name, skipped)]
    if not whole:
        warnings.append(Problem("", f"more than {MOST} places: the rest was not looked at"))
    looked_for = len({name for form in choice.patterns.values() for name in form.names})
    _report(args, _data(environment.name, scan, looked_for, skipped) | {"warnings": problems(warnings)}, record)
    say(record, "warning", warnings)
    return _judge(scan, record)


def _judge(scan: Scan, record: Record) -> int:
    """Say what is wrong, and return the exit status."""
    names = sorted({name for one in scan.findings for name in one.names})
    found = [Refusal(*(Problem(name, "lies about in clear", HINT) for name in names))] if names else []
    if not found and not scan.problems:
        return 0
    error = combine([*found, *scan.problems])
    say(record, "error", error.problems)
    return error.exit_status


def _check(paths: list[Path], *, history: bool) -> None:
    if not paths and not history:
        raise ConfigError(Problem("", "nothing to scan", "name files or folders, or --git"))
    errors: list[BridgeError] = []
    for path in paths:
        try:
            check_path(path)
        except BridgeError as error:
            errors.append(error)
    if errors:
        raise combine(errors)


def _repositories(paths: list[Path], run_: Run) -> list[Repository]:
    """Return the repositories that hold the paths, each once."""
    found = (repository_of(path, os.environ, run_.deadline) for path in paths)
    return list({one.store: one for one in found}.values())


def _look(paths: list[Path], repositories: list[Repository], scan: Scan) -> bool:
    """Look everywhere; False where so much was found that the rest was left."""
    try:
        for path in paths:
            scan_files(path, scan)
        for repository in repositories:
            scan_history(repository, scan)
    except Enough:
        return False
    except BridgeError as error:
        scan.problems.append(error)
    return True


def _skipped(environment: str, skipped: dict[str, str]) -> Iterator[Problem]:
    for name, reason in skipped.items():
        yield Problem(environment, f"{name} is not looked for: it {reason}")


def _data(environment: str, scan: Scan, looked_for: int, skipped: dict[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": environment,
        "found": [_finding(one) for one in scan.findings],
        "looked_for": looked_for,
        "looked_at": scan.streams,
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped.items()],
        "errors": problems(problem for error in scan.problems for problem in error.problems),
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {"place": one.place, "line": one.line, "names": list(one.names), "form": one.form}


def _report(args: argparse.Namespace, data: dict[str, Any], record: Record) -> None:
    if args.output == "json":
        write_json(record, data)
        return
    for one in data["found"]:
        line = f"{one['place']}:{one['line']}: {', '.join(one['names'])} ({one['form']})"
        streams.report().write(f"{printable(line)}\n")
    done = f"{data['looked_for']} values looked for in {data['looked_at']} files and objects"
    found = f"{len(data['found'])} found" if data["found"] else "nothing found"
    streams.report().write(f"{data['environment']}: {done}: {found}\n")
    streams.report().flush()
