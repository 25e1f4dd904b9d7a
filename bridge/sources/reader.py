"""Reads every document once: providers side by side, within one deadline."""

import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from bridge import errors
from bridge.config.reference import Reference
from bridge.errors import BridgeError, combine
from bridge.parallel import Batch
from bridge.provider import Context, Denied, Document, NotFound, Provider, ReadGuard
from bridge.sources import missing_documents
from bridge.sources.session import LATE, SessionStore, close_sessions

Reads: TypeAlias = list[tuple[str, str, float]]  # a `Read` of each
Answers: TypeAlias = Mapping[Reference, Document | BridgeError]

NOT_READ: Final[frozenset[str]] = frozenset()


class Read(NamedTuple):
    """How one read went: "ok" or the kind of error, and the seconds that it took with all its tries."""

    provider: str
    result: str
    seconds: float


def read_documents(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document]:
    """Read each document once; raises one error that names every document that cannot be had."""
    return documents_in(read_each(providers, references, context))


def read_present(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document | None]:
    """Read each document once; None for one that does not exist, which is yet to be written perhaps."""
    answers = read_each(providers, references, context)
    documents_in({one: answer for one, answer in answers.items() if not isinstance(answer, NotFound)})
    return {one: answer if isinstance(answer, Document) else None for one, answer in answers.items()}


def read_each(
    providers: Mapping[str, Provider],
    references: Iterable[Reference],
    context: Context,
    known: frozenset[str] = NOT_READ,
    reads: Reads | None = None,
) -> Answers:
    """Read each document once, and return it, or why it cannot be had.

    `known` are the references that an earlier run has written from. A `Read` of each is added to `reads`.
    """
    stores: list[SessionStore] = []
    batches: list[Batch[Reference, tuple[Document | BridgeError, float]]] = []
    began = time.monotonic()
    timed: dict[Reference, tuple[Document | BridgeError, float]] = {}
    try:
        for name, documents in by_provider(references).items():
            store = SessionStore(providers[name], _knowing(providers[name], context, documents, known))
            stores.append(store)
            batches.append(Batch(store.read, documents))
            batches[-1].start(providers[name].concurrency)
        for batch in batches:
            done = batch.finish(context.deadline)
            timed |= {one: done.get(one) or (LATE, time.monotonic() - began) for one in batch.items}
    finally:
        close_sessions([session for store in stores for session in store.end()])
    if reads is not None:
        reads += [Read(one.provider, _kind(answer), seconds) for one, (answer, seconds) in timed.items()]
    return {one: answer for one, (answer, _) in timed.items()}


def documents_in(answers: Answers) -> Mapping[Reference, Document]:
    """Return the documents; raises one error that names every document that cannot be had."""
    failures = [at_reference(one, answer) for one, answer in answers.items() if isinstance(answer, BridgeError)]
    if failures:
        raise combine(failures)
    return {one: answer for one, answer in answers.items() if isinstance(answer, Document)}


def _kind(answer: Document | BridgeError) -> str:
    match answer:
        case Document():
            return "ok"
        case NotFound():
            return "not_found"
        case Denied():
            return "denied"
        case errors.Unavailable():
            return "unavailable"
        case _:
            return "other"


def by_provider(references: Iterable[Reference]) -> Mapping[str, list[Reference]]:
    """Return the documents of each provider, each document once."""
    found: dict[str, list[Reference]] = {}
    for reference in dict.fromkeys(reference.document for reference in references):
        found.setdefault(reference.provider, []).append(reference)
    return found


def _knowing(provider: Provider, context: Context, documents: Iterable[Reference], known: frozenset[str]) -> Context:
    """Let a provider that wants to know see which paths were written from, in every revision that is asked for."""
    if not wants_known(provider):
        return context
    listed = list(documents)
    new = {one.path for one in listed if str(one) not in known}
    paths = frozenset(one.path for one in listed) - new
    return context._replace(known=lambda: paths)


def wants_known(provider: Provider) -> bool:
    """Return whether a provider asks which of its documents an earlier run has written from."""
    return isinstance(provider, ReadGuard) and provider.wants_known


def at_reference(reference: Reference, error: BridgeError) -> BridgeError:
    """Put the reference in front of each of a provider's problems."""
    kind = errors.Unavailable if isinstance(error, errors.Unavailable) or errors.shortage(error) else errors.Refusal
    return kind(*missing_documents.at(reference, error))
