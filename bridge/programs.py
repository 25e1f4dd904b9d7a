"""Runs the programs that a provider's section names, as children of its session; see `bridge.bounded`."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.bounded import ChildProgram, Ended, TooMuch
from bridge.provider import Context, Denied, ProviderError, Unavailable
from bridge.trust import refused_program

__all__ = ["Ended", "Programs"]

LIMIT: Final = 30.0  # seconds for one program; touching a hardware key takes some
_GRACE: Final = 1.0  # seconds to wait for a program that is just being started


class Programs:
    """The programs of one session, which end with it at the latest."""

    def __init__(self, context: Context, limit: float | None = None, folder: str | None = None) -> None:
        """Start programs in `folder`, or in the current one; each may run for `limit` seconds."""
        self._folder: Final = folder
        self._context: Final = context
        self._limit: Final = LIMIT if limit is None else limit
        self._running: Final[set[ChildProgram]] = set()
        self._starting: Final = threading.RLock()
        self._closed = False

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str], stdin: bytes, most: int) -> Ended:
        """Run a program, which errors call `name`, to its end; it may print `most` bytes.

        Denied if the trust file does not list it, Unavailable if it does not end in time, else ProviderError.
        """
        if problem := refused_program(self._context.environ, command, name):
            raise Denied(problem.what, hint=problem.hint)
        limit = max(min(self._limit, self._context.deadline - time.monotonic()), 0.01)
        with self._starting:
            if self._closed:
                raise ProviderError(f"cannot start {name}: the run has ended")
            program = self._start(name, command, environ, time.monotonic() + limit)
            self._running.add(program)
        try:
            if self._closed:  # and `close` may have come too early to see it
                program.kill()
            ended = program.finish(stdin, most)
        except TimeoutError:
            ended = None
        except TooMuch:
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

    def _start(self, name: str, command: Sequence[str], environ: Mapping[str, str], until: float) -> ChildProgram:
        try:
            return ChildProgram(command, environ, until, self._folder)
        except OSError as error:  # raised from it, so that bridge knows whether it is temporary
            reason = error.strerror or "for an unknown reason"
            path = command[0] if command[0].isprintable() else ascii(command[0])
            raise ProviderError(f"cannot start {name} ({path}): {reason}") from error
        except ValueError:
            raise ProviderError(f"cannot start {name}: its path or an argument contains a zero byte") from None
