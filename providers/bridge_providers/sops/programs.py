"""Runs programs that the configuration names: no shell, no terminal, bounded in time and output."""

import contextlib
import os
import select
import selectors
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.provider import Context, ProviderError, Unavailable
from bridge_providers.sops import origin, tree

if TYPE_CHECKING:
    import subprocess

LIMIT: Final = 30.0  # seconds for one program; touching a hardware key takes some
_GRACE: Final = 1.0  # seconds to wait for a program that was killed, or is just being started
_STEP: Final = 0.002
_PIECE: Final = 2**16


class Ended(NamedTuple):
    """The output of a program, and its exit status."""

    status: int
    stdout: bytes
    stderr: bytes


class Programs:
    """The programs of one session, which end with it at the latest."""

    def __init__(self, context: Context) -> None:
        self._context: Final = context
        self._running: Final[set[_Program]] = set()
        self._starting: Final = threading.RLock()
        self._closed = False

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str], stdin: bytes, most: int) -> Ended:
        """Run a program, which errors call `name`, to its end; it may print `most` bytes.

        Denied if the trust file does not list it, Unavailable if it does not end in time, else ProviderError.
        """
        origin.check_start(name, command, self._context.environ)
        limit = max(min(LIMIT, self._context.deadline - time.monotonic()), 0.01)
        with self._starting:
            if self._closed:
                raise ProviderError(f"cannot start {name}: the run has ended")
            program = _Program(_start(name, command, environ), time.monotonic() + limit)
            self._running.add(program)
        try:
            if self._closed:  # and `close` may have come too early to see it
                program.kill()
            ended = program.finish(stdin, most)
        except TimeoutError:
            ended = None
        except _TooMuch:
            raise ProviderError(f"{name} printed more than {most // 2**10} KiB") from None
        finally:
            program.end()
            self._running.discard(program)
        if ended is None:
            raise Unavailable(f"{name} did not end within {limit:.3g} s")
        return ended

    def close(self) -> None:
        """Kill all running programs; threads that wait for them continue."""
        self._closed = True
        # A program that is being started runs before it can be killed, and the process may end in between. The wait is
        # bounded, because the start itself may be stuck.
        is_known = self._starting.acquire(timeout=_GRACE)
        for program in list(self._running):
            program.kill()
        if is_known:
            self._starting.release()


class _TooMuch(Exception):
    """A program printed more than it may."""


class _Program:
    """A running program in a session of its own: it reaches no terminal, and is killed with all that it started."""

    def __init__(self, process: "subprocess.Popen[bytes]", until: float) -> None:
        self._process: Final = process
        self._until: Final = until
        self._reaping: Final = threading.Lock()

    def finish(self, stdin: bytes, most: int) -> Ended:
        """Send `stdin`, read all output, and wait for the end; TimeoutError if it does not end in time."""
        said = self._exchange(memoryview(stdin), most)
        while (status := self._reaped()) is None:
            if time.monotonic() > self._until:
                raise TimeoutError
            time.sleep(_STEP)
        return Ended(status, *said)

    def kill(self) -> None:
        """Kill it with its group; for any thread."""
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses for a dead one
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it if it still runs, and close its pipes."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        until = time.monotonic() + _GRACE
        while self._reaped() is None and time.monotonic() < until:
            time.sleep(_STEP)

    def _exchange(self, stdin: memoryview, most: int) -> tuple[bytes, bytes]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        said = {process.stdout: bytearray(), process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            for pipe in said:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                left = self._until - time.monotonic()
                if left <= 0 or not (ready := selector.select(left)):
                    raise TimeoutError
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        stdin = _sent(key.fd, stdin)
                        is_over = not stdin
                    else:
                        piece = os.read(key.fd, _PIECE)
                        said[key.fileobj] += piece  # type: ignore[index] # the others are its pipes
                        is_over = not piece
                    if is_over:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr] # as above
                if max(map(len, said.values())) > most:
                    raise _TooMuch
        return bytes(said[process.stdout]), bytes(said[process.stderr])

    def _reaped(self) -> int | None:
        with self._reaping:
            return self._process.poll()


def _sent(descriptor: int, data: memoryview) -> memoryview:
    """Write what fits into the pipe, and return the rest; empty if the program has closed its stdin."""
    try:
        # A pipe that is ready takes as much without blocking.
        return data[os.write(descriptor, data[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        return data[:0]


def _start(name: str, command: Sequence[str], environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    import subprocess  # noqa: PLC0415 - it takes time, and few runs start a program

    try:
        return subprocess.Popen(  # noqa: S603 - an absolute path that the configuration allows
            list(command),
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:  # raised from it, so that bridge knows whether it is temporary
        reason = error.strerror or "for an unknown reason"
        raise ProviderError(f"cannot start {name} ({tree.printable(command[0])}): {reason}") from error
    except ValueError:
        raise ProviderError(f"cannot start {name}: its path or an argument contains a zero byte") from None
