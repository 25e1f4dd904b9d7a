"""Reads every document once: providers side by side, within one deadline, what is temporary tried again."""

import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from bridge import errors
from bridge.config.reference import Reference
from bridge.errors import BridgeError, combine
from bridge.parallel import Batch, each
from bridge.provider import Context, Document, NotFound, Provider, ProviderError, Session, Unavailable
from bridge.sources.contract import REPORT, breach, failed
from bridge.sources.fields import located

RETRIES: Final = 2  # where a session does not carry its own
FIRST_PAUSE: Final = 0.2  # seconds; doubled for each further try
CLOSE_WAIT: Final = 2.0  # seconds that a stuck `close` may cost
ANYTHING: Final = (Exception, SystemExit)  # a provider's bug must not show what it had in hand, nor end the process
LATE: Final = Unavailable("no answer in time", hint="try again, or allow more with --timeout")


def read_documents(
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> Mapping[Reference, Document]:
    """Read each document once; raises one error that names every document that cannot be had."""
    answers = _answers(providers, references, context)
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
    providers: Mapping[str, Provider], references: Iterable[Reference], context: Context
) -> list[tuple[Reference, Document | BridgeError]]:
    wanted: dict[str, list[Reference]] = {}
    for reference in dict.fromkeys(reference.document for reference in references):
        wanted.setdefault(reference.provider, []).append(reference)
    sessions: list[Session] = []
    batches: list[Batch[Reference, Document | BridgeError]] = []
    answers: list[tuple[Reference, Document | BridgeError]] = []
    try:
        for name, documents in wanted.items():
            session = open_session(providers[name], context._replace(known=partial(_known, context, documents)))
            if isinstance(session, BridgeError):
                answers += [(one, session) for one in documents]
                continue
            sessions.append(session)
            batches.append(Batch(partial(read_document, session, context.deadline), documents))
            batches[-1].start(providers[name].concurrency)
        answers += [(one, batch.finish(context.deadline).get(one, LATE)) for batch in batches for one in batch.items]
    finally:
        close_sessions(sessions)
    return answers


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
