"""Where the program starts: an interrupt shows no traceback, although most of the program is not loaded yet.

What comes before this module is Python's own start, and an interrupt then is Python's to tell.
"""

# `signal` would have to be loaded, and `enum` with it: an interrupt would show a traceback for so long.
import _signal as signal  # type: ignore[import-not-found]
import sys


def _tell(kind: type[BaseException], _error: object, _trace: object) -> None:
    """Say in one line what nothing else has caught: an exception's text may hold a value."""
    what = "interrupted" if issubclass(kind, KeyboardInterrupt) else f"error: a bug of bridge ({kind.__name__})"
    if sys.stderr:
        sys.stderr.write(f"bridge: {what}\n")


sys.excepthook = _tell
if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup and a shell's background jobs have it
    # Until the run begins, and after it, the system ends the process without a word: nothing is under way.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run() -> None:
    """Be the `bridge` program; the process ends."""
    from bridge.cli import run as run_and_exit  # noqa: PLC0415 - only from here on is an interrupt quiet

    run_and_exit()
