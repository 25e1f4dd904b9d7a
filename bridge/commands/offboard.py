"""`bridge offboard`: list what a recipient could ever read and may still know, and the commands that cure it."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.git_files import GitFiles, read_git_files, warnings
from bridge.config.environment import Environment
from bridge.config.names import did_you_mean
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Refusal
from bridge.provider import Context, Session, Unsealer
from bridge.report.offboard import Report, offboard_data, offboard_text
from bridge.report.output import write_report
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.review.exposure import Compare, Exposed, KeyComparison, KeyVerdict, exposed, meant_by, readers, unknown
from bridge.run.inputs import Run
from bridge.sources.session import close_sessions, open_session

HEAD: Final = "the current commit and those before it, not other branches and clones"
ALL: Final = "all branches and tags of this clone, not other clones"
_MOST_NAMED: Final = 20


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the values; return 1 while any of them is open."""
    environment, run_ = environment_of(args), run_of(args, record)
    files = read_git_files(environment, run_, "--all" if args.all_refs else "HEAD")
    recipients = _recipients(environment, files, args.recipient)
    found, problems = _search(environment, files, recipients, run_, with_keys=args.with_keys)
    notes = [*warnings(files.trails), *problems, *_limits(found, with_keys=args.with_keys)]
    report = Report(environment.name, recipients, ALL if args.all_refs else HEAD, found, files.named)
    data = offboard_data(report, notes)
    write_report(record, data, args.output, offboard_text)
    say(record, "warning", notes)
    return 1 if data["open"] else 0


def _recipients(environment: Environment, files: GitFiles, text: str) -> frozenset[str]:
    """Return the recipients that the argument names; Refusal if no version of a file ever had such a recipient."""
    if not files.trails:
        hint = "offboard looks at SOPS files; list them under `sources`"
        raise Refusal(Problem(environment.name, "has no encrypted file in git", hint))
    known = readers(files.trails)
    if meant := meant_by(text, known):
        return meant
    names = [reader.id for reader in known]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    everyone = f"known recipients: {', '.join(names[:_MOST_NAMED])}{more}"
    message = "no version of its files was ever encrypted to this recipient"
    raise Refusal(Problem(environment.name, message, did_you_mean(text, names) or everyone))


def _search(
    environment: Environment, files: GitFiles, recipients: frozenset[str], run: Run, *, with_keys: bool
) -> tuple[Sequence[Exposed], Sequence[Problem]]:
    if not with_keys:
        return _exposed(files, recipients, unknown), ()
    with _sessions(environment, files, run) as sessions:
        comparison = KeyComparison(sessions)
        found = _exposed(files, recipients, comparison.compare)
    problems = [
        problem._replace(where=problem.where or environment.name, warning=True)
        for error in comparison.errors
        for problem in error.problems
    ]
    return found, tuple(dict.fromkeys(problems))


def _exposed(files: GitFiles, recipients: frozenset[str], compare: Compare) -> Sequence[Exposed]:
    return [exposed(trail, recipients, compare) for trail in files.trails]


@contextmanager
def _sessions(environment: Environment, files: GitFiles, run: Run) -> Iterator[dict[Reference, Unsealer]]:
    """Open a session for each provider that can open data keys; raise an error if one cannot be opened."""
    context = Context(environment.base, run.environ, run.deadline)
    opened: dict[str, Session] = {}
    try:
        for trail in files.trails:
            name = trail.reference.provider
            if name not in opened:
                session = open_session(files.providers[name], context)
                if isinstance(session, BridgeError):
                    raise session
                opened[name] = session
        yield {
            trail.reference: session
            for trail in files.trails
            if isinstance(session := opened[trail.reference.provider], Unsealer)
        }
    finally:
        close_sessions(list(opened.values()))


def _limits(found: Sequence[Exposed], *, with_keys: bool) -> Iterator[Problem]:
    """Yield how to learn more about values that are unknown."""
    count = sum(value.verdict is KeyVerdict.UNKNOWN for one in found for value in one.values)
    values = f"{count} value{'s' * (count != 1)}"
    if count and not with_keys:
        message = f"{values} counted as open: nothing proves without a key that a new value is in use"
        yield Problem("", message, "add --with-keys to compare them in memory", warning=True)
    elif count:
        message = f"{values} counted as open: your keys do not open every version that the recipient could read"
        yield Problem("", message, "set new values, or use a key that opens those versions", warning=True)
