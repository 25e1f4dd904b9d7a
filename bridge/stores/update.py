"""Puts values into a document of a store, keeps everything else and everyone's changes, and reads the result back."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal, Stopped, ending
from bridge.parallel import each
from bridge.provider import Context, Document, Provider, ProviderError, Revision, Writer
from bridge.sources.reader import at_reference
from bridge.sources.select import FieldError, located
from bridge.sources.session import LATE, close_sessions, open_session, read_document
from bridge.stores.whole_document import Whole, grafted
from bridge.stores.write import AGAIN, DocumentChange, Edit, Edits, OpenStore, Write, Written, check_hidden, merged

__all__ = [
    "Edit",
    "Written",
    "changed_document",
    "check_writable",
    "look",
    "look_back",
    "put",
    "put_back",
    "rehearse",
]

TO_COME: Final = Revision("new")
"""The revision of a document that is planned with, but not written yet. Without an order, it is no older than any."""

Result = TypeVar("Result")


def changed_document(reference: Reference, document: Document | None, edits: Sequence[Edit]) -> Document:
    """Return the document as `put` would write it; Refusal if a value does not fit."""
    changed = _caught(lambda: merged(document, edits))
    if isinstance(changed, BridgeError):
        raise at_reference(reference, changed)
    return changed._replace(revision=TO_COME)


def check_writable(provider: Provider, reference: Reference, context: Context) -> None:
    """Raise Refusal if it is known without asking the store that the document cannot be written."""
    with _opened(provider, reference, context):
        pass


def look(provider: Provider, reference: Reference, context: Context) -> Document | None:
    """Return the document as it is now, or None if it does not exist.

    Refusal if it can never be written: the store is read-only, or the reference is pinned to a revision.
    """
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, Edits(()), context.deadline)
        return _bounded(write.present, write, reference, context)


def look_back(provider: Provider, reference: Reference, revision: str, context: Context) -> Whole:
    """Return an earlier revision of the document, ready to replace the current one.

    Refusal if there is no such revision, if the store cannot be written, or if a value that is encrypted now would be
    exposed.
    """
    pinned = reference._replace(revision=revision)
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, Edits(()), context.deadline)

        def work() -> Whole:
            present, earlier = write.present(), read_document(session, context.deadline, pinned)
            if not isinstance(earlier, Document):
                raise earlier
            whole = Whole(earlier, present)
            if whole.is_needed:
                check_hidden(session, reference.path, present, grafted(earlier, present))
            return whole

        return _bounded(work, write, pinned, context)


def put(provider: Provider, reference: Reference, edits: Sequence[Edit], context: Context) -> Written:
    """Put the values into the document, and read them back.

    Refusal if a slot's value has changed since it was seen, or if a value does not fit; Unavailable and other refusals
    come from the store. Nothing was written in these cases. Stopped if something was written, or may have been.
    """
    return _put(provider, reference, Edits(edits), context)


def rehearse(provider: Provider, reference: Reference, edits: Sequence[Edit], context: Context) -> None:
    """Raise what `put` would raise, as far as the store can tell beforehand, before asking for confirmation."""
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, Edits(edits), context.deadline)
        _bounded(write.rehearse, write, reference, context)


def put_back(provider: Provider, reference: Reference, whole: Whole, context: Context) -> Written:
    """Write the earlier document as the newest revision, and read it back; raises the same errors as `put`."""
    return _put(provider, reference, whole, context)


def _put(provider: Provider, reference: Reference, change: DocumentChange, context: Context) -> Written:
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, change, context.deadline)
        return _bounded(write.run, write, reference, context)


@contextmanager
def _opened(provider: Provider, reference: Reference, context: Context) -> Iterator[OpenStore]:
    if reference.revision is not None:
        what = f"is pinned to revision {reference.revision}, which cannot be changed"
        raise Refusal(Problem(str(reference), what, f"remove `@{reference.revision}` from the reference"))
    session = open_session(provider, context)
    if isinstance(session, BridgeError):
        raise at_reference(reference, session)
    try:
        if not isinstance(session, Writer):
            hint = "set the value with the store's own program"
            raise Refusal(Problem(str(reference), f"the provider {reference.provider} is read-only", hint))
        yield session
    finally:
        close_sessions([session])


def _bounded(work: Callable[[], Result], write: Write, reference: Reference, context: Context) -> Result:
    """Run `work` on a thread of its own, so that a store that hangs never blocks the run."""
    try:
        done = each(lambda _: _caught(work), [reference], threads=1, deadline=context.deadline)
    except ANYTHING as error:
        if not write.begun:
            raise
        what = ending(error, touched=True).problems
        done = {reference: Stopped(*what, Problem("", "it is unknown whether it was written", AGAIN))}
    answer = done.get(reference, LATE)
    if answer is LATE and write.begun:
        answer = Stopped(Problem("", "no answer in time; it is unknown whether it was written", AGAIN))
    if isinstance(answer, Stopped):
        raise Stopped(*(located(reference, one) for one in answer.problems))
    if isinstance(answer, BridgeError):
        raise at_reference(reference, answer)
    return answer


def _caught(work: Callable[[], Result]) -> Result | BridgeError:
    try:
        return work()
    except BridgeError as error:
        return error
    except FieldError as error:
        return ProviderError(str(error))
