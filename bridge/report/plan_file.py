"""Reads and writes the file of an approved plan."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bridge.errors import ConfigError, Problem, Refusal, Unavailable, shortage
from bridge.plan.approved_file import is_plan
from bridge.report.talk import printable
from bridge.shell import command

LIMIT: Final = 16 * 2**20
"""In bytes; a plan for 1,000 environments has about 3 MiB."""
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_PRIVATE: Final = 0o600
_EXPECTED: Final = "pass the file of `bridge plan --out FILE`"
_AGAIN: Final = "get the file that was approved, or make a new plan with `bridge plan ENV --out FILE`"
_OTHER: Final = "choose another file for --out"


def read_plan_file(path: Path, sha256: str | None) -> bytes:
    """Return the content of a plan's file; ConfigError if it cannot be read, Refusal if it may not be the approved one.

    With its hash, a file may come from anywhere. Without, it must be a file that no other user can change.
    """
    content = _read(path, is_verified=sha256 is not None)
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise Refusal(Problem(str(path), f"its SHA-256 is {found}, not the approved one", _AGAIN))
    return content


def check_target(path: Path) -> None:
    """Raise Refusal if a plan cannot be written to a file without losing what is there."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or not stat.S_ISREG(status.st_mode):
            raise Refusal(Problem(str(path), _irregular(status.st_mode), _OTHER))
        content = _read(path, is_verified=True)
    except FileNotFoundError:
        if not path.parent.is_dir():
            what = "cannot be written: its folder does not exist"
            raise Refusal(Problem(str(path), what, f"`{command(['mkdir', '-p', str(path.parent)])}`")) from None
        return
    except (OSError, ValueError) as error:
        raise Refusal(_problem(path, "written", error)) from None
    if content and not is_plan(content):
        raise Refusal(Problem(str(path), "exists and is not a plan", _OTHER))


def write_plan_file(path: Path, content: bytes) -> None:
    """Write a plan, readable only for this user, completely or not at all; Refusal if that cannot be done."""
    check_target(path)
    fresh = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    problem = None
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, _PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        problem = _problem(path, "written", error)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    if problem:
        raise Refusal(problem)


def plan_file_text(data: dict[str, Any], quote: Callable[[str], str] = str) -> str:
    """Format the file of a report's data; `quote` marks up a name."""
    path, sha256 = quote(printable(data["path"])), quote(data["sha256"])
    return f"plan file: {path}, valid until {data['expires']}, SHA-256 {sha256}"


def _read(path: Path, *, is_verified: bool) -> bytes:
    shown = str(path)
    try:
        # Opening a pipe without a writer would block forever, hence O_NONBLOCK.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if is_verified else os.O_NOFOLLOW)
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(Problem(shown, _irregular(status.st_mode), _EXPECTED))
            if not is_verified:
                _check_owner(status, shown)
            content = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        if shortage(error):
            raise Unavailable(_problem(path, "read", error)) from None
        raise ConfigError(_problem(path, "read", error)) from None
    if len(content) > LIMIT:
        raise ConfigError(Problem(shown, f"is larger than {LIMIT // 2**20} MiB", _EXPECTED))
    return content


def _check_owner(status: os.stat_result, shown: str) -> None:
    hint = "pass its approved hash with --plan-sha256"
    if status.st_uid not in {0, os.geteuid()}:
        raise Refusal(Problem(shown, "belongs to another user", hint))
    if status.st_mode & _WRITABLE:
        chmod = command(["chmod", "go-w", shown])
        raise Refusal(Problem(shown, "can be changed by other users", f"{hint}, or run `{chmod}`"))


def _irregular(mode: int) -> str:
    return "is a symbolic link" if stat.S_ISLNK(mode) else "is not a regular file"


def _problem(path: Path, done: str, error: OSError | ValueError) -> Problem:
    if getattr(error, "errno", None) == errno.ELOOP:
        return Problem(str(path), "is a symbolic link", "pass the file itself, or its approved hash with --plan-sha256")
    reason = (getattr(error, "strerror", None) or "invalid file name").lower()
    hint = _EXPECTED if done == "read" else _OTHER
    return Problem(str(path), f"cannot be {done}: {reason}", hint)
