"""Opens the files that an operator names: regular ones only, of bounded size, and not behind a link that leads away."""

import os
import stat
from pathlib import Path, PurePath
from typing import Final

from bridge.provider import Denied, NotFound, ProviderError

LIMIT: Final = 10 * 2**20
"""The largest file that is read, in bytes."""


def locate(path: str, base: Path) -> Path:
    """Return the file that `path` names; a relative one starts at `base`, and links may not lead out of there.

    Where a relative path begins with `..`, the folder that those lead to takes the place of `base`.
    """
    if "\0" in path:
        raise ProviderError("the path holds a zero byte")
    if PurePath(path).is_absolute():
        return Path(path)
    ups = [part for part in PurePath(os.path.normpath(path)).parts if part == ".."]
    wall = os.path.realpath(base.joinpath(*ups))
    target = Path(os.path.realpath(base / path))
    if not target.is_relative_to(wall):
        raise ProviderError(f"a link leads out of {wall}")
    return target


def read(path: Path) -> bytes:
    """Return the bytes of a regular file; NotFound, Denied or ProviderError where that is not to be had."""
    # A FIFO without a writer would block in open() for ever, hence O_NONBLOCK.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("no such file") from error
    except PermissionError as error:
        raise Denied("the file may not be read: permission denied") from error
    except OSError as error:
        raise ProviderError(f"the file cannot be opened: {error.strerror}") from error
    except ValueError as error:  # a letter that the locale has not
        raise ProviderError("the file cannot be opened: its name is not one of this system") from error
    try:
        return _read(descriptor)
    except OSError as error:
        raise ProviderError(f"the file cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """Read a file that is open, no further than the limit, whatever size it claims."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ProviderError("is not a regular file")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise ProviderError(f"is larger than {LIMIT // 2**20} MiB")
    return data
