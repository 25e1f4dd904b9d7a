"""The program's entry point. An interrupt shows no traceback, even though most of the program is not loaded yet.

Before this module runs, Python itself starts, and Python reports an interrupt then.
"""

# Loading `signal` would also load `enum`, and an interrupt during that time would show a traceback.
import _signal as signal  # type: ignore[import-not-found]
import sys


def _tell(kind: type[BaseException], _error: object, _trace: object) -> None:
    """Report an uncaught exception in one line, without its text, which may contain a value."""
    message = "interrupted" if issubclass(kind, KeyboardInterrupt) else f"error: a bug in bridge ({kind.__name__})"
    if sys.stderr:
        sys.stderr.write(f"bridge: {message}\n")


sys.excepthook = _tell
if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # nohup and background jobs ignore it
    # Before and after the run, let the system end the process silently, because nothing is in progress.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run() -> None:
    """Run the `bridge` program and exit."""
    from bridge.cli import run as run_and_exit  # noqa: PLC0415 - an interrupt is only silent from here on

    run_and_exit()
