"""`bridge exec --mask`: run the command as a child, and replace values in what it prints."""

import os
import select
import selectors
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from subprocess import DEVNULL, Popen
from typing import Final

from bridge import progress
from bridge.commands.exec_start import not_started, reason_of
from bridge.commands.exec_terminal import STDIN, Terminal
from bridge.errors import Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.process import DESCRIPTORS, descriptor, usual_core
from bridge.scan.masking import Masker

PASSED_ON: Final = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2),
)  # fmt: skip
TYPED: Final = frozenset({signal.SIGINT, signal.SIGQUIT})
"""The signals that a terminal sends to all processes in its foreground, so that the command gets them by itself."""
SIZE: Final = 1 << 16
"""How many bytes are read at a time; a pipe has no more."""
PATIENCE: Final = 0.1
"""For how many seconds of silence the beginning of a value is held back."""


def run_masked(command: Sequence[str], environ: Mapping[bytes, bytes], patterns: Collection[bytes]) -> int:
    """Run the command, and return its exit status once it has ended and nothing holds its output open.

    If a signal ends the command, the same signal ends this process. Raise an error if the command cannot be started.
    """
    progress.end()
    outputs = [descriptor(number) for number in DESCRIPTORS]
    terminal = _terminal(outputs[0])
    streams, ends = _streams(outputs, terminal, patterns)
    relay = _Relay(streams, terminal)
    with _passing_on_signals(terminal) as pass_on_to:
        child = _start(command, environ, ends, terminal)
        pass_on_to(child)
        with terminal.connected() if terminal else nullcontext():
            relay.run()
            status = child.wait()
    if relay.broken:
        raise Refusal(*relay.broken)
    return status if status >= 0 else _end_by(-status)


def _terminal(output: int) -> Terminal | None:
    """Return a terminal for the command if stdout is one, and if the system has one left."""
    if not os.isatty(output):
        return None
    try:
        return Terminal(output)
    except OSError:
        return None


class _Stream:
    """One output of the command: its source, its target and its masker."""

    def __init__(self, source: int, target: int, patterns: Collection[bytes], *, is_terminal: bool) -> None:
        self.source: Final = source
        self.target: Final = target
        self.is_terminal: Final = is_terminal
        self.masker: Final = Masker(patterns)
        self.read_at = 0.0  # `time.monotonic()`
        self.is_broken = False  # its target cannot be written

    @property
    def patience(self) -> float | None:
        """Return the seconds until what is held back is released, or None if there is nothing to release."""
        return max(0.0, self.read_at + PATIENCE - time.monotonic()) if self.masker.can_release else None

    def read(self) -> bytes:
        """Return the next bytes, or b"" at the end; a terminal's end is an error."""
        self.read_at = time.monotonic()
        try:
            return os.read(self.source, SIZE)
        except OSError:
            return b""

    def close(self) -> None:
        """Close the source, so that the command gets SIGPIPE if it still writes; a terminal closes its own."""
        if not self.is_terminal:
            os.close(self.source)

    def write(self, data: bytes) -> None:
        """Write everything, also to a descriptor that does not wait."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.target, view) :]
            except BlockingIOError:
                select.select([], [self.target], [])


class _Ends(NamedTuple):
    """What the command gets as its stdin, stdout and stderr; `opened` are closed once it has them."""

    stdin: int | None
    stdout: int
    stderr: int
    opened: tuple[int, ...]


def _streams(
    outputs: Sequence[int], terminal: Terminal | None, patterns: Collection[bytes]
) -> tuple[list[_Stream], _Ends]:
    """Return what is read from the command, and the ends that it gets.

    Outputs that are the same for the caller are one stream, because their order counts.
    """
    streams: list[_Stream] = []
    ends: dict[int, int] = {}
    opened: list[int] = []
    for target in outputs:
        shown = terminal is not None and os.isatty(target)
        same = next((other for other in ends if _is_same(other, target) or (shown and os.isatty(other))), None)
        if same is not None:
            ends[target] = ends[same]
            continue
        if terminal and shown:
            source, end = terminal.ours, terminal.child
        elif _is_open(target):
            source, end = os.pipe()
        else:
            ends[target] = DEVNULL
            continue
        ends[target] = end
        opened.append(end)
        streams.append(_Stream(source, target, patterns, is_terminal=shown))
    stdin = terminal.child if terminal and terminal.has_input else None
    return streams, _Ends(stdin, ends[outputs[0]], ends[outputs[1]], tuple(opened))


def _is_same(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same file, pipe or terminal."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _start(
    command: Sequence[str], environ: Mapping[bytes, bytes], ends: _Ends, terminal: Terminal | None
) -> "Popen[bytes]":
    has_session = terminal is not None and terminal.has_input
    try:
        with usual_core():
            return Popen(  # noqa: S603 - the operator's own command, deliberately without a shell
                command,
                env=environ,
                stdin=ends.stdin,
                stdout=ends.stdout,
                stderr=ends.stderr,
                start_new_session=has_session,
                preexec_fn=terminal.take if terminal and has_session else None,  # noqa: PLW1509 - no thread is left
            )
    except (OSError, ValueError) as error:
        code, reason = reason_of(error)
    finally:
        for end in ends.opened:
            os.close(end)
    # Raise outside the handler, so that the error's frames, which contain the values, are not chained.
    raise not_started(command[0], code, reason)


class _Relay:
    """Passes on what the command prints, masked, and what is typed. `broken` are the outputs that could not be written.

    It needs no more memory than what the longest pattern takes and what is read at once.
    """

    def __init__(self, streams: Sequence[_Stream], terminal: Terminal | None) -> None:
        self.broken: list[Problem] = []
        self._streams: Final = list(streams)
        self._terminal: Final = terminal if terminal and terminal.has_input else None
        self._selector: Final = selectors.SelectSelector()
        self._typed = b""

    def run(self) -> None:
        """Pass everything on until the command's outputs are closed."""
        with self._selector as selector:
            for stream in self._streams:
                selector.register(stream.source, selectors.EVENT_READ, stream)
            if self._terminal:
                os.set_blocking(self._terminal.ours, False)
                selector.register(STDIN, selectors.EVENT_READ)
            while self._streams:
                patience = [left for stream in self._streams if (left := stream.patience) is not None]
                for key, events in selector.select(min(patience, default=None)):
                    if key.fd == STDIN:
                        self._read_typed()
                    elif events & selectors.EVENT_WRITE:
                        self._write_typed()
                    else:
                        self._pass_on(key.data)
                for stream in self._streams:
                    if stream.patience == 0:
                        self._write(stream, stream.masker.release())

    def _pass_on(self, stream: _Stream) -> None:
        data = stream.read()
        self._write(stream, stream.masker.feed(data) if data else stream.masker.finish())
        if not data and stream in self._streams:
            self._end(stream)

    def _write(self, stream: _Stream, data: bytes) -> None:
        """Write to the caller's output. If it is closed, end the stream; a terminal's is only discarded."""
        if stream.is_broken:
            return
        try:
            stream.write(data)
        except OSError as error:
            stream.is_broken = True
            if not isinstance(error, ConnectionError):
                what = f"cannot be written: {(error.strerror or 'unknown reason').lower()}"
                self.broken.append(Problem("the command's output", what, "free some space, or choose another place"))
            if not stream.is_terminal:
                self._end(stream)

    def _end(self, stream: _Stream) -> None:
        self._streams.remove(stream)
        self._selector.unregister(stream.source)
        stream.close()

    def _read_typed(self) -> None:
        """Read what is typed; read more only once the command's terminal has taken it."""
        assert self._terminal is not None
        self._selector.unregister(STDIN)
        with suppress(OSError):
            self._typed = os.read(STDIN, SIZE)
        if self._typed:
            self._listen(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _write_typed(self) -> None:
        assert self._terminal is not None
        try:
            self._typed = self._typed[os.write(self._terminal.ours, self._typed) :]
        except BlockingIOError:
            return
        except OSError:  # the command has ended
            self._typed = b""
        if not self._typed:
            self._listen(selectors.EVENT_READ)
            self._selector.register(STDIN, selectors.EVENT_READ)

    def _listen(self, events: int) -> None:
        """Wait for these events of the command's terminal."""
        stream = next(stream for stream in self._streams if stream.is_terminal)
        self._selector.modify(stream.source, events, stream)


@contextmanager
def _passing_on_signals(terminal: Terminal | None) -> Iterator[Callable[["Popen[bytes]"], None]]:
    """Pass signals on to the command; yield the function that names the command, which gets the earlier ones too."""
    has_session = terminal is not None and terminal.has_input
    children: list[Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        if not children:
            early.append(number)
        elif has_session or number not in TYPED or not _has_foreground():
            children[0].send_signal(number)

    def pass_on_to(child: "Popen[bytes]") -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    before = {}
    with suppress(ValueError):  # not the main thread
        for number in PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:  # what our parent ignores stays ignored
                before[number] = signal.signal(number, pass_on)
    try:
        yield pass_on_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_foreground() -> bool:
    """Return whether a terminal sends its signals to this process, and so to the command too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _end_by(number: int) -> int:
    """End this process by a signal; return the status of a shell if the signal does not end it."""
    with suppress(OSError, ValueError):  # SIGKILL has no handler; or this is not the main thread
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
