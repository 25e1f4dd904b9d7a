"""Checks whether other users can change a file or a folder above it: ssh's rule, except for /tmp."""

import os
import stat
from pathlib import Path
from typing import Final

from bridge.errors import Problem

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS: Final = 40  # the limit in Linux


def writable_by_others(path: Path) -> Problem | None:
    """Return the reason why another user can change a file, or None; OSError if the file does not exist.

    The file, every folder above it and every link on the way must belong to root or to this user, and must not be
    writable by their group or by others. Folders with the sticky bit, such as /tmp, may be writable: nobody can replace
    someone else's file there.
    """
    here, left = "/", _parts(str(path.absolute()))
    problem = _problem(here)
    links = 0
    while left and problem is None:
        part = left.pop()
        here = os.path.dirname(here) if part == ".." else os.path.join(here, part)  # noqa: PTH118, PTH120 - links matter
        problem = _problem(here)
        if os.path.islink(here):  # noqa: PTH114 - as above
            links += 1
            if links > _MOST_LINKS:
                raise OSError(None, "too many symbolic links")
            target = os.readlink(here)  # noqa: PTH115 - as above
            here = "/" if target.startswith("/") else os.path.dirname(here)  # noqa: PTH120 - as above
            left += _parts(target)
    return problem


def _parts(path: str) -> list[str]:
    """Return the parts of a path in reverse order."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _problem(path: str) -> Problem | None:
    status = os.lstat(path)
    if status.st_uid not in {0, os.geteuid()}:
        return Problem(path, "belongs to another user", f"sudo chown root {path}")
    is_sticky_folder = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if not stat.S_ISLNK(status.st_mode) and status.st_mode & _WRITABLE and not is_sticky_folder:
        return Problem(path, "can be changed by other users", f"chmod go-w {path}")
    return None
