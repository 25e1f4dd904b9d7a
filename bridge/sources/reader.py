"""Reads every document once, from all providers in parallel, within one deadline."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from bridge import errors
from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, combine
from bridge.named_tuple import NamedTuple
from bridge.parallel import Batch
from bridge.progress import ProgressStep
from bridge.provider import Context, Denied, Document, Locator, NotFound, Preloading, Provider, ReadGuard
from bridge.sources import missing_documents
from bridge.sources.conformance import failed
from bridge.sources.session import LATE, SessionStore, close_sessions

Reads: TypeAlias = list[tuple[str, str, float]]  # one `Read` for each document
Answers: TypeAlias = Mapping[Reference, Document | BridgeError]

NOT_READ: Final[frozenset[str]] = frozenset()


class Read(NamedTuple):
    """The outcome of a read: "ok" or the kind of error, and the seconds that it took including retries."""

    provider: str
    result: str
    seconds: float


def preload(providers: Iterable[Provider]) -> None:
    """Import what reading needs, while connections are being made. Reading reports what cannot be imported."""
    for provider in providers:
        if isinstance(provider, Preloading):
            with suppress(ImportError):
                provider.preload()


def read_documents(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document]:
    """Read each document once; raise one error that names every document that cannot be read."""
    return documents_in(read_each(providers, references, context))


def read_present(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document | None]:
    """Read each document once; a document that does not exist yet is None."""
    answers = read_each(providers, references, context)
    documents_in({reference: answer for reference, answer in answers.items() if not isinstance(answer, NotFound)})
    return {reference: answer if isinstance(answer, Document) else None for reference, answer in answers.items()}


def read_each(
    providers: Mapping[str, Provider],
    references: Iterable[Reference],
    context: Context,
    known: frozenset[str] = NOT_READ,
    reads: Reads | None = None,
) -> Answers:
    """Read each document once; return each document or its error.

    `known` are the references that an earlier run applied. A `Read` for each document is added to `reads`.
    """
    stores: list[SessionStore] = []
    batches: list[Batch[Reference, tuple[Document | BridgeError, float]]] = []
    began = time.monotonic()
    timed: dict[Reference, tuple[Document | BridgeError, float]] = {}
    grouped = by_provider(references)
    try:
        for name, documents in grouped.items():
            store = SessionStore(providers[name], _knowing(providers[name], context, documents, known))
            stores.append(store)
            batches.append(Batch(store.read, documents))
            batches[-1].start(providers[name].concurrency)
        with ProgressStep("reading {} of {} documents", sum(map(len, grouped.values()))) as step:
            for batch in batches:
                done = batch.finish(context.deadline, step)
                timed |= {item: done.get(item) or (LATE, time.monotonic() - began) for item in batch.items}
    finally:
        close_sessions([session for store in stores for session in store.end()])
    if reads is not None:
        reads += [Read(item.provider, _kind(answer), seconds) for item, (answer, seconds) in timed.items()]
    return {reference: answer for reference, (answer, _) in timed.items()}


def documents_in(answers: Answers) -> Mapping[Reference, Document]:
    """Return the documents; raise one error that names every document that cannot be read."""
    failures = [at_reference(each, answer) for each, answer in answers.items() if isinstance(answer, BridgeError)]
    if failures:
        raise combine(failures)
    return {reference: answer for reference, answer in answers.items() if isinstance(answer, Document)}


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
    grouped: dict[str, list[Reference]] = {}
    for reference in dict.fromkeys(reference.document for reference in references):
        grouped.setdefault(reference.provider, []).append(reference)
    return grouped


def _knowing(provider: Provider, context: Context, documents: Iterable[Reference], known: frozenset[str]) -> Context:
    """Add the paths whose requested revisions were all applied by an earlier run, if the provider wants them."""
    if not wants_known(provider):
        return context
    listed = list(documents)
    new = {one.path for one in listed if str(one) not in known}
    paths = frozenset(one.path for one in listed) - new
    return context._replace(known=lambda: paths)


def wants_known(provider: Provider) -> bool:
    """Return whether a provider wants to know which of its documents an earlier run applied."""
    return isinstance(provider, ReadGuard) and provider.wants_known


def at_reference(reference: Reference, error: BridgeError) -> BridgeError:
    """Put the reference in front of each of a provider's problems."""
    kind = errors.Unavailable if isinstance(error, errors.Unavailable) or errors.shortage(error) else errors.Refusal
    return kind(*missing_documents.at(reference, error))


def location(provider: Provider, reference: Reference, context: Context) -> Mapping[str, str]:
    """Return what selects a document, as its provider says, else only its path; BridgeError if the provider fails."""
    if not isinstance(provider, Locator):
        return {"path": reference.path}
    try:
        return {str(part): str(text) for part, text in provider.location(reference.path, context).items()}
    except BridgeError as error:
        failure = error
    except ANYTHING as error:  # a provider's exception may contain anything
        failure = failed(error)
    raise at_reference(reference, failure)
