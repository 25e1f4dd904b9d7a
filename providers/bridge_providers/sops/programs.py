"""Runs programs that the configuration allows: no shell, no terminal, no word on stderr, and an end in any case."""

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Final

from bridge.provider import Context, ProviderError, Unavailable
from bridge_providers.sops import trusted

if TYPE_CHECKING:
    import subprocess

LIMIT: Final = 30.0  # seconds for one program; whoever has to touch a key needs some
_GRACE: Final = 1.0  # seconds to end by itself, once it has said all
_STEP: Final = 0.002
_PIECE: Final = 2**12
MOST: Final = 2**16
"""Of what a program says, in bytes, unless it makes a file; identities and wrapped keys have hundreds or thousands."""


class Programs:
    """Those of one session; none outlives it."""

    def __init__(self, context: Context) -> None:
        self._context: Final = context
        self._deadline: Final = context.deadline
        self._running: Final[set[Program]] = set()
        self._starting: Final = threading.RLock()
        self._closed = False

    @contextlib.contextmanager
    def started(
        self, what: str, command: Sequence[str], environ: Mapping[str, str], *, most: int | None = None
    ) -> "Iterator[Program]":
        """Start a program, which errors call `what`; ProviderError where that fails, or once the session is closed.

        Denied if the trust file does not list it. It may print `most` bytes, or MOST.
        """
        trusted.check_start(what, command, self._context.environ)
        with self._starting:
            if self._closed:
                raise ProviderError(f"{what} is not started: the run is over")
            program = Program(what, command, environ, self._deadline, most)
            self._running.add(program)
        try:
            if self._closed:  # and `close` may have come too early to see it
                program.kill()
            yield program
            program.leave()
        finally:
            program.end()
            self._running.discard(program)

    def close(self) -> None:
        """Kill what runs; whoever waits for it sees its end."""
        self._closed = True
        # A program that is being started runs before it can be killed, and the process may end in between. The wait is
        # bounded, because the start itself may be stuck.
        is_known = self._starting.acquire(timeout=_GRACE)
        for program in list(self._running):
            program.kill()
        if is_known:
            self._starting.release()


class Program:
    """One that runs, in a session of its own: it reaches no terminal, and is killed with all that it started there."""

    def __init__(
        self, what: str, command: Sequence[str], environ: Mapping[str, str], deadline: float, most: int | None = None
    ) -> None:
        self._what: Final = what
        self._most: Final = MOST if most is None else most
        self._limit: Final = max(min(LIMIT, deadline - time.monotonic()), 0.01)
        self._until = time.monotonic() + self._limit
        self._reaping: Final = threading.Lock()
        self._said = 0
        self._process: Final = _start(what, command, environ)

    def send(self, data: bytes) -> None:
        """Write to its stdin, unless it has closed that; Unavailable where it does not read in time."""
        pipe = self._process.stdin
        while data:
            self._wait(pipe, select.POLLOUT)
            try:
                # A pipe that is ready takes as much without blocking.
                data = data[os.write(_number(pipe), data[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                return

    def receive(self) -> bytes:
        """Return what comes next on its stdout, nothing at the end; Unavailable where nothing comes in time."""
        self._wait(self._process.stdout, select.POLLIN)
        piece = os.read(_number(self._process.stdout), _PIECE)
        self._said += len(piece)
        if self._said > self._most:
            raise ProviderError(f"{self._what} says more than {self._most // 2**10} KiB")
        return piece

    def hang_up(self) -> None:
        """Close its stdin."""
        _close(self._process.stdin)

    def status(self) -> int:
        """Return the exit status; Unavailable where it does not end in time."""
        while (status := self._reaped()) is None:
            if time.monotonic() > self._until:
                raise self._late()
            time.sleep(_STEP)
        return status

    def leave(self) -> None:
        """Let it tidy up: wait a moment until it has closed its stdout."""
        self.hang_up()
        self._until = min(self._until, time.monotonic() + _GRACE)
        with contextlib.suppress(ProviderError, Unavailable):
            while self.receive():
                pass

    def kill(self) -> None:
        """Kill it, and its group; for any thread."""
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses for a dead one
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it where it still runs, and close what leads to it."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)
        until = time.monotonic() + _GRACE
        while self._reaped() is None and time.monotonic() < until:
            time.sleep(_STEP)

    def _wait(self, pipe: IO[bytes] | None, event: int) -> None:
        poll = select.poll()
        poll.register(_number(pipe), event)
        left = self._until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise self._late()

    def _late(self) -> Unavailable:
        return Unavailable(f"{self._what} did not end within {self._limit:.3g} s")

    def _reaped(self) -> int | None:
        with self._reaping:
            return self._process.poll()


def _start(what: str, command: Sequence[str], environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    import subprocess  # noqa: PLC0415 # it takes time, and few runs start a program

    try:
        return subprocess.Popen(  # noqa: S603 - an absolute path that the configuration allows
            list(command),
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:  # raised from it, so that bridge can tell whether it is temporary
        reason = error.strerror or "for no reason that the system gives"
        raise ProviderError(f"{what} cannot be started: {reason}") from error
    except ValueError:
        raise ProviderError(f"{what} cannot be started: a zero byte is in its path or its arguments") from None


def _number(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()
