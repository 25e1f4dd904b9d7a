"""Prepare the process for a run and restore it afterwards: signals, silent libraries, and no core dump."""

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
"""The signals that end a run in an orderly way."""
CORE: Final = 1 if sys.platform == "linux" else 0
"""The limit of a core dump in bytes. On Linux, 1 means none, even if a program collects core dumps (core(5))."""

AGAIN: Final = 0.05
"""Seconds until a signal is sent again after a destructor has swallowed it."""


class Terminated(BaseException):
    """SIGTERM or SIGHUP, as an exception, so that sessions are closed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def status_of(stop: BaseException) -> int:
    """Return the exit status of a run that a signal has ended: 128 plus the signal's number, as in a shell."""
    return 128 + (stop.number if isinstance(stop, Terminated) else signal.SIGINT)


class _Shared:
    """What all runs in this process share: set up by the first run, and restored by the last active run."""

    def __init__(self) -> None:
        self._lock: Final = allocate_lock()  # loading `threading` takes time
        self._undo: Final = ExitStack()
        self.runs = 0
        self.at_end: Final[list[Callable[[], None]]] = []

    def enter(self) -> None:
        """Register a run."""
        with self._lock:
            if not self.runs:
                _STREAMS.take()
                self._undo.callback(_STREAMS.give_back)
                _silence(self._undo)
                self._undo.enter_context(_no_core())
            self.runs += 1

    def leave(self) -> None:
        """Unregister a run."""
        with self._lock:
            self.runs -= 1
            if not self.runs:
                self._undo.close()
                for forget in self.at_end:
                    forget()


class _Streams:
    """stdout and stderr, which only the report and the messages of a run may use.

    Anything else that writes there may show a value: a provider's `print`, a C library, a program that a provider
    starts. So during a run, `sys.stdout`, `sys.stderr` and the file descriptors 1 and 2 discard everything, and the run
    has its own handles. A descriptor that cannot be copied, because none is left or it is closed, stays unchanged.
    """

    def __init__(self) -> None:
        self.kept: tuple[TextIO | None, TextIO | None] | None = None
        self.copies: dict[int, int] = {}
        self.printed: dict[str, None] = {}

    def take(self) -> None:
        """Replace both with streams that discard everything."""
        self._flush()  # earlier output belongs to the caller
        self.kept = sys.stdout, sys.stderr
        self._divert()
        sys.stdout, sys.stderr = (_nowhere(self.printed) for _ in range(2))

    def give_back(self) -> None:
        """Restore both."""
        assert self.kept is not None
        sys.stdout, sys.stderr = self.kept
        self._flush()  # discard output that bypassed `sys.stdout` during the run
        self.restore()
        self.kept = None

    def restore(self) -> None:
        """Restore the file descriptors."""
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
            with suppress(OSError, ValueError, AttributeError):  # the stream is full, closed, or None
                stream.flush()  # type: ignore[union-attr]


class _Nowhere(io.RawIOBase):
    """Discards everything, and records which packages wrote something."""

    def __init__(self, printed: dict[str, None]) -> None:
        self._printed: Final = printed

    def writable(self) -> bool:
        """Return True: this stream is writable."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Discard the data."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to find a caller
        names = []
        while frame:
            names.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
            frame = frame.f_back
        package = next((name for name in names if name.isidentifier() and name not in sys.stdlib_module_names), "")
        self._printed[package] = None
        return memoryview(data).nbytes


def _nowhere(printed: dict[str, None]) -> TextIO:
    return io.TextIOWrapper(_Nowhere(printed), write_through=True)  # type: ignore[type-var] # typeshed wants a buffer


DESCRIPTORS: Final = (1, 2)
_STREAMS: Final = _Streams()
_SHARED: Final = _Shared()


def caller_streams() -> tuple[TextIO | None, TextIO | None]:
    """Return the stdout and stderr from outside the run."""
    return _STREAMS.kept or (sys.stdout, sys.stderr)


def descriptor(number: int) -> int:
    """Return a copy of file descriptor 1 or 2 from before the run, for a program that we start and that may use it."""
    return _STREAMS.copies.get(number, number)


def has_printed() -> bool:
    """Return whether something was printed that has not been reported."""
    return bool(_STREAMS.printed)


def take_printed() -> list[str]:
    """Return the packages that printed something since the last call; an empty name means an unknown package."""
    printed = list(_STREAMS.printed)
    _STREAMS.printed.clear()
    return printed


def end_streams() -> None:
    """Discard stdout and stderr for good, because C libraries flush their buffers when the process ends."""
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        for number in DESCRIPTORS:
            os.dup2(nothing, number)


@contextmanager
def usual_streams() -> Iterator[None]:
    """Give stdout and stderr to a command that replaces this process."""
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
    """Silence libraries and disable core dumps; restore everything at the end, including the signals.

    Runs in several threads may overlap: what they share lasts until the last run has ended.
    """
    with ExitStack() as undo:
        _keep_signals(undo)
        _SHARED.enter()
        undo.callback(_SHARED.leave)
        yield


def is_owned() -> bool:
    """Return whether a run is active."""
    return _SHARED.runs > 0


def at_end(forget: Callable[[], None]) -> None:
    """Register a function that clears cached data once no run is active."""
    _SHARED.at_end.append(forget)


def listen() -> None:
    """Make the signals end the run with an exception. Call this where that exception is caught."""
    with suppress(ValueError):  # not the main thread: our caller handles the signals
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _terminate)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            signal.signal(signal.SIGHUP, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(number)


def _keep_signals(undo: ExitStack) -> None:
    def put_back(number: int, handler: Any) -> None:  # noqa: ANN401 - as in the signal module
        with suppress(ValueError):  # not the main thread
            signal.signal(number, handler)

    for number in SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:  # a handler not set by Python cannot be restored
            undo.callback(put_back, number, handler)


@contextmanager
def _no_core() -> Iterator[None]:
    """Disable core dumps, which would contain every value."""
    try:
        import resource  # noqa: PLC0415 - missing on some systems
    except ImportError:
        yield
        return
    kept = resource.getrlimit(resource.RLIMIT_CORE)
    most = CORE if kept[1] == resource.RLIM_INFINITY else min(CORE, kept[1])
    _cores.append(kept)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (most, kept[1]))  # keep the hard limit, so that it can be restored
    try:
        yield
    finally:
        _cores.remove(kept)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, kept)


_cores: Final[list[tuple[int, int]]] = []


@contextmanager
def usual_core() -> Iterator[None]:
    """Give a command that replaces this process the core dump limit that we were started with."""
    if not _cores:
        yield
        return
    import resource  # noqa: PLC0415 - it exists, because a limit was saved

    ours = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, _cores[-1])
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, ours)


def _silence(undo: ExitStack) -> None:
    """Stop libraries from writing to stderr, because their text may contain a value.

    Hooks that a caller has already set stay. Modules that are not loaded yet are silenced when they are loaded, because
    loading them takes time.
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
    """Ignore errors in destructors, but send a signal that arrived in a destructor again."""
    error = args.exc_value
    if not isinstance(error, (KeyboardInterrupt, Terminated)):
        return
    from threading import Timer  # noqa: PLC0415 - start-up

    again = Timer(AGAIN, os.kill, (os.getpid(), error.number if isinstance(error, Terminated) else signal.SIGINT))
    again.daemon = True
    with suppress(RuntimeError, MemoryError):  # no more threads
        again.start()


def _nothing(*_: object, **__: object) -> None:
    """Print nothing."""


def _silence_threading(module: Any, undo: ExitStack) -> None:  # noqa: ANN401 - a module
    if module.excepthook is module.__excepthook__:
        undo.callback(setattr, module, "excepthook", module.excepthook)
        module.excepthook = _nothing


def _silence_logging(module: Any, undo: ExitStack) -> None:  # noqa: ANN401 - a module
    handler = module.NullHandler()  # otherwise logging falls back to stderr
    module.root.addHandler(handler)
    undo.callback(module.root.removeHandler, handler)
    undo.callback(setattr, module, "raiseExceptions", module.raiseExceptions)
    module.raiseExceptions = False  # a failing handler would print the record


def _silence_warnings(module: Any, undo: ExitStack) -> None:  # noqa: ANN401 - a module
    undo.callback(setattr, module, "showwarning", module.showwarning)
    module.showwarning = _nothing  # not a filter, so that a filter that turns warnings into errors stays


_LIBRARIES: Final[dict[str, Callable[[ModuleType, ExitStack], None]]] = {
    "threading": _silence_threading,
    "logging": _silence_logging,
    "warnings": _silence_warnings,
}


class _Later:
    """Silences modules that are loaded during a run."""

    def __init__(self, undo: ExitStack) -> None:
        self._undo: Final = undo

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of these modules as Python would; return None for all others."""
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
