"""Puts values into a document of a store: everything else in it stays, nobody's change is lost, and it is read back."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Refusal, Stopped, ending
from bridge.parallel import each
from bridge.provider import Context, Document, Provider, ProviderError, Writer
from bridge.sources.reader import at_reference
from bridge.sources.select import FieldError, located
from bridge.sources.session import LATE, close_sessions, open_session, read_document
from bridge.stores.disclosure import check_hidden
from bridge.stores.whole_document import Whole, grafted
from bridge.stores.write import AGAIN, Change, Edit, Edits, Store, Write, Written

__all__ = ["Edit", "Written", "check_writable", "look", "look_back", "put", "put_back", "rehearse"]

Result = TypeVar("Result")


def check_writable(provider: Provider, reference: Reference, context: Context) -> None:
    """Return where the document may be written as far as that can be told without asking the store; else Refusal."""
    with _opened(provider, reference, context):
        pass


def look(provider: Provider, reference: Reference, context: Context) -> Document | None:
    """Return the document as it is now, None where there is none.

    Refusal where it cannot be written at all: the store only reads, or the reference is pinned to a revision.
    """
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, Edits(()), context.deadline)
        return _bounded(write.present, write, reference, context)


def look_back(provider: Provider, reference: Reference, revision: str, context: Context) -> Whole:
    """Return an earlier revision's document, to be put in the place of what is there now.

    Refusal where there is no such revision, where the store cannot be written, and where a value that it hides now
    would be shown.
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

    Refusal where a place does not hold any more what was seen there, or has no room for the value; Unavailable and
    other refusals of the store: nothing was written then. Stopped where something was, or may have been.
    """
    return _put(provider, reference, Edits(edits), context)


def rehearse(provider: Provider, reference: Reference, edits: Sequence[Edit], context: Context) -> None:
    """Raise what `put` would raise, as far as the store can tell before it is written: before anybody is asked."""
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, Edits(edits), context.deadline)
        _bounded(write.rehearse, write, reference, context)


def put_back(provider: Provider, reference: Reference, whole: Whole, context: Context) -> Written:
    """Write the earlier document as the newest one, and read it back; raises as `put`."""
    return _put(provider, reference, whole, context)


def _put(provider: Provider, reference: Reference, change: Change, context: Context) -> Written:
    with _opened(provider, reference, context) as session:
        write = Write(session, reference, change, context.deadline)
        return _bounded(write.run, write, reference, context)


@contextmanager
def _opened(provider: Provider, reference: Reference, context: Context) -> Iterator[Store]:
    if reference.revision is not None:
        what = f"is pinned to revision {reference.revision}, which never changes"
        raise Refusal(Problem(str(reference), what, "take the @ and the revision out of the reference first"))
    session = open_session(provider, context)
    if isinstance(session, BridgeError):
        raise at_reference(reference, session)
    try:
        if not isinstance(session, Writer):
            hint = "put the value there with the store's own program"
            raise Refusal(Problem(str(reference), f"the provider {reference.provider} reads, and cannot write", hint))
        yield session
    finally:
        close_sessions([session])


def _bounded(work: Callable[[], Result], write: Write, reference: Reference, context: Context) -> Result:
    """Work on a thread of its own: a store that hangs never keeps the run."""
    try:
        done = each(lambda _: _caught(work), [reference], threads=1, deadline=context.deadline)
    except ANYTHING as error:
        if not write.begun:
            raise
        what = ending(error, touched=True).problems
        done = {reference: Stopped(*what, Problem("", "it is not known whether it was written", AGAIN))}
    answer = done.get(reference, LATE)
    if answer is LATE and write.begun:
        answer = Stopped(Problem("", "no answer in time; it is not known whether it was written", AGAIN))
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
