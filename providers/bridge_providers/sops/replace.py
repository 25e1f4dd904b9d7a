"""Replaces a file completely or not at all, with one writer at a time per folder."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.provider import Conflict, Denied, NotFound, ProviderError, Unavailable
from bridge_providers.sops import files

TEMPORARY: Final = ".bridge-unfinished"
"""The temporary name of a file. A killed run leaves it behind, and the next run in the folder deletes it."""
_PRIVATE: Final = 0o600
_PAUSE: Final = 0.05  # seconds
_PATIENCE: Final = 10.0  # seconds; a write takes a fraction of one


@contextlib.contextmanager
def locked(folder: Path, deadline: float) -> Iterator[None]:
    """Lock a folder, and delete what a killed run left there; Unavailable if another run holds the lock."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ProviderError(f"the folder {folder} does not exist", hint="create it first") from error
    except PermissionError as error:
        raise Denied(f"cannot read the folder {folder}: permission denied") from error
    except OSError as error:
        raise ProviderError(f"cannot open the folder {folder}: {error.strerror}") from error
    try:
        _lock(descriptor, min(deadline, time.monotonic() + _PATIENCE))
        with contextlib.suppress(OSError):
            (folder / TEMPORARY).unlink()
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, end: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError as error:
            raise ProviderError(f"cannot lock its folder: {error.strerror}") from error
        else:
            return
        if time.monotonic() > end:
            raise Unavailable("another run of bridge is writing in the same folder")
        time.sleep(_PAUSE)


def current(path: Path) -> bytes | None:
    """Return the content of a file, or None if it does not exist."""
    try:
        return files.read(path)
    except NotFound:
        return None


def check_permitted(path: Path, old: bytes | None) -> None:
    """Raise Denied if the file, or its folder, cannot be written; `old` is the content of the file."""
    if old is not None and not os.access(path, os.W_OK):
        raise Denied("cannot write the file: permission denied")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _denied(path.parent)


def _denied(folder: Path) -> Denied:
    return Denied(f"cannot write to the folder {folder}: permission denied")


def replace(path: Path, old: bytes | None, new: bytes) -> None:
    """Write a file if its content is still `old` (None: it does not exist); else raise Conflict."""
    check_permitted(path, old)
    temporary = path.parent / TEMPORARY
    try:
        _write(temporary, new, path if old is not None else None)
        if current(path) != old:
            raise Conflict("another client changed it in the meantime", hint="read it again, then decide")
        _move(temporary, path, is_new=old is None)
        _sync(path.parent)
    except PermissionError as error:
        raise _denied(path.parent) from error
    except OSError as error:
        raise ProviderError(f"cannot write the file: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(temporary: Path, new: bytes, model: Path | None) -> None:
    """Write a file to disk before it gets its name, with the permissions of the file that it replaces."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(new)
        file.flush()
        if model is not None:
            _adopt(descriptor, model.stat())
        os.fsync(descriptor)


def _adopt(descriptor: int, model: os.stat_result) -> None:
    """Copy owner and mode, or only the mode if this user cannot change the owner."""
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (model.st_uid, model.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, model.st_uid, model.st_gid)
    os.fchmod(descriptor, model.st_mode & 0o777)


def _move(temporary: Path, path: Path, *, is_new: bool) -> None:
    """Give the file its name; a new file never replaces another."""
    if not is_new:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)
    except FileExistsError as error:
        raise Conflict("another client created it in the meantime", hint="read it again, then decide") from error
    except OSError:  # a file system without hard links
        temporary.replace(path)


def _sync(folder: Path) -> None:
    """Make the new name durable, if the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
