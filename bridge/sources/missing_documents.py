"""Tells how to create a document that its store does not have yet."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem
from bridge.provider import Context, NotFound, Provider, Writer
from bridge.sources.select import located
from bridge.sources.session import close_sessions, open_session


class Absent(Problem):
    """The problem that a document does not exist."""


def at(reference: Reference, error: BridgeError) -> Iterator[Problem]:
    """Put the reference in front of each problem of an error, and remember if the document does not exist."""
    for one in error.problems:
        found = located(reference, one)
        yield Absent(*found) if isinstance(error, NotFound) else found


@contextmanager
def hints(environment: Environment, providers: Mapping[str, Provider], context: Context) -> Iterator[None]:
    """Add to an error that passes how to create the documents that do not exist."""
    try:
        yield
    except BridgeError as error:
        error.problems = hinted(error.problems, environment, providers, context)
        raise


def hinted(
    problems: Iterable[Problem], environment: Environment, providers: Mapping[str, Provider], context: Context
) -> tuple[Problem, ...]:
    """Return the problems, with the commands that create a document where it does not exist and can be written."""
    references = {str(one.document): one.document for one in environment.references}
    return tuple(_hinted(one, references.get(one.where), environment.name, providers, context) for one in problems)


def _hinted(
    problem: Problem, reference: Reference | None, environment: str, providers: Mapping[str, Provider], context: Context
) -> Problem:
    if not isinstance(problem, Absent) or problem.hint or reference is None or reference.revision is not None:
        return problem
    provider = providers.get(reference.provider)
    if provider is None or not _is_writable(provider, context):
        return problem
    hint = f"create it: `bridge import {environment} FILE --to {reference}`, or `bridge set {environment} NAME`"
    return problem._replace(hint=hint)


def _is_writable(provider: Provider, context: Context) -> bool:
    session = open_session(provider, context)
    if isinstance(session, BridgeError):
        return False
    try:
        return isinstance(session, Writer)
    finally:
        close_sessions([session])
