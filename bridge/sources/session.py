"""One session with a store: opened, read from with what is temporary tried again, and closed; nothing is raised."""

import contextlib
import math
import time
from collections.abc import Sequence
from typing import Final

from bridge import late_warnings
from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal
from bridge.parallel import each
from bridge.provider import Context, Document, Provider, ProviderError, Session, Unavailable
from bridge.sources.addresses import untrusted
from bridge.sources.conformance import REPORT, breach, failed

RETRIES: Final = 2  # where a session does not carry its own
FIRST_PAUSE: Final = 0.2  # seconds; doubled for each further try
CLOSE_WAIT: Final = 2.0  # seconds that a stuck `close` may cost
LATE: Final = Unavailable("no answer in time", hint="try again, or allow more with --timeout")


def open_session(provider: Provider, context: Context) -> Session | BridgeError:
    """Open a session; whatever goes wrong is an answer too."""
    try:
        if refused := untrusted(provider, context):
            return Refusal(*refused)
        return provider.open(context)
    except BridgeError as error:
        return error
    except ANYTHING as error:
        return failed(error)


def read_document(
    session: Session, deadline: float, reference: Reference, *, again: bool = True
) -> Document | BridgeError:
    """Read one document, `again` after what is temporary; whatever goes wrong is an answer too."""
    try:
        return _retried(session, deadline, reference) if again else _read_once(session, reference)
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
    """Close sessions side by side; a stuck one is left behind. What they could not give back is told later."""
    limit = time.monotonic() + CLOSE_WAIT
    each(lambda index: _close_one(sessions[index]), range(len(sessions)), threads=len(sessions), deadline=limit)
    late_warnings.add(warning for one in sessions for warning in _left_by(one))


def _left_by(session: Session) -> Sequence[Problem]:
    """Return a closed session's warnings; what is none of the contract's is no reason to fail."""
    with contextlib.suppress(*ANYTHING):
        given = getattr(session, "warnings", ())
        return [one for one in given if isinstance(one, Problem)] if isinstance(given, tuple) else []
    return []


def _close_one(session: Session) -> None:
    with contextlib.suppress(*ANYTHING):  # what was read stays right, and the error may hold a token
        session.close()
