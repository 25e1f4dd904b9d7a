"""What a run makes of its process, and gives back after it: signals, libraries that print nothing, no core dump."""

import io
import os
import signal
import sys
from _thread import allocate_lock
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

    from _typeshed import ReadableBuffer

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Those that end a run in an orderly way."""
CORE: Final = 1 if sys.platform == "linux" else 0
"""The limit of a core dump in bytes: 1 is Linux's own word for none, also where a program collects them (core(5))."""

AGAIN: Final = 0.05
"""Seconds after which a signal is sent again that a destructor has swallowed."""


class Terminated(BaseException):
    """SIGTERM, or SIGHUP: an exception, so that sessions are closed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def status_of(stop: BaseException) -> int:
    """Return the exit status of a run that a signal has ended: a shell's, 128 and the signal's number."""
    return 128 + (stop.number if isinstance(stop, Terminated) else signal.SIGINT)


class _Shared:
    """What all runs of this process share: made by the first one, and given back by the last one that is under way."""

    def __init__(self) -> None:
        self._lock: Final = allocate_lock()  # `threading` costs time to load
        self._undo: Final = ExitStack()
        self.runs = 0
        self.at_end: Final[list[Callable[[], None]]] = []

    def enter(self) -> None:
        """Count a run in."""
        with self._lock:
            if not self.runs:
                _STREAMS.take()
                self._undo.callback(_STREAMS.give_back)
                _silence(self._undo)
                self._undo.enter_context(_no_core())
            self.runs += 1

    def leave(self) -> None:
        """Count a run out."""
        with self._lock:
            self.runs -= 1
            if not self.runs:
                self._undo.close()
                for forget in self.at_end:
                    forget()


class _Streams:
    """stdout and stderr, which are for the report and the talk of runs only.

    Whatever else writes there may show a value: a provider's `print`, a library in C, a program that a provider
    starts. So `sys.stdout`, `sys.stderr` and the file descriptors 1 and 2 lead nowhere during a run, and the run
    has handles of its own. A descriptor that cannot be copied, because none is left or it is closed, stays as it is.
    """

    def __init__(self) -> None:
        self.kept: tuple[TextIO | None, TextIO | None] | None = None
        self.copies: dict[int, int] = {}
        self.printed: dict[str, None] = {}

    def take(self) -> None:
        """Put nothing in the place of both."""
        self._flush()  # what was printed before is the caller's
        self.kept = sys.stdout, sys.stderr
        self._divert()
        sys.stdout, sys.stderr = (_nowhere(self.printed) for _ in range(2))

    def give_back(self) -> None:
        """Put both back."""
        assert self.kept is not None
        sys.stdout, sys.stderr = self.kept
        self._flush()  # into nothing: it was printed during the run, past `sys.stdout`
        self.restore()
        self.kept = None

    def restore(self) -> None:
        """Let the file descriptors lead where they led before."""
        for descriptor, copy in self.copies.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        self.copies = {}

    def _divert(self) -> None:
        with suppress(OSError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            try:
                for descriptor in DESCRIPTORS:
                    with suppress(OSError):
                        self.copies[descriptor] = os.dup(descriptor)
                        os.dup2(nothing, descriptor)
            finally:
                if nothing not in DESCRIPTORS:
                    os.close(nothing)

    @staticmethod
    def _flush() -> None:
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError, AttributeError):  # it is full, closed, or None
                stream.flush()  # type: ignore[union-attr]


class _Nowhere(io.RawIOBase):
    """Drops what is written, and remembers which package has written."""

    def __init__(self, printed: dict[str, None]) -> None:
        self._printed: Final = printed

    def writable(self) -> bool:
        """Say that one can write here."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Drop everything."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to find a caller
        names = []
        while frame:
            names.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
            frame = frame.f_back
        found = next((name for name in names if name.isidentifier() and name not in sys.stdlib_module_names), "")
        self._printed[found] = None
        return memoryview(data).nbytes


def _nowhere(printed: dict[str, None]) -> TextIO:
    return io.TextIOWrapper(_Nowhere(printed), write_through=True)  # type: ignore[type-var] # typeshed wants a buffer


DESCRIPTORS: Final = (1, 2)
_STREAMS: Final = _Streams()
_SHARED: Final = _Shared()


def caller_streams() -> tuple[TextIO | None, TextIO | None]:
    """Return stdout and stderr as they are outside runs."""
    return _STREAMS.kept or (sys.stdout, sys.stderr)


def descriptor(number: int) -> int:
    """Return where file descriptor 1 or 2 led before the run, for a program of ours that may write there."""
    return _STREAMS.copies.get(number, number)


def has_printed() -> bool:
    """Return whether something was printed that nobody has been told of."""
    return bool(_STREAMS.printed)


def take_printed() -> list[str]:
    """Return the packages that have printed something since the last call; an empty name is one that is not known."""
    printed = list(_STREAMS.printed)
    _STREAMS.printed.clear()
    return printed


def end_streams() -> None:
    """Let stdout and stderr lead nowhere for good: the process ends, and libraries in C print then what they hold."""
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        for number in DESCRIPTORS:
            os.dup2(nothing, number)


@contextmanager
def usual_streams() -> Iterator[None]:
    """Let a command that takes this process's place have stdout and stderr."""
    diverted = bool(_STREAMS.copies)
    for number in DESCRIPTORS:
        if number in _STREAMS.copies:
            os.dup2(_STREAMS.copies[number], number)
    try:
        yield
    finally:
        if diverted:
            nothing = os.open(os.devnull, os.O_WRONLY)
            for number in _STREAMS.copies:
                os.dup2(nothing, number)
            os.close(nothing)


@contextmanager
def own() -> Iterator[None]:
    """Let libraries print nothing and the system dump no core; in the end all is as it was, the signals too.

    Runs in several threads may overlap in any way: what they share lasts until the last one has ended.
    """
    with ExitStack() as undo:
        _keep_signals(undo)
        _SHARED.enter()
        undo.callback(_SHARED.leave)
        yield


def is_owned() -> bool:
    """Return whether a run is under way."""
    return _SHARED.runs > 0


def at_end(forget: Callable[[], None]) -> None:
    """Let something that is kept for a run be forgotten once none is under way."""
    _SHARED.at_end.append(forget)


def listen() -> None:
    """Let the signals end the run by an exception; to be called where it is caught."""
    with suppress(ValueError):  # not the main thread: whoever called us there has the signals
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _terminate)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(signal.SIGHUP, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(number)


def _keep_signals(undo: ExitStack) -> None:
    def put_back(number: int, handler: Any) -> None:  # noqa: ANN401 - as the signal module has it
        with suppress(ValueError):  # not the main thread
            signal.signal(number, handler)

    for number in SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:  # what is not Python's own cannot be put back
            undo.callback(put_back, number, handler)


@contextmanager
def _no_core() -> Iterator[None]:
    """Dump no core: it would hold every value."""
    try:
        import resource  # noqa: PLC0415 - not every system has it
    except ImportError:
        yield
        return
    kept = resource.getrlimit(resource.RLIMIT_CORE)
    most = CORE if kept[1] == resource.RLIM_INFINITY else min(CORE, kept[1])
    _cores.append(kept)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (most, kept[1]))  # the hard limit stays, to be able to give it back
    try:
        yield
    finally:
        _cores.remove(kept)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, kept)


_cores: Final[list[tuple[int, int]]] = []


@contextmanager
def usual_core() -> Iterator[None]:
    """Let a command that takes this process's place have the limit of core dumps that we were started with."""
    if not _cores:
        yield
        return
    import resource  # noqa: PLC0415 - it is there, for a limit is kept

    ours = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, _cores[-1])
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, ours)


def _silence(undo: ExitStack) -> None:
    """Let nobody but us write to stderr: what a library would say there may hold a value.

    Hooks that a caller has set already stay. What is not loaded yet is silenced once it is: it costs time.
    """
    if sys.unraisablehook is sys.__unraisablehook__:
        undo.callback(setattr, sys, "unraisablehook", sys.unraisablehook)
        sys.unraisablehook = _unraisable
    later = _Later(undo)
    for name, silence in _LIBRARIES.items():
        if name in sys.modules:
            silence(sys.modules[name], undo)
    sys.meta_path.insert(0, later)
    undo.callback(sys.meta_path.remove, later)


def _unraisable(args: "UnraisableHookArgs") -> None:
    """Pass over what a destructor raises; only a signal that arrived in one is sent again, after it."""
    error = args.exc_value
    if not isinstance(error, (KeyboardInterrupt, Terminated)):
        return
    from threading import Timer  # noqa: PLC0415 - start-up

    again = Timer(AGAIN, os.kill, (os.getpid(), error.number if isinstance(error, Terminated) else signal.SIGINT))
    again.daemon = True
    with suppress(RuntimeError, MemoryError):  # no more threads
        again.start()


def _nothing(*_: object, **__: object) -> None:
    """Say nothing."""


def _silence_threading(module: Any, undo: ExitStack) -> None:  # noqa: ANN401 - a module
    if module.excepthook is module.__excepthook__:
        undo.callback(setattr, module, "excepthook", module.excepthook)
        module.excepthook = _nothing


def _silence_logging(module: Any, undo: ExitStack) -> None:  # noqa: ANN401 - a module
    handler = module.NullHandler()  # else the last resort is stderr
    module.root.addHandler(handler)
    undo.callback(module.root.removeHandler, handler)
    undo.callback(setattr, module, "raiseExceptions", module.raiseExceptions)
    module.raiseExceptions = False  # a handler that fails would show what it was to write


def _silence_warnings(module: Any, undo: ExitStack) -> None:  # noqa: ANN401 - a module
    undo.callback(setattr, module, "showwarning", module.showwarning)
    module.showwarning = _nothing  # not a filter: one that makes errors of warnings stays


_LIBRARIES: Final[dict[str, Callable[[ModuleType, ExitStack], None]]] = {
    "threading": _silence_threading,
    "logging": _silence_logging,
    "warnings": _silence_warnings,
}


class _Later:
    """Silences those of the modules that are loaded while a run goes on."""

    def __init__(self, undo: ExitStack) -> None:
        self._undo: Final = undo

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the modules as Python itself would; None for any other."""
        silence = _LIBRARIES.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if silence else None
        if spec is None or spec.loader is None or silence is None:
            return None
        load = spec.loader.exec_module

        def load_and_silence(module: ModuleType) -> None:
            load(module)
            silence(module, self._undo)

        spec.loader.exec_module = load_and_silence  # type: ignore[method-assign]
        return spec
