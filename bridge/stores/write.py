"""One write of a document in an open session: change it, compare and set, read back, report an unknown outcome."""

import time
from collections.abc import Sequence
from typing import Final, Protocol

from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Stopped
from bridge.named_tuple import NamedTuple
from bridge.provider import (
    Conflict,
    Denied,
    Discloser,
    Document,
    NotFound,
    ProviderError,
    Rehearser,
    Revision,
    Session,
    Unavailable,
    Writer,
)
from bridge.secret import SecretValue
from bridge.sources.conformance import REPORT, failed
from bridge.sources.select import MANIFEST_KEYS
from bridge.sources.session import read_document
from bridge.stores.slots import Slot, node_at, value_at, with_value

PATIENCE: Final = 30.0
"""Seconds during which a store may still return the old content after a write: Secret Manager is known to need them."""
PAUSE: Final = 0.3
AGAIN: Final = "run the command again; it starts from the current state"
HINT: Final = "add a rule for the document to .sops.yaml, or use another document"


class Edit(NamedTuple):
    """A new value for a slot, and the value seen there when that was decided; None if there was none."""

    slot: Slot
    value: SecretValue
    seen: SecretValue | None


class DocumentChange(Protocol):
    """A change to a document."""

    def applied_to(self, present: Document | None) -> Document:
        """Return the changed document.

        ProviderError if `present` is not the document that was decided on, FieldError if the change does not fit.
        """
        ...

    def holds(self, document: Document) -> bool:
        """Return whether a document already has the change."""
        ...


class Edits(NamedTuple):
    """Values for some slots; everything else in the document stays."""

    edits: Sequence[Edit]

    def applied_to(self, present: Document | None) -> Document:
        """Return the document with all the values in their slots."""
        changed = [edit.slot for edit in self.edits if not same_value(value_at(present, edit.slot), edit.seen)]
        if changed:
            names = ", ".join(slot.field or "the document" for slot in changed)
            raise ProviderError(f"{names} has changed in the meantime; nothing was written", hint=AGAIN)
        return merged(present, self.edits)

    def holds(self, document: Document) -> bool:
        """Return whether all the values are in their slots."""
        return all(same_value(value_at(document, edit.slot), edit.value) for edit in self.edits)


class Written(NamedTuple):
    """A document's revision before (None if it did not exist) and after."""

    before: Revision | None
    after: Revision


class OpenStore(Session, Writer, Protocol):
    """A session that can write."""


class Write:
    """A change that is being written to a document. `begun` is true while the outcome of a write is unknown."""

    def __init__(self, session: OpenStore, reference: Reference, change: DocumentChange, deadline: float) -> None:
        self.begun = False
        self._session = session
        self._reference = reference
        self._change = change
        self._deadline = deadline

    def run(self) -> Written:
        """Write the change. Raise Stopped if something was or may have been written, any other error if nothing was.

        After a conflict, try again once: the other change may have been to other fields.
        """
        for is_last in (False, True):
            present = self.present()
            before = present.revision if present else None
            wanted = self._change.applied_to(present)
            check_hidden(self._session, self._reference.path, present, wanted)
            self.begun = True
            answer = self._write(wanted, before)
            if isinstance(answer, Conflict) and not is_last:
                self.begun = False
                continue
            if isinstance(answer, BridgeError):
                return Written(before, self._judged(answer, before))
            self._read_back(answer)
            return Written(before, answer)
        raise AssertionError("the last try returns or raises")

    def rehearse(self) -> None:
        """Raise what `run` would raise, as far as the store can tell before it is written."""
        present = self.present()
        wanted = self._change.applied_to(present)
        check_hidden(self._session, self._reference.path, present, wanted)
        answer: BridgeError | None = None
        if isinstance(self._session, Rehearser):
            try:
                self._session.rehearse(self._reference.path, wanted, expect=present.revision if present else None)
            except BridgeError:
                raise
            except ANYTHING as error:
                answer = failed(error)
        if answer:
            raise answer

    def present(self) -> Document | None:
        """Return the current document, or None if it does not exist."""
        answer = self._read()
        if isinstance(answer, Document):
            return answer
        if isinstance(answer, NotFound):
            return None
        raise answer

    def _read(self) -> Document | BridgeError:
        return read_document(self._session, self._deadline, self._reference)

    def _write(self, wanted: Document, expect: Revision | None) -> Revision | BridgeError:
        try:
            answer: object = self._session.write(self._reference.path, wanted, expect=expect)
        except BridgeError as error:
            return error
        except ANYTHING as error:
            return failed(error)
        if isinstance(answer, Revision):
            return answer
        return ProviderError("the provider wrote but returned no Revision", hint=REPORT)

    def _judged(self, error: BridgeError, before: Revision | None) -> Revision:
        """Find out what a failed write did; raise the error if it did nothing, Stopped if that is uncertain."""
        if isinstance(error, (Conflict, Denied)):
            raise error
        now = self._read()
        current = now.revision if isinstance(now, Document) else None
        if current == before and isinstance(now, (Document, NotFound)):
            raise error
        if current and isinstance(error, Unavailable) and self._holds(now):
            return current  # only the answer was lost
        raise Stopped(*(one._replace(hint=one.hint or "check the document in the store") for one in error.problems))

    def _holds(self, now: Document | BridgeError) -> bool:
        return isinstance(now, Document) and self._change.holds(now)

    def _read_back(self, written: Revision) -> None:
        """Compare what a reader gets now; Stopped if it is not what was written, or cannot be read."""
        end = min(self._deadline, time.monotonic() + PATIENCE)
        now = self._read()
        while not self._holds(now) and _is_old(now, written) and time.monotonic() + PAUSE < end:
            time.sleep(PAUSE)
            now = self._read()
        if self._holds(now):
            return
        what = "reads back differently" if isinstance(now, Document) else f"cannot be read back: {now.problems[0].what}"
        raise Stopped(Problem("", f"revision {written.id} was written, but {what}", "check it in the store"))


def merged(document: Document | None, edits: Sequence[Edit]) -> Document:
    """Return the document with all the values in their slots; FieldError if a value does not fit."""
    for edit in edits:
        document = with_value(document, edit.slot, edit.value)
    assert document is not None, "there is something to write"
    return document


def same_value(first: SecretValue | None, second: SecretValue | None) -> bool:
    """Return whether two slots have the same value, or both have none."""
    return first is second if first is None or second is None else first.same_as(second)


def _is_old(now: Document | BridgeError, written: Revision) -> bool:
    return isinstance(now, NotFound) or (isinstance(now, Document) and now.revision != written)


def check_hidden(session: Session, path: str, present: Document | None, wanted: Document) -> None:
    """Raise ProviderError if a new value would be stored unencrypted in the document."""
    if not isinstance(session, Discloser):
        return
    exposed: list[str] | ProviderError | Unavailable
    try:
        exposed = _shown(session, path, present, wanted)
    except (ProviderError, Unavailable):
        raise
    except ANYTHING as error:
        exposed = failed(error)
    if not isinstance(exposed, list):
        raise exposed
    if exposed:
        what = f"{', '.join(exposed)} would not be encrypted by the document's rule"
        raise ProviderError(what, hint=HINT)


def _shown(session: Discloser, path: str, present: Document | None, wanted: Document) -> list[str]:
    """Name the fields. Unchanged fields are the very same nodes; an object's own manifest fields hold no values."""
    return [
        ".".join(keys)
        for index, keys in session.in_clear(path, wanted)
        if keys[0] not in MANIFEST_KEYS and node_at(present, index, keys) is not node_at(wanted, index, keys)
    ]
