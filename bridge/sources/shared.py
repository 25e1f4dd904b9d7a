"""Shares sessions and documents between the runs of many environments, by wrapping their providers."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import ClassVar, Final, Self, TypeAlias, cast

from bridge.config.reference import Reference
from bridge.errors import BridgeError
from bridge.parallel import Once
from bridge.provider import Context, Document, Provider, Session
from bridge.sources.reader import by_provider, wants_known
from bridge.sources.session import LATE, SessionStore, close_sessions

_Key: TypeAlias = tuple[str, str | None]  # a document's path and revision


class Sharing:
    """Sessions that stay open until `close`, one for all equal providers of a folder. It is thread-safe.

    A document is kept only until all announced environments have read it.
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._stores: Final[list[_SharedStore]] = []
        self._named: Final[Counter[_Key]] = Counter()  # how many environments name each document
        self.again = False

    def announce(self, providers: Mapping[str, Provider], references: Iterable[Reference], base: Path) -> None:
        """Announce that an environment is going to read these documents."""
        named: set[_Key] = set()
        for name, documents in by_provider(references).items():
            named.update(map(_key, documents))
            if name in providers:
                self._store(providers[name], base).announce(documents)
        self._named.update(named)

    def wrap(self, providers: Mapping[str, Provider], base: Path) -> Mapping[str, Provider]:
        """Return providers that share their sessions and documents with all equal providers."""
        return {
            name: cast("Provider", _SharedProvider(self._store(provider, base), provider, again=self.again))
            for name, provider in providers.items()
        }

    def anew(self) -> Self:
        """Return a view of the same sessions that reads every document again."""
        fresh = copy(self)
        fresh.again = True
        return fresh

    def documents(self, references: Iterable[Reference]) -> frozenset[str]:
        """Return the documents that may have been read for another environment, whatever their provider's name is."""
        documents = {reference.document for reference in references}
        return frozenset() if self.again else frozenset(str(one) for one in documents if self._named[_key(one)] > 1)

    def close(self) -> None:
        """Close every session, without waiting for one that hangs."""
        close_sessions([session for store in self._stores for session in store.end()])

    def _store(self, provider: Provider, base: Path) -> "_SharedStore":
        with self._lock:
            for store in self._stores:
                if store.base == base and type(store.provider) is type(provider) and store.provider == provider:
                    return store
            self._stores.append(_SharedStore(provider, base))
            return self._stores[-1]


class _SharedProvider:
    """A provider whose sessions share one session. It sends nothing before the first read."""

    def __init__(self, store: "_SharedStore", provider: Provider, *, again: bool) -> None:
        self.concurrency: Final = provider.concurrency
        self.wants_known: Final = wants_known(provider)
        self._store: Final = store
        self._again: Final = again

    def open(self, context: Context) -> "_SharedSession":
        return _SharedSession(self._store, context, again=self._again)


class _SharedSession:
    """One environment's view of a session that many share."""

    retries: ClassVar[int] = 0  # the shared session already retries

    def __init__(self, store: "_SharedStore", context: Context, *, again: bool) -> None:
        self._store: Final = store
        self._context: Final = context
        self._again: Final = again

    def read(self, path: str, revision: str | None = None) -> Document:
        answer = self._store.document((path, revision), self._context, again=self._again)
        if isinstance(answer, BridgeError):
            raise answer
        return answer

    def close(self) -> None:
        """Leave the shared session open for the other environments."""


class _SharedStore:
    """One provider's session, and the documents that are read from it."""

    def __init__(self, provider: Provider, base: Path) -> None:
        self.provider: Final = provider
        self.base: Final = base
        self._inner: SessionStore | None = None
        self._ended = False
        self._documents: Final[Once[_Key, Document | BridgeError]] = Once()
        self._lock: Final = threading.Lock()
        self._readers: Final[Counter[_Key]] = Counter()
        self._room: Final = threading.BoundedSemaphore(provider.concurrency)
        self._known: frozenset[str] = frozenset()
        self._new: frozenset[str] = frozenset()

    def announce(self, documents: Iterable[Reference]) -> None:
        """Count one more reader of each of these documents."""
        with self._lock:
            self._readers.update(map(_key, documents))

    def document(self, key: _Key, context: Context, *, again: bool) -> Document | BridgeError:
        """Return a document. The first caller reads it; it is forgotten after its last reader.

        With `again`, read it from the store once more, and keep the earlier document for its other readers.
        """
        store = self._opened(key, context)
        if store is None:
            return LATE
        if again:
            return self._read(store, key)
        answer = self._documents.get(key, lambda: self._read(store, key))
        with self._lock:
            self._readers[key] -= 1
            if self._readers[key] <= 0:
                self._documents.forget(key)
        return answer

    def known(self) -> frozenset[str]:
        """Return the paths that earlier runs applied, for all environments that read from this store."""
        with self._lock:
            return self._known - self._new

    def end(self) -> list[Session]:
        """Read nothing from now on; return the sessions to close."""
        with self._lock:
            self._ended = True
        return self._inner.end() if self._inner else []

    def _opened(self, key: _Key, context: Context) -> SessionStore | None:
        """Return the session's store, created by the first caller, or None after `end`. Remember the known paths."""
        known = context.known()
        with self._lock:
            self._known |= known
            self._new |= {key[0]} - known
            if self._inner is None and not self._ended:
                self._inner = SessionStore(self.provider, context._replace(known=self.known))
            return None if self._ended else self._inner

    def _read(self, store: SessionStore, key: _Key) -> Document | BridgeError:
        with self._room:
            return store.read(Reference("", *key))[0]


def _key(reference: Reference) -> _Key:
    return reference.path, reference.revision
