"""Opens, reads and closes a session with a store, and retries temporary failures. Errors are returned, not raised."""

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Sequence
from typing import Final

from bridge import late_warnings
from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal
from bridge.parallel import Once, each
from bridge.provider import Context, Document, Provider, ProviderError, Session, Unavailable
from bridge.sources.addresses import untrusted
from bridge.sources.conformance import REPORT, breach, failed

RETRIES: Final = 2  # unless the session has its own
FIRST_PAUSE: Final = 0.2  # seconds; doubled for each further attempt
CLOSE_WAIT: Final = 2.0  # seconds to wait for `close`
LATE: Final = Unavailable("no answer in time", hint="try again, or raise --timeout")


def open_session(provider: Provider, context: Context) -> Session | BridgeError:
    """Open a session, or return the error."""
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
    """Read one document, or return the error; with `again`, retry temporary failures.

    A session's own limits apply to all attempts together.
    """
    try:
        retries, limit = _patience(session, deadline) if again else (0, deadline)
        for attempt in itertools.count():
            try:
                answer: Document | BridgeError = _checked(session.read(reference.path, reference.revision))
            except BridgeError as error:
                answer = error.with_traceback(None)  # the traceback keeps this frame, which keeps the error
            if not isinstance(answer, Unavailable) or attempt >= retries:
                break
            pause = answer.retry_after or _pause(attempt)
            if time.monotonic() + pause >= limit:
                break
            time.sleep(pause)
    except ANYTHING as error:
        return failed(error)
    return answer


def _patience(session: Session, deadline: float) -> tuple[int, float]:
    """Return how many retries a session wants, and until when (a `time.monotonic()` value)."""
    limit = min(deadline, time.monotonic() + getattr(session, "timeout", math.inf))
    return getattr(session, "retries", RETRIES), limit


def _pause(attempt: int) -> float:
    """Return how many seconds to wait, partly random so that many clients do not retry at the same time."""
    import random  # noqa: PLC0415 - start-up

    return FIRST_PAUSE * 2.0**attempt * random.uniform(1, 1.5)  # noqa: S311


def _checked(answer: Document) -> Document | ProviderError:
    """Return an answer of `read` if it meets the contract, else the error."""
    wrong = breach(answer)
    return ProviderError(f"the provider {wrong}", hint=REPORT) if wrong else answer


class SessionStore:
    """One provider's session, opened by the first thread that reads from it. Errors are returned, not raised."""

    def __init__(self, provider: Provider, context: Context) -> None:
        self._provider: Final = provider
        self._context: Final = context
        self._session: Final[Once[None, Session | BridgeError]] = Once()
        self._lock: Final = threading.Lock()
        self._opened: Session | None = None
        self._closed = False
        self._down = False

    def read(self, reference: Reference) -> tuple[Document | BridgeError, float]:
        """Read one document; return it or the error, and the seconds that this took including retries."""
        began = time.monotonic()
        session = self._session.get(None, self._open)
        if isinstance(session, BridgeError):
            return session, time.monotonic() - began
        # If the store was down for the last document despite retries, do not retry for the next one.
        answer = read_document(session, self._context.deadline, reference, again=not self._down)
        self._down = isinstance(answer, Unavailable)
        return answer, time.monotonic() - began

    def end(self) -> list[Session]:
        """Open nothing from now on; return the sessions to close."""
        with self._lock:
            self._closed = True
            return [] if self._opened is None else [self._opened]

    def _open(self) -> Session | BridgeError:
        session = open_session(self._provider, self._context)
        if isinstance(session, BridgeError):
            return session
        with self._lock:
            if not self._closed:
                self._opened = session
                return session
        close_sessions([session])
        return LATE


def close_sessions(sessions: Sequence[Session]) -> None:
    """Close sessions in parallel, without waiting for one that hangs. Their warnings are reported later."""
    limit = time.monotonic() + CLOSE_WAIT
    each(lambda index: _close_one(sessions[index]), range(len(sessions)), threads=len(sessions), deadline=limit)
    late_warnings.add(warning for session in sessions for warning in _warnings(session))


def _warnings(session: Session) -> Sequence[Problem]:
    """Return a closed session's warnings, or none if they break the contract."""
    with contextlib.suppress(*ANYTHING):
        warnings = getattr(session, "warnings", ())
        return [warning for warning in warnings if isinstance(warning, Problem)] if isinstance(warnings, tuple) else []
    return []


def _close_one(session: Session) -> None:
    with contextlib.suppress(*ANYTHING):  # the documents are still valid, and the error may contain a token
        session.close()
