"""The contract between bridge and a provider: all that the author of a provider has to read.

A provider is a frozen dataclass registered in the entry-point group `bridge.providers`. Its fields
are its section under `providers:` in the environment file. It opens a session, and the session reads
whole documents. bridge itself picks fields, caches, retries, bounds the time, runs sessions side by
side and puts the reference in front of every error. `bridge.testing.contract` has the tests that each
provider should pass.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

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
    """Which state of a document was read.

    `id` is what the store calls it (a version number, a time). `order` grows with each newer
    revision of the same document, or is None where the store has no order. Orders are compared within
    one `series` only: where a store counts anew once a document was removed, that is another series.
    """

    id: str
    order: int | None = None
    series: str = ""


class Document(NamedTuple):
    """What one read returns: mappings (several where a file has several), or one opaque value.

    `warnings` are told with every run that reads the document. `whole` is a mapping's text as the store keeps it: who
    takes the document as one value gets this, byte for byte, and a Writer that is given it writes it.
    """

    content: tuple[Mapping[str, Node], ...] | SecretValue
    revision: Revision
    warnings: tuple[Problem, ...] = ()
    whole: SecretValue | None = None


class Context(NamedTuple):
    """What a provider may know of the run.

    `base` is the environment file's folder: relative paths start there, and links may not lead out
    of it. `environ` is the process's environment. `deadline` is a `time.monotonic()` in seconds.
    `known` returns the paths that an earlier run has written from, in each revision that this one asks for: always
    nothing unless the provider is a ReadGuard. A session may serve several environments, so ask anew for each document.
    """

    base: Path
    environ: Mapping[str, str]
    deadline: float
    known: Callable[[], frozenset[str]] = frozenset


class ProviderError(Refusal):
    """The document cannot be had, for a reason that trying again will not change.

    `what` and `hint` are shown as they are: never a value, never a line of the document, never the
    text of an exception that may hold one. Do not raise it inside an `except` block whose exception
    may hold plaintext: Python keeps that one as the context of the new one.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(Problem("", what, hint))


class NotFound(ProviderError):
    """The document or the revision is absent, deleted or destroyed."""


class Denied(ProviderError):
    """The store knows us and refuses, or does not accept who we say we are (401, 403, no key)."""


class Conflict(ProviderError):
    """The document is not at the revision that was expected; nothing was written."""


class Unavailable(_Unavailable):
    """The store does not answer, or not now: network, 5xx, 429, sealed. `retry_after` is in seconds."""

    def __init__(self, what: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(Problem("", what, hint))
        self.retry_after = retry_after


class OptionError(Exception):
    """A field of the provider's section is wrong; raised while the provider is built."""

    def __init__(self, field: str, what: str, *, hint: str = "") -> None:
        super().__init__(field, what, hint)
        self.field = field
        self.what = what
        self.hint = hint


class Session(Protocol):
    """One run's work with a store, for one environment or for several whose sections of the file are equal.

    Where the store's own conventions set them, a session may carry `retries: int` and `timeout: float`
    (seconds); bridge obeys them within the run's deadline. Once it is closed, it may carry
    `warnings: tuple[Problem, ...]`: what it could not give back, such as a token that it may not revoke.
    """

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return the document; raises NotFound, Denied, Unavailable or ProviderError."""
        ...

    def close(self) -> None:
        """Give back what the session holds: called once, also after a failure, while a read may be stuck."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Optional, on a session, for commands that put values into a store."""

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Replace the whole document where `expect` is its latest revision (None: where there is none).

        Returns the new revision once it reads back the same. Raises Conflict where the document is at
        another revision, Denied, Unavailable or ProviderError.
        """
        ...


@runtime_checkable
class Discloser(Protocol):
    """Optional, on a session that writes, for a store whose documents may show some of their values to everybody."""

    def in_clear(self, path: str, document: Document) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the place of each value that would stand in clear if this document were written.

        A place is the index of the mapping and the keys that lead to the value, or to the list that holds it.
        """
        ...


@runtime_checkable
class Rehearser(Protocol):
    """Optional, on a session that writes, for a store that can tell before a write that it would refuse it."""

    def rehearse(self, path: str, document: Document, *, expect: Revision | None) -> None:
        """Raise what `write` would raise for the same arguments, as far as that can be told; nothing is written."""
        ...


@runtime_checkable
class Provider(Protocol):
    """A frozen dataclass. Building it checks its fields (OptionError) and does no I/O; nor does `open`."""

    concurrency: ClassVar[int]
    """How many threads may be in `read` of one session at once; 1 means never two."""

    def open(self, context: Context) -> Session:
        """Start a session."""
        ...


@runtime_checkable
class ReadGuard(Protocol):
    """Optional, on a provider whose store may have documents that reading uses up, which it has to refuse."""

    wants_known: ClassVar[bool]
    """Whether a run has to know before it reads which documents were read before: see `Context.known`.

    Such a run connects to the cluster, and reads what bridge remembers there, before it reads the sources.
    """


@runtime_checkable
class Addressed(Protocol):
    """Optional, on a provider, for the head of each report: who might get the credentials and give the values."""

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the URL of each server that is not the vendor's own; no request is sent."""
        ...


@runtime_checkable
class Checker(Protocol):
    """Optional, on a provider, for `bridge check`: what can be told without a key and without a network."""

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield what is wrong with the document, or worth a `warning`; `where` is relative to it, or empty."""
        ...

    def names(self, path: str, context: Context) -> frozenset[str] | None:
        """Return the names of the document's fields, or None where they cannot be told."""
        ...


@runtime_checkable
class PinnedChecker(Protocol):
    """Optional, on a Checker that looks into documents: the same for a reference with a revision.

    Without it, the names of such a document count as not known.
    """

    def check_at(self, path: str, revision: str, context: Context) -> Iterable[Problem]:
        """Yield what is wrong with the document as it is in that revision; raises ProviderError."""
        ...

    def names_at(self, path: str, revision: str, context: Context) -> frozenset[str] | None:
        """Return the names of its fields in that revision, or None where they cannot be told."""
        ...


@runtime_checkable
class HistoryChecker(Protocol):
    """Optional, on a Checker whose documents are files in git, for `bridge check` and `check --files` alone.

    Reading a history takes time, so commands that only ask a Checker for names do not pay for it.
    """

    def check_history(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield what earlier states of the document prove to be wrong today; nothing if they cannot be read."""
        ...


@runtime_checkable
class NumberChecker(Protocol):
    """Optional, on a Checker whose store may not keep a number as it was written: 1.10 becomes 1.1."""

    def rewritten_numbers(
        self, path: str, revision: str | None, context: Context
    ) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the place of each value that is stored as a number, as far as that shows without a key.

        A place is the index of the mapping and the keys that lead to the value, or to the list that holds it.
        """
        ...


@runtime_checkable
class Describer(Protocol):
    """Optional, on a provider that is a Checker, for `bridge check --files`."""

    def describe(self, path: str, context: Context) -> str:
        """Say in a few words what a document is, without a key or a network; raises ProviderError."""
        ...
