"""Reads every document once: providers side by side, within one deadline, for one environment or for many."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from bridge import errors
from bridge.config.reference import Reference
from bridge.errors import BridgeError, combine
from bridge.parallel import Batch
from bridge.provider import Context, Denied, Document, NotFound, Provider
from bridge.sources import missing_documents
from bridge.sources.session import LATE, close_sessions
from bridge.sources.shared import SharedStore

Reads: TypeAlias = list[tuple[str, str, float]]  # a `Read` of each
Reader: TypeAlias = Callable[
    [Mapping[str, Provider], Iterable[Reference], Context, Reads | None], Mapping[Reference, Document]
]


class Read(NamedTuple):
    """How one read went: "ok" or the kind of error, and the seconds that it took with all its tries."""

    provider: str
    result: str
    seconds: float


def read_documents(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context, reads: Reads | None = None
) -> Mapping[Reference, Document]:
    """Read each document once; raises one error that names every document that cannot be had.

    A `Read` of each is added to `reads`, also where there is an error.
    """
    with closing(Sessions()) as sessions:
        return sessions.read(providers, references, context, reads)


def read_present(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document | None]:
    """Read each document once; None for one that does not exist, which is yet to be written perhaps."""
    with closing(Sessions()) as sessions:
        answers = sessions.answers(providers, references, context)
    _raise_failures([(reference, answer) for reference, answer in answers if not isinstance(answer, NotFound)])
    return {reference: answer if isinstance(answer, Document) else None for reference, answer in answers}


class Sessions:
    """Sessions that last until `close`, one for all equal providers of a folder. For any number of threads.

    A document is kept only as long as environments that were announced have not read it yet.
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._stores: Final[list[SharedStore]] = []

    def announce(self, providers: Mapping[str, Provider], references: Iterable[Reference], base: Path) -> None:
        """Say that an environment is going to read these documents."""
        for name, documents in _by_provider(references).items():
            if name in providers:
                self._store(providers[name], base).announce(documents)

    def read(
        self,
        providers: Mapping[str, Provider],
        references: Iterable[Reference],
        context: Context,
        reads: Reads | None = None,
        *,
        again: bool = False,
    ) -> Mapping[Reference, Document]:
        """Read each document, unless it is here; raises one error that names every document that cannot be had.

        If it is to be read `again`, what is here does not count.
        """
        answers = self.answers(providers, references, context, reads, again=again)
        _raise_failures(answers)
        return {reference: answer for reference, answer in answers if isinstance(answer, Document)}

    def answers(
        self,
        providers: Mapping[str, Provider],
        references: Iterable[Reference],
        context: Context,
        reads: Reads | None = None,
        *,
        again: bool = False,
    ) -> list[tuple[Reference, Document | BridgeError]]:
        """Return each document, or why it cannot be had. The threads only take the time of each read."""
        batches: list[Batch[Reference, tuple[Document | BridgeError, float]]] = []
        began = time.monotonic()
        for name, documents in _by_provider(references).items():
            store = self._store(providers[name], context.base)
            store.known.add(partial(_known, context, documents))
            batches.append(Batch(partial(_timed, store, context, again=again), documents))
            batches[-1].start(providers[name].concurrency)
        timed: list[tuple[Reference, tuple[Document | BridgeError, float]]] = []
        for batch in batches:
            done = batch.finish(context.deadline)
            timed += [(one, done.get(one) or (LATE, time.monotonic() - began)) for one in batch.items]
        if reads is not None:
            reads += [Read(one.provider, _kind(answer), seconds) for one, (answer, seconds) in timed]
        return [(one, answer) for one, (answer, _) in timed]

    def close(self) -> None:
        """Close every session; what is stuck is left behind."""
        close_sessions([session for store in self._stores for session in store.close()])

    def _store(self, provider: Provider, base: Path) -> "SharedStore":
        with self._lock:
            for store in self._stores:
                if store.base == base and type(store.provider) is type(provider) and store.provider == provider:
                    return store
            self._stores.append(SharedStore(provider, base))
            return self._stores[-1]


def _timed(
    store: SharedStore, context: Context, reference: Reference, *, again: bool
) -> tuple[Document | BridgeError, float]:
    began = time.monotonic()
    answer = store.document_again(context, reference) if again else store.document(context, reference)
    return answer, time.monotonic() - began


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


def _by_provider(references: Iterable[Reference]) -> Mapping[str, list[Reference]]:
    found: dict[str, list[Reference]] = {}
    for reference in dict.fromkeys(reference.document for reference in references):
        found.setdefault(reference.provider, []).append(reference)
    return found


def _known(context: Context, documents: list[Reference]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the paths of one environment's documents that an earlier run has written from, and those that are new.

    A path is known where every revision of it that is asked for is.
    """
    known = context.known()
    new = frozenset(document.path for document in documents if str(document) not in known)
    return frozenset(document.path for document in documents) - new, new


def _raise_failures(answers: Iterable[tuple[Reference, Document | BridgeError]]) -> None:
    failures = [at_reference(reference, answer) for reference, answer in answers if isinstance(answer, BridgeError)]
    if failures:
        raise combine(failures)


def at_reference(reference: Reference, error: BridgeError) -> BridgeError:
    """Put the reference in front of each of a provider's problems."""
    kind = errors.Unavailable if isinstance(error, errors.Unavailable) or errors.shortage(error) else errors.Refusal
    return kind(*missing_documents.at(reference, error))
