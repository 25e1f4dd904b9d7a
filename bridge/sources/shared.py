"""One provider's session and the documents that are read in it, shared by all environments that have the same."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

from bridge.config.reference import Reference
from bridge.errors import BridgeError
from bridge.parallel import Once
from bridge.provider import Context, Document, Provider, Session, Unavailable
from bridge.sources.session import LATE, close_sessions, open_session, read_document

_Key: TypeAlias = tuple[str, str | None]  # a document's path and revision


class SharedStore:
    """One provider's session and the documents that are read in it."""

    def __init__(self, provider: Provider, base: Path) -> None:
        self.provider: Final = provider
        self.base: Final = base
        self.known: Final = Known()
        self._opened: Session | None = None
        self._closed = False
        self._session: Final[Once[None, Session | BridgeError]] = Once()
        self._documents: Final[Once[_Key, Document | BridgeError]] = Once()
        self._lock: Final = threading.Lock()
        self._readers: Final[Counter[_Key]] = Counter()
        self._room: Final = threading.BoundedSemaphore(provider.concurrency)
        self._down = False

    def announce(self, documents: Iterable[Reference]) -> None:
        """Say that these documents are going to be read, once more than was said before."""
        with self._lock:
            self._readers.update((one.path, one.revision) for one in documents)

    def document(self, context: Context, reference: Reference) -> Document | BridgeError:
        """Return a document, read by whoever comes first, and forget it after its last reader."""
        session = self._session.get(None, lambda: self._open(context))
        if isinstance(session, BridgeError):
            return session
        key = (reference.path, reference.revision)
        answer = self._documents.get(key, lambda: self._read(session, context.deadline, reference))
        with self._lock:
            self._readers[key] -= 1
            if self._readers[key] <= 0:
                self._documents.forget(key)
        return answer

    def document_again(self, context: Context, reference: Reference) -> Document | BridgeError:
        """Return a document as the store has it now; one that is here stays for its other readers."""
        session = self._session.get(None, lambda: self._open(context))
        return session if isinstance(session, BridgeError) else self._read(session, context.deadline, reference)

    def close(self) -> list[Session]:
        """Open nothing any more; return what is to be closed."""
        with self._lock:
            self._closed = True
            return [] if self._opened is None else [self._opened]

    def _open(self, context: Context) -> Session | BridgeError:
        session = open_session(self.provider, context._replace(known=self.known))
        if isinstance(session, BridgeError):
            return session
        with self._lock:
            if not self._closed:
                self._opened = session
                return session
        close_sessions([session])
        return LATE

    def _read(self, session: Session, deadline: float, reference: Reference) -> Document | BridgeError:
        with self._room:
            # Where a store was just down after all its tries, the next document need not prove it as long.
            answer = read_document(session, deadline, reference, again=not self._down)
            self._down = isinstance(answer, Unavailable)
        return answer


class Known:
    """The paths that earlier runs of all environments which read in a session have written from."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._asks: Final[list[Callable[[], tuple[frozenset[str], frozenset[str]]]]] = []
        self._known: frozenset[str] = frozenset()
        self._new: frozenset[str] = frozenset()

    def add(self, ask: Callable[[], tuple[frozenset[str], frozenset[str]]]) -> None:
        """Add an environment, which is asked when a provider wants to know."""
        with self._lock:
            self._asks.append(ask)

    def __call__(self) -> frozenset[str]:
        """Return the paths, after asking those that were not asked yet."""
        with self._lock:
            while self._asks:
                known, new = self._asks.pop()()
                self._known, self._new = self._known | known, self._new | new
            return self._known - self._new
