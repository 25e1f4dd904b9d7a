"""The contract between bridge and a provider. A provider's author needs to read nothing else.

A provider is a frozen dataclass (or a NamedTuple, which is faster to import), registered in the entry-point group
`bridge.providers`. Its fields are its section under `providers:` in the environment file. It opens a session, and the
session reads whole documents. bridge picks fields, caches, retries, limits the time, runs sessions in parallel and puts
the reference in front of every error.
`bridge.testing.contract` contains the tests that every provider should pass.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Final, Protocol, runtime_checkable

from bridge.errors import Problem, Refusal
from bridge.errors import Unavailable as _Unavailable
from bridge.exact_json import DuplicateKeyError, JsonError, Node, dump_json, parse_json
from bridge.named_tuple import NamedTuple
from bridge.secret import Kind, SecretValue

__all__ = [
    "UNVERSIONED",
    "Addressed",
    "Checker",
    "Conflict",
    "Context",
    "Cures",
    "DataKey",
    "Denied",
    "Describer",
    "Discloser",
    "Document",
    "DuplicateKeyError",
    "HistoryChecker",
    "JsonError",
    "KeyTracer",
    "Kind",
    "Leaf",
    "Locator",
    "Node",
    "NotFound",
    "NumberChecker",
    "OptionError",
    "Outline",
    "Outliner",
    "PinnedChecker",
    "Preloading",
    "Problem",
    "Provider",
    "ProviderError",
    "ReadGuard",
    "Reader",
    "Rehearser",
    "Revision",
    "Rules",
    "SecretValue",
    "Session",
    "StoredVersion",
    "Unavailable",
    "Unsealer",
    "VersionLister",
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


UNVERSIONED: Final = Revision("unversioned")
"""The revision of every document in a store that keeps neither revisions nor times. `bridge plan --out` refuses it."""


class Document(NamedTuple):
    """The result of a read: mappings (several if a file contains several), or one opaque value.

    - `warnings` are shown in every run that reads the document.
    - `whole` is a mapping's text exactly as stored. If the document is wanted as one value, `whole` is used byte for
      byte, and a Writer that receives it writes it.
    - `sha256` is the hash (in hexadecimal) of an encrypted document as it was read. Leave it empty for anything else,
      because the hash of a value in clear can be guessed.
    - `time` is when the store got this revision, as RFC 3339 with an offset, or empty if that is unknown.
    """

    content: tuple[Mapping[str, Node], ...] | SecretValue
    revision: Revision
    warnings: tuple[Problem, ...] = ()
    whole: SecretValue | None = None
    sha256: str = ""
    time: str = ""


class Context(NamedTuple):
    """What a provider may know about the run.

    - `base` is the environment file's folder. Relative paths start there, and links may not lead out of it.
    - `environ` is the process's environment.
    - `deadline` is a `time.monotonic()` in seconds.
    - `dated` is true if the run limits the age of values. A session may then spend one more request on `Document.time`;
      if that request fails, the read does not.
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
class Locator(Protocol):
    """Optional, on a provider: for `bridge plan --out`, if more than the path and the server select a document."""

    def location(self, path: str, context: Context) -> Mapping[str, str]:
        """Return what selects a document, such as `address`, `namespace`, `mount` and `path`; send no request.

        It is written to a file: it must not contain a credential, nor a path that differs between machines.
        """
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


class Leaf(NamedTuple):
    """How a value is stored, as far as that is visible without a key; for a list, its items in order.

    `sealed` are ciphertexts. `clear` are values that are not encrypted; they are compared, and never shown.
    """

    sealed: tuple[bytes, ...] = ()
    clear: tuple[SecretValue, ...] = ()

    def same_as(self, other: "Leaf") -> bool:
        """Return whether two leaves are stored equally. Equal values in different ciphertexts are not."""
        if self is other:
            return True
        pairs = zip(self.clear, other.clear, strict=False)
        return (
            self.sealed == other.sealed
            and len(self.clear) == len(other.clear)
            and all(one.kind is another.kind and one.same_as(another) for one, another in pairs)
        )


class Reader(NamedTuple):
    """Who can decrypt a document: the kind of key and its name as users know it.

    With several groups, a reader has only a share of the data key, and `group` counts from 0. `wrapped` is the
    encrypted data key or share as stored, or empty if there is none.
    """

    kind: str
    id: str
    group: int = 0
    wrapped: str = ""


class Rules(NamedTuple):
    """For whom a document is encrypted, and the `settings` that say what is encrypted and how, by their own names."""

    readers: tuple[Reader, ...]
    settings: Mapping[str, str]


class Outline(NamedTuple):
    """What a document shows without a key.

    A leaf's place is the index of the mapping and the keys that lead to the value, or to the list that contains it. The
    place of a document that is one opaque value has no keys. `mac` is the encrypted checksum over the whole document,
    which an outline cannot verify, or empty.
    """

    leaves: Mapping[tuple[int, tuple[str, ...]], Leaf]
    rules: Rules
    revision: Revision
    mac: bytes = b""


@runtime_checkable
class Outliner(Protocol):
    """Optional, on a provider whose documents are files in git: for commands that review them without a key."""

    rules_file: ClassVar[str]
    """The name of the file that has the rules for new documents, in their folder or in the nearest folder above."""

    def file(self, path: str, context: Context) -> Path | None:
        """Return where the document's file would be, or None if it is not a file; raise ProviderError."""
        ...

    def outline(self, path: str, content: bytes) -> Outline:
        """Return what the content of the document's file shows without a key; raise ProviderError."""
        ...

    def rules_for(self, path: str, content: bytes) -> Rules | None:
        """Return the rules that a `rules_file` has for a new file, or None if it has none; raise ProviderError.

        `path` is relative to the folder of the `rules_file`.
        """
        ...


class Cures(NamedTuple):
    """The commands that change who can decrypt a document, with the tool of its format.

    - `exclude`: take a reader out of the rules and the document, which keeps its data key.
    - `renew`: give the document a new data key.
    - `edit`: change any value by hand.
    """

    exclude: str
    renew: str
    edit: str


@runtime_checkable
class KeyTracer(Protocol):
    """Optional, on an Outliner: for `bridge history` and `bridge offboard`, which follow documents in git."""

    def outline_in_clear(self, path: str, content: bytes) -> Outline | None:
        """Return what a document shows that was not encrypted yet, or None if the content is anything else."""
        ...

    def same_key(
        self, steps: Iterable[tuple[str, tuple[str, ...]]], versions: Mapping[str, Outline]
    ) -> Iterable[tuple[str, str]]:
        """Yield pairs of versions that are proven to have the same data key, without a key.

        A step is the id of a version and the ids of the versions before it, newest first.
        """
        ...

    def cures(self, file: str) -> Cures:
        """Return the commands for a document's file, whose name is ready for a shell."""
        ...


class DataKey(Protocol):
    """The opened data key of one version of a document. It is only compared, and used in memory."""

    def same_as(self, other: "DataKey") -> bool:
        """Return whether two data keys are equal."""
        ...

    def unseal(self, place: tuple[int, tuple[str, ...]], leaf: Leaf) -> tuple[SecretValue, ...]:
        """Return the values of a leaf at its place; ProviderError if one was not encrypted there with this key."""
        ...


@runtime_checkable
class Unsealer(Protocol):
    """Optional, on a session of a KeyTracer: for `bridge offboard --with-keys`."""

    def data_key(self, path: str, content: bytes) -> DataKey:
        """Open the data key of a version of a document; raise Denied, Unavailable or ProviderError."""
        ...


class StoredVersion(NamedTuple):
    """One version of a document in its store.

    `time` is RFC 3339, or empty if unknown; `state` is a word such as `destroyed`, or empty if it can be read.
    """

    id: str
    time: str = ""
    state: str = ""


@runtime_checkable
class VersionLister(Protocol):
    """Optional, on a session: for `bridge history --stores`."""

    def versions(self, path: str) -> Iterable[StoredVersion]:
        """Return the versions that the store still lists, newest first; raise as `read` does."""
        ...
