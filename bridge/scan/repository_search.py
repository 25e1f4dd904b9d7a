"""Searches the history of a git repository: every object once, streamed."""

import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bridge.errors import BridgeError, Problem, Refusal
from bridge.git import Git, GitError, GitLate, end, kill
from bridge.named_tuple import NamedTuple
from bridge.scan.findings import MOST, Enough, Scan, late
from bridge.scan.search import CHUNK, Hit

if TYPE_CHECKING:
    from subprocess import Popen
LIST: Final = ("rev-list", "--objects", "--all", "--indexed-objects")
READ: Final = ("cat-file", "--buffer", "--batch=%(objectname) %(objecttype) %(objectsize) %(rest)")
COMMITS: Final = ("rev-list", "--all", "--reverse")
CHANGES: Final = ("diff-tree", "--stdin", "-r", "-m", "--root", "--raw", "--no-renames", "--no-abbrev")
SHORT: Final = 10  # how many characters of an object's ID are shown


class SearchedRepository(NamedTuple):
    """A repository and one of its folders; `store` is the folder that all its worktrees share."""

    folder: Path
    store: str
    shallow: bool
    git: Git


def repository_of(path: Path, environ: Mapping[str, str], deadline: float) -> SearchedRepository:
    """Return the repository that contains a path; raise Refusal if there is none or git is missing."""
    folder = path if path.is_dir() else path.parent
    try:
        git = Git(folder, environ)
        done = git.run("rev-parse", "--git-common-dir", "--is-shallow-repository", deadline=deadline)
    except GitLate:
        raise Refusal(Problem("git", "did not answer in time", "raise --timeout")) from None
    except GitError as error:
        raise Refusal(Problem(str(path), f"cannot read its history: {error}")) from None
    if done.status:
        raise Refusal(Problem(str(path), f"cannot read its history: {done.reason}"))
    store, _, shallow = done.text.rpartition("\n")
    return SearchedRepository(folder, os.path.realpath(folder / store), shallow == "true", git)


@contextmanager
def pipeline(repository: SearchedRepository, deadline: float, *commands: tuple[str, ...]) -> Iterator[IO[bytes]]:
    """Run git commands in a pipe and yield the output of the last command; raise Refusal if a command fails.

    The commands are killed at the deadline, or if the caller stops early.
    """
    started: list[Popen[bytes]] = []
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), _kill, (started,))
    watch.daemon = True
    try:
        for command in commands:
            started.append(_start(repository.git, command, started[-1].stdout if started else None))
        watch.start()
        output = started[-1].stdout
        assert output
        with output:
            yield output
        failed = [command[0] for command, process in zip(commands, started, strict=True) if process.wait()]
    finally:
        watch.cancel()
        for process in started:
            end(process)
    if time.monotonic() > deadline:
        raise late()
    if failed:
        hint = "try `git fsck`; in a partial clone, fetch the missing objects first"
        raise Refusal(Problem(str(repository.folder), f"cannot read its history: git {failed[0]} failed", hint))


def _start(git: Git, command: tuple[str, ...], source: IO[bytes] | None) -> "Popen[bytes]":
    try:
        return git.start(*command, stdin=source)
    except GitError as error:
        raise Refusal(Problem("git", str(error))) from None
    finally:
        if source:
            source.close()  # the new process has it now


def _kill(started: "list[Popen[bytes]]") -> None:
    for process in started:
        kill(process)


class _Object(NamedTuple):
    id: str
    kind: str
    size: int
    path: str


def scan_history(repository: SearchedRepository, scan: Scan) -> None:
    """Search all files, commits and tags reachable from references or the index; record failures as problems."""
    where = str(repository.folder)
    if repository.shallow:
        message = "its history is incomplete: this is a shallow clone"
        scan.warnings.append(Problem(where, message, "run `git fetch --unshallow`", warning=True))
    hits: list[tuple[_Object, Hit]] = []
    commits: Mapping[str, str] = {}
    with suppress(Enough):
        try:
            _search(repository, scan, hits)
        except BridgeError as error:
            scan.problems.append(error)
    with suppress(BridgeError):  # already reported, or only the commits are unknown
        commits = _commits(repository, {item.id for item, _ in hits if item.kind == "blob"}, scan.deadline)
    for item, hit in hits:
        scan.add(_place(item, commits), hit)


def _search(repository: SearchedRepository, scan: Scan, hits: list[tuple[_Object, Hit]]) -> None:
    with pipeline(repository, scan.deadline, LIST, READ) as output:
        while header := output.readline():
            item = _object(header)
            if item is None:
                missing = Problem(str(repository.folder), "an object of its history is missing", "try `git fsck`")
                scan.problems.append(Refusal(missing))
                continue
            content = _Content(output, item.size)
            for hit in scan.hits(content) if item.kind != "tree" else ():
                hits.append((item, hit))
                if len(hits) > MOST:
                    raise Enough
            content.skip()


def _object(header: bytes) -> _Object | None:
    """Parse the line before an object's content; return None if git does not have the object."""
    fields = header.decode(errors="surrogateescape").rstrip("\n").split(" ", 3)
    if len(fields) < 4:
        return None
    return _Object(fields[0], fields[1], int(fields[2]), fields[3])


@dataclass
class _Content:
    """One object's content, which is followed by a newline."""

    output: IO[bytes]
    left: int

    def readinto(self, buffer: memoryview, /) -> int | None:
        count = self.output.readinto(buffer[: self.left])  # type: ignore[attr-defined] # a pipe's reader has it
        self.left -= count
        return int(count)

    def skip(self) -> None:
        while self.left > 0 and (content := self.output.read(min(self.left, CHUNK))):
            self.left -= len(content)
        self.output.read(1)


def _commits(repository: SearchedRepository, blobs: Collection[str], deadline: float) -> Mapping[str, str]:
    """Return, for each blob, the oldest commit that added it."""
    commits: dict[str, str] = {}
    if not blobs:
        return commits
    with pipeline(repository, deadline, COMMITS, CHANGES) as output:
        for commit, blob in _changes(output):
            if blob in blobs:
                commits.setdefault(blob, commit)
    return commits


def _changes(output: IO[bytes]) -> Iterator[tuple[str, str]]:
    commit = ""
    for line in output:
        if line.startswith(b":"):
            yield commit, line.split(b" ", 4)[3].decode()
        else:
            commit = line[:SHORT].decode()


def _place(item: _Object, commits: Mapping[str, str]) -> str:
    if item.kind != "blob":
        return f"{item.kind} {item.id[:SHORT]} (its message)"
    commit = commits.get(item.id)
    return f"commit {commit} {item.path}" if commit else f"object {item.id[:SHORT]} {item.path}"
