"""What can go wrong, and the exit status of each (README, "Exit statuses")."""

from collections.abc import Iterable
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


def ending(error: BaseException, *, touched: bool) -> BridgeError:
    """Return an error as the end of a run: a Stopped if the run has `touched` anything, that is written or may be."""
    if isinstance(error, BridgeError):
        return Stopped(*error.problems) if touched else error
    return Stopped(bug(error)) if touched else Bug(bug(error))


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
    found = list(errors)
    problems = dict.fromkeys(problem for error in found for problem in error.problems)
    if any(isinstance(error, Stopped) for error in found):
        return Stopped(*problems)
    if any(isinstance(error, Bug) for error in found):
        return Bug(*problems)
    lasting = next((error for error in found if not isinstance(error, Unavailable)), None)
    if lasting is None:
        return Unavailable(*problems)
    return ConfigError(*problems) if isinstance(lasting, ConfigError) else Refusal(*problems)
