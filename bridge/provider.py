"""The contract between bridge and a provider. A provider's author needs to read nothing else.

A provider is a frozen dataclass (or a NamedTuple, which is faster to import), registered in the entry-point group
`bridge.providers`. Its fields are its section under `providers:` in the environment file. It opens a session, and the
session reads whole documents. bridge picks fields, caches, retries, limits the time, runs sessions in parallel and puts
the reference in front of every error.
`bridge.testing.contract` contains the tests that every provider should pass.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol, TypeAlias, runtime_checkable

from bridge.errors import Problem, Refusal
from bridge.errors import Unavailable as _Unavailable
from bridge.exact_json import DuplicateKeyError, JsonError, Node, dump_json, parse_json
from bridge.secret import Kind, SecretValue

__all__ = [
    "Addressed",
    "Checker",
    "Conflict",
    "Context",
    "Denied",
    "Describer",
    "Discloser",
    "Document",
    "DuplicateKeyError",
    "HistoryChecker",
    "JsonError",
    "Kind",
    "Node",
    "NotFound",
    "NumberChecker",
    "OptionError",
    "PinnedChecker",
    "Place",
    "Preloading",
    "Problem",
    "Provider",
    "ProviderError",
    "ReadGuard",
    "Rehearser",
    "Revision",
    "SecretValue",
    "Session",
    "Unavailable",
    "Writer",
    "dump_json",
    "parse_json",
]


class Revision(NamedTuple):
    """The state of a document that was read.

    `id` is the store's own name for it (a version number, a time). `order` grows with each newer revision of the
    document, or is None if the store has no order. Orders are compared only within one `series`: if a store restarts
    its numbers after a document was removed, a new series begins.
    """

    id: str
    order: int | None = None
    series: str = ""


Place: TypeAlias = tuple[int, tuple[str, ...]]
"""The place of a value in a document: the index of the mapping, and the keys that lead to the value.

For a value in a list, the keys lead to the list. An opaque value has the place `(0, ())`.
"""


class Document(NamedTuple):
    """The result of a read: mappings (several if a file contains several), or one opaque value.

    - `warnings` are shown in every run that reads the document.
    - `whole` is a mapping's text exactly as stored. If the document is wanted as one value, `whole` is used byte for
      byte, and a Writer that receives it writes it.
    - `time` is when the store got this revision, as RFC 3339 with an offset, or empty if that is unknown.
    - `times` is when each value last changed, if the store knows more than `time`; other values count as unknown.
    """

    content: tuple[Mapping[str, Node], ...] | SecretValue
    revision: Revision
    warnings: tuple[Problem, ...] = ()
    whole: SecretValue | None = None
    time: str = ""
    times: Mapping[Place, str] = MappingProxyType({})


class Context(NamedTuple):
    """What a provider may know about the run.

    - `base` is the environment file's folder. Relative paths start there, and links may not lead out of it.
    - `environ` is the process's environment.
    - `deadline` is a `time.monotonic()` in seconds.
    - `dated` is true if the run limits the age of values. A session may then spend one more request, or a moment, on
      finding out `Document.time` and `Document.times`; a failure of that is no failure of the read.
    - `known()` returns the paths that an earlier run applied at the requested revision; nothing unless the provider is
      a ReadGuard. A session may serve several environments, so call it again for each document.
    """

    base: Path
    environ: Mapping[str, str]
    deadline: float
    known: Callable[[], frozenset[str]] = frozenset
    dated: bool = False


class ProviderError(Refusal):
    """The document cannot be read or written, and retrying will not help.

    `what` and `hint` are shown unchanged. They must not contain a value, a line of the document, or the text of an
    exception that may contain one. Do not raise it inside an `except` block whose exception may contain plaintext,
    because Python chains that exception to the new one.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(Problem("", what, hint))


class NotFound(ProviderError):
    """The document or the revision is missing, deleted or destroyed."""


class Denied(ProviderError):
    """The store denies us access, or does not accept our credentials (401, 403, no key)."""


class Conflict(ProviderError):
    """The document is not at the expected revision; nothing was written."""


class Unavailable(_Unavailable):
    """The store cannot answer now: network, 5xx, 429, sealed. `retry_after` is in seconds."""

    def __init__(self, what: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(Problem("", what, hint))
        self.retry_after = retry_after


class OptionError(Exception):
    """A field of the provider's section is invalid; raised when the provider is constructed."""

    def __init__(self, field: str, what: str, *, hint: str = "") -> None:
        super().__init__(field, what, hint)
        self.field = field
        self.what = what
        self.hint = hint


class Session(Protocol):
    """The connection to a store during one run, for one environment or for several with equal sections in their files.

    A session may have `retries: int` and `timeout: float` (seconds) if the store's own conventions define them; bridge
    respects them within the run's deadline. Once closed, it may have `warnings: tuple[Problem, ...]` about resources
    that it could not release, such as a token that it may not revoke.
    """

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return the document; raise NotFound, Denied, Unavailable or ProviderError."""
        ...

    def close(self) -> None:
        """Release the session's resources. Called once, even after a failure, and while a read may still hang."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Optional, on a session: for commands that write values to a store."""

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Replace the whole document if `expect` is its latest revision (None if the document does not exist).

        Returns the new revision after reading it back unchanged. Raises Conflict if the document is at another
        revision, or Denied, Unavailable or ProviderError.
        """
        ...


@runtime_checkable
class Discloser(Protocol):
    """Optional, on a session that writes: for a store whose documents may contain unencrypted values."""

    def in_clear(self, path: str, document: Document) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the place of each value that would be unencrypted if this document were written.

        A place is the index of the mapping and the keys that lead to the value, or to the list that contains it.
        """
        ...


@runtime_checkable
class Rehearser(Protocol):
    """Optional, on a session that writes: for a store that can predict that it would refuse a write."""

    def rehearse(self, path: str, document: Document, *, expect: Revision | None) -> None:
        """Raise what `write` would raise for the same arguments, as far as that is known; write nothing."""
        ...


@runtime_checkable
class Provider(Protocol):
    """A frozen dataclass or NamedTuple. Constructing it checks its fields (OptionError). It and `open` do no I/O."""

    concurrency: ClassVar[int]
    """How many threads may call `read` of one session at the same time."""

    def open(self, context: Context) -> Session:
        """Start a session."""
        ...


@runtime_checkable
class ReadGuard(Protocol):
    """Optional, on a provider whose store may have documents that reading uses up, which the provider must refuse."""

    wants_known: ClassVar[bool]
    """Whether the provider asks `Context.known` which documents an earlier run read.

    If so, the run connects to the cluster and reads the state ConfigMap before it reads the sources.
    """


@runtime_checkable
class Preloading(Protocol):
    """Optional, on a provider whose reading needs large modules: they are imported while the run connects."""

    def preload(self) -> None:
        """Import what a read needs; read nothing."""
        ...


@runtime_checkable
class Addressed(Protocol):
    """Optional, on a provider: names the servers that get credentials and supply values, for each report's head."""

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the URL of each server that is not the vendor's own, without sending a request."""
        ...


@runtime_checkable
class Checker(Protocol):
    """Optional, on a provider: for `bridge check`, finds problems without a key and without the network."""

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield errors and warnings about the document; `where` is a place in the document, or empty."""
        ...

    def names(self, path: str, context: Context) -> frozenset[str] | None:
        """Return the names of the document's fields, or None if they are unknown."""
        ...


@runtime_checkable
class PinnedChecker(Protocol):
    """Optional, on a Checker that reads documents: the same for a reference with a revision.

    Without it, the names in such a document count as unknown.
    """

    def check_at(self, path: str, revision: str, context: Context) -> Iterable[Problem]:
        """Yield errors and warnings about the document in that revision; raise ProviderError."""
        ...

    def names_at(self, path: str, revision: str, context: Context) -> frozenset[str] | None:
        """Return the names of its fields in that revision, or None if they are unknown."""
        ...


@runtime_checkable
class HistoryChecker(Protocol):
    """Optional, on a Checker whose documents are files in git: only for `bridge check` and `check --files`.

    Reading a history takes time, so commands that only ask a Checker for names do not do it.
    """

    def check_history(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield the current problems that the document's history proves; nothing if the history cannot be read."""
        ...


@runtime_checkable
class NumberChecker(Protocol):
    """Optional, on a Checker whose store may change how a number is written: 1.10 becomes 1.1."""

    def rewritten_numbers(
        self, path: str, revision: str | None, context: Context
    ) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the place of each value that is stored as a number, as far as that is visible without a key.

        A place is the index of the mapping and the keys that lead to the value, or to the list that contains it.
        """
        ...


@runtime_checkable
class Describer(Protocol):
    """Optional, on a provider that is a Checker: for `bridge check --files`."""

    def describe(self, path: str, context: Context) -> str:
        """Describe a document in a few words, without a key or the network; raise ProviderError."""
        ...
