"""What `bridge exec` gives to a command, and what it says if the command cannot be started."""

import errno
from collections.abc import Callable, Mapping

from bridge.errors import BridgeError, Problem, Refusal
from bridge.secret import SecretValue

ZERO_BYTE = "contains a zero byte"


class NotExecutable(BridgeError):
    """The command exists but cannot be run; the exit status is that of a shell (POSIX XCU 2.8.2)."""

    exit_status = 126


class CommandNotFound(BridgeError):
    """The command does not exist; the exit status is that of a shell."""

    exit_status = 127


def revealed(values: Mapping[str, SecretValue], place_of: Callable[[str], str]) -> dict[bytes, bytes]:
    """Reveal the values of variables; raise Refusal for values that an environment cannot contain."""
    shown = {name: value.reveal() for name, value in values.items()}
    unfit = [
        Problem(place_of(name), f"{name} {ZERO_BYTE}", "remove it: variables cannot contain it")
        for name, value in shown.items()
        if b"\0" in value
    ]
    if unfit:
        raise Refusal(*unfit)
    return {name.encode(): value for name, value in shown.items()}


def not_started(command: str, code: int | None, reason: str) -> BridgeError:
    """Return the error for a command that the system did not start."""
    if code in (errno.ENOENT, errno.ENOTDIR):
        return CommandNotFound(Problem(command, "command (or the interpreter in its first line) not found"))
    return NotExecutable(Problem(command, f"cannot be run: {reason}"))


def reason_of(error: OSError | ValueError) -> tuple[int | None, str]:
    """Return an error's number, and its reason in words that contain no argument or variable."""
    if isinstance(error, OSError):
        return error.errno, (error.strerror or "unknown reason").lower()
    return errno.EINVAL, "a zero byte in an argument"
