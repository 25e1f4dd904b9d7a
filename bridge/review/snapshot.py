"""Reads an environment's files as they are in a commit or in the working tree. No link leads out of the repository."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from bridge.config.textfile import LIMIT, read_content, too_large
from bridge.errors import ConfigError, Problem
from bridge.git_history import Repository, contents

_OUTSIDE: Final = "a link leads out of the repository, or in a circle"
_INSTEAD: Final = "put the file itself into the repository"
_LINKS: Final = frozenset({b"symlink", b"loop"})
_ABSENT: Final = frozenset({b"dangling", b"notdir"})
_FETCH: Final = "in a partial clone, fetch it first: `git fetch --refetch --no-filter`"


class Snapshot(Protocol):
    """The files of one side. Paths are relative to the repository's top, without `..`."""

    def fetch(self, paths: Iterable[str]) -> None:
        """Prepare to read files: many at once take less time. GitError if git fails."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the content of a file that was fetched, or None if it does not exist; ConfigError if it is unfit."""
        ...


class WorkingTreeFiles:
    """The files on the disk, committed or not."""

    def __init__(self, top: Path) -> None:
        self._top: Final = top

    def fetch(self, paths: Iterable[str]) -> None:
        """Do nothing: a file is read when it is asked for."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file."""
        file = self._top / path
        real = Path(os.path.realpath(file))
        if not real.is_relative_to(self._top) or ".git" in real.relative_to(self._top).parts:
            raise ConfigError(Problem(path, _OUTSIDE, _INSTEAD))
        if not os.path.exists(real):  # noqa: PTH110 - Path.exists raises if a folder is inaccessible
            return None
        try:
            return read_content(file, path)
        except FileNotFoundError:
            return None


class CommitFiles:
    """The files of a commit."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository: Final = repository
        self._commit: Final = commit
        self._found: Final[dict[str, bytes | ConfigError | None]] = {}

    def fetch(self, paths: Iterable[str]) -> None:
        """Read several files in a few runs of git."""
        new = [path for path in dict.fromkeys(paths) if path not in self._found]
        asked = [path for path in new if path.isprintable()]
        self._found.update(dict.fromkeys(new))
        if not asked:
            return
        names = self._locate(asked)
        self._check_complete([path for path in asked if self._found[path] is None and path not in names])
        blobs = dict(contents(self._repository, names.values()))
        for path, blob in names.items():
            self._found[path] = blobs.get(blob, ConfigError(Problem(path, "git lacks its content", _FETCH)))

    def read(self, path: str) -> bytes | None:
        """Return the content of a file."""
        found = self._found[path]
        if isinstance(found, ConfigError):
            raise found
        return found

    def _locate(self, paths: list[str]) -> Mapping[str, str]:
        """Return the id of each file; what is in its place instead is recorded."""
        feed = [f"{self._commit}:{path}" for path in paths]
        answer = self._repository.ask("cat-file", "--batch-check", "--follow-symlinks", feed=feed)
        names: dict[str, str] = {}
        for path in paths:
            line, _, answer = answer.partition(b"\n")
            first, *words = line.split(b" ")
            if first in _LINKS | _ABSENT:
                answer = answer[int(words[0]) + 1 :]
            if first in _LINKS:
                self._found[path] = ConfigError(Problem(path, _OUTSIDE, _INSTEAD))
            elif b":" in first:
                continue  # git repeats a name that it does not know
            elif words[0] == b"blob":
                if int(words[1]) > LIMIT:
                    self._found[path] = too_large(path)
                else:
                    names[path] = first.decode()
            elif first not in _ABSENT:
                self._found[path] = ConfigError(Problem(path, "not a regular file"))
        return names

    def _check_complete(self, absent: list[str]) -> None:
        """Raise ConfigError if a file only seems absent, because a partial clone lacks its content."""
        if not absent:
            return
        words = ("--objects", "--no-walk", "--missing=print", self._commit, "--", *absent)
        if any(line.startswith(b"?") for line in self._repository.ask("rev-list", *words).splitlines()):
            raise ConfigError(Problem(str(self._repository.top), "git lacks the content of files", _FETCH))
