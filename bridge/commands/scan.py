"""`bridge scan`: find secret values that still exist in plaintext."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.commands.arguments import environment_of, run_of
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.report import streams
from bridge.report.data import SCHEMA, problems
from bridge.report.output import write_json
from bridge.report.record import Record
from bridge.report.talk import printable, say
from bridge.run.inputs import Run, gather_secrets
from bridge.scan.files import check_path, scan_files
from bridge.scan.findings import MOST, Enough, Leak, Scan
from bridge.scan.forms import choose
from bridge.scan.repository_search import SearchedRepository, repository_of, scan_history
from bridge.scan.search import PatternSearch

HINT = "rotate it: a value that was in a file or in git may have been copied"


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the places; return 1 if there are any, or if something could not be searched."""
    environment, run_ = environment_of(args), run_of(args, record)
    paths = [Path(path) for path in args.paths]
    _check(paths, history=args.git)
    repositories = _repositories(paths or [Path()], run_) if args.git else []
    managed = gather_secrets(environment, run_)
    choice = choose(managed.secrets, managed.public)
    skipped = {**managed.skipped, **choice.skipped}
    scan = Scan(PatternSearch(choice.patterns), run_.deadline)
    whole = _search(paths, repositories, scan)
    warnings = [*managed.warnings, *scan.warnings, *_skipped(environment.name, skipped)]
    if not whole:
        warnings.append(Problem("", f"more than {MOST} places found; the rest was not searched"))
    looked_for = len({name for form in choice.patterns.values() for name in form.names})
    _report(args, _data(environment.name, scan, looked_for, skipped) | {"warnings": problems(warnings)}, record)
    say(record, "warning", warnings)
    return _judge(scan, record)


def _judge(scan: Scan, record: Record) -> int:
    """Report the errors, and return the exit status."""
    names = sorted({name for finding in scan.findings for name in finding.names})
    leaks = [Refusal(*(Problem(name, "found in plaintext", HINT) for name in names))] if names else []
    if not leaks and not scan.problems:
        return 0
    error = combine([*leaks, *scan.problems])
    say(record, "error", error.problems)
    return error.exit_status


def _check(paths: list[Path], *, history: bool) -> None:
    if not paths and not history:
        raise ConfigError(Problem("", "nothing to scan", "name files or folders, or add --git"))
    errors: list[BridgeError] = []
    for path in paths:
        try:
            check_path(path)
        except BridgeError as error:
            errors.append(error)
    if errors:
        raise combine(errors)


def _repositories(paths: list[Path], run_: Run) -> list[SearchedRepository]:
    """Return the repositories that contain the paths, without duplicates."""
    repositories = (repository_of(path, os.environ, run_.deadline) for path in paths)
    return list({repository.store: repository for repository in repositories}.values())


def _search(paths: list[Path], repositories: list[SearchedRepository], scan: Scan) -> bool:
    """Search everything; return False if so much was found that the rest was skipped."""
    try:
        with scan.step:
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
        yield Problem(environment, f"{name} is not searched for: it {reason}")


def _data(environment: str, scan: Scan, looked_for: int, skipped: dict[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": environment,
        "found": [_finding_data(finding) for finding in scan.findings],
        "looked_for": looked_for,
        "looked_at": scan.streams,
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped.items()],
        "errors": problems(problem for error in scan.problems for problem in error.problems),
    }


def _finding_data(finding: Leak) -> dict[str, Any]:
    return {
        "place": finding.place,
        "line": finding.line,
        "names": list(finding.names),
        "form": finding.form,
    }


def _report(args: argparse.Namespace, data: dict[str, Any], record: Record) -> None:
    if args.output == "json":
        write_json(record, data)
        return
    for finding in data["found"]:
        line = f"{finding['place']}:{finding['line']}: {', '.join(finding['names'])} ({finding['form']})"
        streams.report().write(f"{printable(line)}\n")
    searched = f"searched {data['looked_at']} files and objects for {data['looked_for']} values"
    result = f"{len(data['found'])} found" if data["found"] else "nothing found"
    streams.report().write(f"{data['environment']}: {searched}: {result}\n")
    streams.report().flush()
