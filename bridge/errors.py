"""The errors that end a run, and the exit status of each (`bridge help exit-codes`)."""

import errno
from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from bridge.named_tuple import NamedTuple

BUG: Final = 3
"""The exit status after a bug in bridge."""
ANYTHING: Final = (Exception, SystemExit)
"""Everything that faulty code, ours or a provider's, may raise; it does not include interrupts of the run."""


class Problem(NamedTuple):
    """One thing that is wrong. No field ever contains a value or a line of a user's file."""

    where: str  # the file, object, key or path; may be empty
    what: str
    hint: str = ""
    warning: bool = False  # worth reporting, but no reason to stop

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class BridgeError(Exception):
    """A known reason to stop a run: one problem, or several at once."""

    exit_status: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


class ConfigError(BridgeError):
    """The arguments, the environment file, a template or the env file are invalid."""

    exit_status = 2


class Refusal(BridgeError):
    """The run would lose, overwrite or leak something, or a source or the cluster refused; nothing was written."""


class Unavailable(BridgeError):
    """Only temporary failures; nothing was written, so the same run may succeed later."""

    exit_status = 75


class Stopped(BridgeError):
    """The run failed after its first write, or it is unknown whether something was written."""

    exit_status = 5


class Bug(BridgeError):
    """A bug in bridge before the first write."""

    exit_status = BUG


_FILES: Final = Problem("", "too many open files", "raise the limit with `ulimit -n`, or run fewer programs at a time")
_STARTS: Final = Problem(
    "", "cannot start another thread or process", "raise the limit of the user (`ulimit -u`) or of the pod"
)
_MEMORY: Final = Problem("", "out of memory", "raise the memory limit of this run")
_SHORTAGES: Final = {
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _STARTS,  # from fork and clone; our sockets never raise it
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
}


def shortage(error: BaseException) -> Problem | None:
    """Return the resource that the system ran out of, if that caused the error or an error in its chain, or None."""
    return next((problem for cause in _chain(error) if (problem := _shortage(cause))), None)


def _shortage(error: BaseException) -> Problem | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, RuntimeError):  # Python has no specific type for it
        return _STARTS if str(error).startswith("can't start new thread") else None
    if isinstance(error, ImportError):  # a library that cannot be loaded has no errno
        return _FILES if any(str(error).endswith(text) for text in _UNLOADABLE) else None
    return _SHORTAGES.get(error.errno or 0) if isinstance(error, OSError) else None


_UNLOADABLE: Final = ("Too many open files", "Too many open files in system")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def ending(error: BaseException, *, touched: bool) -> BridgeError:
    """Return an error as the end of a run: Stopped if the run has `touched` anything, so that it is or may be written.

    A lack of system resources is not a bug: the same run may succeed later.
    """
    if isinstance(error, BridgeError):
        return Stopped(*error.problems) if touched else _lasting(error)
    short = shortage(error)
    if short:
        return Stopped(short) if touched else Unavailable(short)
    return Stopped(bug(error)) if touched else Bug(bug(error))


def _lasting(error: BridgeError) -> BridgeError:
    """Return the error itself, or Unavailable if a lack of system resources caused it."""
    if isinstance(error, (Stopped, Unavailable)) or not shortage(error):
        return error
    return Unavailable(*error.problems)


def bug(error: BaseException) -> Problem:
    """Locate a bug by modules and lines, never by the exception's text or locals, which may contain values."""
    places = []
    trace = error.__traceback__
    while trace:
        name = trace.tb_frame.f_globals.get("__name__", "?")
        if not name.startswith("importlib"):
            places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    hint = f"please report it with this trace: {' > '.join(places)}"
    return Problem("", f"a bug in bridge ({type(error).__name__})", hint)


def combine(errors: Iterable[BridgeError]) -> BridgeError:
    """Combine errors. Stopped decides the exit status before Bug, then the first error that is not temporary."""
    errors_ = [_lasting(error) for error in errors]
    problems = dict.fromkeys(problem for error in errors_ for problem in error.problems)
    if any(isinstance(error, Stopped) for error in errors_):
        return Stopped(*problems)
    if any(isinstance(error, Bug) for error in errors_):
        return Bug(*problems)
    lasting = next((error for error in errors_ if not isinstance(error, Unavailable)), None)
    if lasting is None:
        return Unavailable(*problems)
    return ConfigError(*problems) if isinstance(lasting, ConfigError) else Refusal(*problems)
