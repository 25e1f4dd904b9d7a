"""What can go wrong, and the exit status of each (README, "Exit statuses")."""

import errno
from collections.abc import Iterable, Iterator
from typing import ClassVar, Final, NamedTuple

BUG: Final = 3
"""The exit status of a bug of ours."""
ANYTHING: Final = (Exception, SystemExit)
"""What may be raised by code that is wrong: ours, or a provider's. Interrupts of the run are not among it."""


class Problem(NamedTuple):
    """One thing that is wrong. No field ever holds a value or a line of somebody's file."""

    where: str  # the file, object, key or path; may be empty
    what: str
    hint: str = ""
    warning: bool = False  # worth telling, and no reason to stop

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class BridgeError(Exception):
    """Anything that stops a run for a reason we know: one problem or several at once."""

    exit_status: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


class ConfigError(BridgeError):
    """The arguments, the environment file, a template or the env file are wrong."""

    exit_status = 2


class Refusal(BridgeError):
    """The run would lose, overwrite or leak something, or a source or the cluster says no; nothing was written."""


class Unavailable(BridgeError):
    """Only temporary failures; nothing was written, and the same run may succeed later."""

    exit_status = 75


class Stopped(BridgeError):
    """The run failed after its first write, or it is not known whether that has happened."""

    exit_status = 5


class Bug(BridgeError):
    """A bug of ours before the first write."""

    exit_status = BUG


_FILES: Final = Problem("", "too many files are open", "allow more with `ulimit -n`, or run fewer programs at a time")
_STARTS: Final = Problem(
    "", "no thread or process can be started", "raise the limit of the user (`ulimit -u`) or the pod"
)
_MEMORY: Final = Problem("", "the memory is used up", "give this run more of it")
_SHORTAGES: Final = {
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _STARTS,  # fork and clone; a socket of ours never gives it
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
}


def shortage(error: BaseException) -> Problem | None:
    """Say what the system has no more of, if that is why an error was raised, or what it was raised from."""
    return next((found for one in _chain(error) if (found := _shortage(one))), None)


def _shortage(error: BaseException) -> Problem | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, RuntimeError):  # Python has no type of its own for it
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
    """Return an error as the end of a run: a Stopped if the run has `touched` anything, that is written or may be.

    What the system is short of for now is no bug: the same run may succeed later.
    """
    if isinstance(error, BridgeError):
        return Stopped(*error.problems) if touched else _lasting(error)
    short = shortage(error)
    if short:
        return Stopped(short) if touched else Unavailable(short)
    return Stopped(bug(error)) if touched else Bug(bug(error))


def _lasting(error: BridgeError) -> BridgeError:
    """Return an error as it is, unless it was raised for what the system is short of."""
    if isinstance(error, (Stopped, Unavailable)) or not shortage(error):
        return error
    return Unavailable(*error.problems)


def bug(error: BaseException) -> Problem:
    """Name the place of a bug: files and lines, never the exception's text nor its locals, which may hold values."""
    places = []
    trace = error.__traceback__
    while trace:
        name = trace.tb_frame.f_globals.get("__name__", "?")
        if not name.startswith("importlib"):
            places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    hint = f"please report it with these places: {' > '.join(places)}"
    return Problem("", f"a bug of bridge ({type(error).__name__})", hint)


def combine(errors: Iterable[BridgeError]) -> BridgeError:
    """Make one error of several: a stop between writes decides the exit status, a bug, or the first that is lasting."""
    found = [_lasting(error) for error in errors]
    problems = dict.fromkeys(problem for error in found for problem in error.problems)
    if any(isinstance(error, Stopped) for error in found):
        return Stopped(*problems)
    if any(isinstance(error, Bug) for error in found):
        return Bug(*problems)
    lasting = next((error for error in found if not isinstance(error, Unavailable)), None)
    if lasting is None:
        return Unavailable(*problems)
    return ConfigError(*problems) if isinstance(lasting, ConfigError) else Refusal(*problems)
