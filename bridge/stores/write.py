"""One write of one document in an open session: change, check and set, read back, and tell what is not known."""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Stopped
from bridge.provider import (
    Conflict,
    Denied,
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
from bridge.sources.session import read_document
from bridge.stores.disclosure import check_hidden
from bridge.stores.slots import Slot, value_at, with_value

PATIENCE: Final = 30.0
"""Seconds in which a store may still show what was there before a write: what Secret Manager is known to take."""
PAUSE: Final = 0.3
AGAIN: Final = "run it again: it sees what is there"


class Edit(NamedTuple):
    """A value for a place, and what stood there when that was decided: None is nothing."""

    slot: Slot
    value: SecretValue
    seen: SecretValue | None


class Change(Protocol):
    """What is to become of a document."""

    def made(self, present: Document | None) -> Document:
        """Return the document as it is to be.

        ProviderError where `present` is not what this was decided about, FieldError where it has no room for it.
        """
        ...

    def holds(self, document: Document) -> bool:
        """Say whether a document is so already."""
        ...


class Edits(NamedTuple):
    """Some values for their places; everything else in the document stays."""

    edits: Sequence[Edit]

    def made(self, present: Document | None) -> Document:
        """Return the document with all the values in their places."""
        changed = [edit.slot for edit in self.edits if not _same(value_at(present, edit.slot), edit.seen)]
        if changed:
            names = ", ".join(slot.field or "it" for slot in changed)
            raise ProviderError(f"{names} was changed meanwhile by somebody else; nothing was written", hint=AGAIN)
        return merged(present, self.edits)

    def holds(self, document: Document) -> bool:
        """Say whether all the values are in their places."""
        return all(_same(value_at(document, one.slot), one.value) for one in self.edits)


class Written(NamedTuple):
    """A document's revision before (None: there was none) and after."""

    before: Revision | None
    after: Revision


class Store(Session, Writer, Protocol):
    """A session that can write."""


class Write:
    """A change on its way into a document. `begun` is set while a write's outcome is not known."""

    def __init__(self, session: Store, reference: Reference, change: Change, deadline: float) -> None:
        self.begun = False
        self._session = session
        self._reference = reference
        self._change = change
        self._deadline = deadline

    def run(self) -> Written:
        """Write; raises Stopped where something is written, or may be, and anything else where nothing is.

        After a conflict it looks again, once: what somebody else changed may be other places than ours.
        """
        for is_last in (False, True):
            present = self.present()
            before = present.revision if present else None
            wanted = self._change.made(present)
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
        wanted = self._change.made(present)
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
        """Return the document as it is, None where there is none."""
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
        return ProviderError("the provider wrote, and returned no Revision", hint=REPORT)

    def _judged(self, error: BridgeError, before: Revision | None) -> Revision:
        """Find out what a failed write did; raises the error where it did nothing, Stopped where that is not sure."""
        if isinstance(error, (Conflict, Denied)):
            raise error
        now = self._read()
        found = now.revision if isinstance(now, Document) else None
        if found == before and isinstance(now, (Document, NotFound)):
            raise error
        if found and isinstance(error, Unavailable) and self._holds(now):
            return found  # only the answer was lost
        raise Stopped(*(one._replace(hint=one.hint or "look at the document in the store") for one in error.problems))

    def _holds(self, now: Document | BridgeError) -> bool:
        return isinstance(now, Document) and self._change.holds(now)

    def _read_back(self, written: Revision) -> None:
        """Compare what a reader gets now; Stopped where it is not what was written, or cannot be had."""
        end = min(self._deadline, time.monotonic() + PATIENCE)
        now = self._read()
        while not self._holds(now) and _is_old(now, written) and time.monotonic() + PAUSE < end:
            time.sleep(PAUSE)
            now = self._read()
        if self._holds(now):
            return
        what = "reads differently" if isinstance(now, Document) else f"cannot be read back: {now.problems[0].what}"
        raise Stopped(Problem("", f"revision {written.id} was written, but {what}", "look at it in the store"))


def merged(document: Document | None, edits: Sequence[Edit]) -> Document:
    """Return the document with all the values in their places; FieldError where there is no room for one."""
    for edit in edits:
        document = with_value(document, edit.slot, edit.value)
    assert document is not None, "there is something to write"
    return document


def _same(one: SecretValue | None, other: SecretValue | None) -> bool:
    return one is other if one is None or other is None else one.same_as(other)


def _is_old(now: Document | BridgeError, written: Revision) -> bool:
    return isinstance(now, NotFound) or (isinstance(now, Document) and now.revision != written)
