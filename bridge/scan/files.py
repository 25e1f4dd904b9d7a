"""Scan files and folders."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.errors import BridgeError, ConfigError, Problem, Refusal, Unavailable, shortage
from bridge.scan.findings import Scan


def check_path(path: Path) -> None:
    """Raise ConfigError if a path is neither a file nor a folder."""
    if not path.is_file() and not path.is_dir():
        message = "neither a file nor a folder" if path.exists() else "no such file or folder"
        raise ConfigError(Problem(str(path), message))


def scan_files(path: Path, scan: Scan) -> None:
    """Search a file, or all files below a folder. Unreadable files are added to the scan's problems.

    Links below the folder are not followed. `.git` is skipped, because its content is packed, and so is everything that
    is not a regular file, because opening a pipe would block forever.
    """
    for file in _below(path, scan.problems) if path.is_dir() else [path]:
        # Follow a link that was named, but not a link that was created since the folder was listed.
        _scan_file(file, scan, 0 if file is path else os.O_NOFOLLOW)


def _below(folder: Path, problems: list[BridgeError]) -> Iterator[Path]:
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            with os.scandir(current) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            problems.append(_unreadable(current, error))
            continue
        inner = [one for one in entries if one.is_dir(follow_symlinks=False) and one.name != ".git"]
        folders += [Path(one.path) for one in reversed(inner)]
        yield from (Path(one.path) for one in entries if one.is_file(follow_symlinks=False))


def _scan_file(path: Path, scan: Scan, flags: int) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
        with io.FileIO(descriptor) as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                for hit in scan.hits(file):
                    scan.add(str(path), hit)
    except OSError as error:
        # Removed since it was listed, or now a link: there is nothing to find.
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            scan.problems.append(_unreadable(path, error))


def _unreadable(path: Path, error: OSError) -> BridgeError:
    problem = Problem(str(path), f"cannot be read: {(error.strerror or 'unknown reason').lower()}")
    return Unavailable(problem) if shortage(error) else Refusal(problem)
