"""Reads regular files of bounded size, and follows no link that leads outside."""

import os
import stat
from pathlib import Path, PurePath
from typing import Final

from bridge.provider import Denied, NotFound, ProviderError

LIMIT: Final = 10 * 2**20
"""The largest file that is read, in bytes."""


def locate(path: str, base: Path) -> Path:
    """Return the file at `path`, relative to `base`, which links may not lead out of.

    If a relative path begins with `..`, links may not lead out of the folder above instead.
    """
    if "\0" in path:
        raise ProviderError("the path contains a zero byte")
    if PurePath(path).is_absolute():
        return Path(path)
    ups = [part for part in PurePath(os.path.normpath(path)).parts if part == ".."]
    wall = os.path.realpath(base.joinpath(*ups))
    target = Path(os.path.realpath(base / path))
    if not target.is_relative_to(wall):
        raise ProviderError(f"a link leads out of {wall}")
    return target


def read(path: Path) -> bytes:
    """Return the bytes of a regular file; NotFound, Denied or ProviderError if it cannot be read."""
    # Without O_NONBLOCK, open() would wait forever for the writer of a FIFO.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("no such file") from error
    except PermissionError as error:
        raise Denied("cannot read the file: permission denied") from error
    except OSError as error:
        raise ProviderError(f"cannot open the file: {error.strerror}") from error
    except ValueError as error:  # a character that the locale cannot encode
        raise ProviderError("cannot open the file: its name is not valid on this system") from error
    try:
        return _read(descriptor)
    except OSError as error:
        raise ProviderError(f"cannot read the file: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """Read an open file up to the limit, whatever size it reports."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ProviderError("is not a regular file")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = file.read(LIMIT + 1)
    check_size(data)
    return data


def check_size(data: bytes) -> None:
    """Raise ProviderError for more than the largest file."""
    if len(data) > LIMIT:
        raise ProviderError(f"is larger than {LIMIT // 2**20} MiB")
