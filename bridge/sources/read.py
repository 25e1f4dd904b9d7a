"""Reads every document once: providers side by side, within one deadline, what is temporary tried again."""

import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from bridge import errors
from bridge.config.reference import Reference
from bridge.errors import BridgeError, combine
from bridge.parallel import Batch, each
from bridge.provider import Context, Denied, Document, NotFound, Provider, ProviderError, Session, Unavailable
from bridge.sources.contract import REPORT, breach, failed
from bridge.sources.fields import located

RETRIES: Final = 2  # where a session does not carry its own
FIRST_PAUSE: Final = 0.2  # seconds; doubled for each further try
CLOSE_WAIT: Final = 2.0  # seconds that a stuck `close` may cost
ANYTHING: Final = (Exception, SystemExit)  # a provider's bug must not show what it had in hand, nor end the process
LATE: Final = Unavailable("no answer in time", hint="try again, or allow more with --timeout")


class Read(NamedTuple):
    """How one read went: "ok" or the kind of error, and the seconds that it took with all its tries."""

    provider: str
    result: str
    seconds: float


def read_documents(
    providers: Mapping[str, Provider],
    references: Iterable[Reference],
    context: Context,
    reads: list[tuple[str, str, float]] | None = None,
) -> Mapping[Reference, Document]:
    """Read each document once; raises one error that names every document that cannot be had.

    A `Read` of each is added to `reads`, also where there is an error.
    """
    answers = _answers(providers, references, context, reads)
    _raise_failures(answers)
    return {reference: answer for reference, answer in answers if isinstance(answer, Document)}


def read_present(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document | None]:
    """Read each document once; None for one that does not exist, which is yet to be written perhaps."""
    answers = _answers(providers, references, context)
    _raise_failures([(reference, answer) for reference, answer in answers if not isinstance(answer, NotFound)])
    return {reference: answer if isinstance(answer, Document) else None for reference, answer in answers}


def _answers(
    providers: Mapping[str, Provider],
    references: Iterable[Reference],
    context: Context,
    reads: list[tuple[str, str, float]] | None = None,
) -> list[tuple[Reference, Document | BridgeError]]:
    """Read all side by side. The threads only take the time of each read; what is made of it is made here."""
    wanted: dict[str, list[Reference]] = {}
    for reference in dict.fromkeys(reference.document for reference in references):
        wanted.setdefault(reference.provider, []).append(reference)
    sessions: list[Session] = []
    batches: list[Batch[Reference, tuple[Document | BridgeError, float]]] = []
    timed: list[tuple[Reference, tuple[Document | BridgeError, float]]] = []
    began = time.monotonic()
    try:
        for name, documents in wanted.items():
            session = open_session(providers[name], context._replace(known=partial(_known, context, documents)))
            if isinstance(session, BridgeError):
                timed += [(one, (session, time.monotonic() - began)) for one in documents]
                continue
            sessions.append(session)
            batches.append(Batch(partial(_timed, session, context.deadline), documents))
            batches[-1].start(providers[name].concurrency)
        for batch in batches:
            done = batch.finish(context.deadline)
            timed += [(one, done.get(one) or (LATE, time.monotonic() - began)) for one in batch.items]
    finally:
        close_sessions(sessions)
    if reads is not None:
        reads += [Read(one.provider, _kind(answer), seconds) for one, (answer, seconds) in timed]
    return [(one, answer) for one, (answer, _) in timed]


def _timed(session: Session, deadline: float, reference: Reference) -> tuple[Document | BridgeError, float]:
    began = time.monotonic()
    return read_document(session, deadline, reference), time.monotonic() - began


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


def _raise_failures(answers: Iterable[tuple[Reference, Document | BridgeError]]) -> None:
    failures = [at_reference(reference, answer) for reference, answer in answers if isinstance(answer, BridgeError)]
    if failures:
        raise combine(failures)


def _known(context: Context, documents: list[Reference]) -> frozenset[str]:
    """Return the paths of one provider's documents that an earlier run has written from, in each revision asked for."""
    known = context.known()
    new = {document.path for document in documents if str(document) not in known}
    return frozenset(document.path for document in documents) - new


def open_session(provider: Provider, context: Context) -> Session | BridgeError:
    """Open a session; whatever goes wrong is an answer too."""
    try:
        return provider.open(context)
    except BridgeError as error:
        return error
    except ANYTHING as error:
        return failed(error)


def read_document(session: Session, deadline: float, reference: Reference) -> Document | BridgeError:
    """Read one document; whatever goes wrong is an answer too."""
    try:
        return _retried(session, deadline, reference)
    except ANYTHING as error:
        return failed(error)


def _retried(session: Session, deadline: float, reference: Reference) -> Document | BridgeError:
    """Read one document, what is temporary several times; a session's own limits hold for all tries together."""
    retries = getattr(session, "retries", RETRIES)
    limit = min(deadline, time.monotonic() + getattr(session, "timeout", math.inf))
    attempt = 0
    while True:
        answer = _read_once(session, reference)
        if not isinstance(answer, Unavailable) or attempt >= retries:
            return answer
        pause = answer.retry_after or _pause(attempt)
        if time.monotonic() + pause >= limit:
            return answer
        time.sleep(pause)
        attempt += 1


def _pause(attempt: int) -> float:
    """Return seconds to wait; a part is random, so that many clients do not come back together."""
    import random  # noqa: PLC0415 - start-up

    return FIRST_PAUSE * 2.0**attempt * random.uniform(1, 1.5)  # noqa: S311


def _read_once(session: Session, reference: Reference) -> Document | BridgeError:
    try:
        answer = session.read(reference.path, reference.revision)
        wrong = breach(answer)
    except BridgeError as error:
        return error
    return ProviderError(f"the provider {wrong}", hint=REPORT) if wrong else answer


def close_sessions(sessions: Sequence[Session]) -> None:
    """Close sessions side by side; a stuck one is left behind."""
    limit = time.monotonic() + CLOSE_WAIT
    each(lambda index: _close_one(sessions[index]), range(len(sessions)), threads=len(sessions), deadline=limit)


def _close_one(session: Session) -> None:
    with contextlib.suppress(*ANYTHING):  # what was read stays right, and the error may hold a token
        session.close()


def at_reference(reference: Reference, error: BridgeError) -> BridgeError:
    """Put the reference in front of each of a provider's problems."""
    kind = errors.Unavailable if isinstance(error, errors.Unavailable) else errors.Refusal
    return kind(*(located(reference, one) for one in error.problems))
