"""Scans the history of a git repository: every object once, streamed."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, NamedTuple

from bridge.errors import BridgeError, Problem, Refusal
from bridge.scan.findings import MOST, Enough, Scan
from bridge.scan.git import Repository, pipeline
from bridge.scan.search import CHUNK, Hit

LIST: Final = ("rev-list", "--objects", "--all", "--indexed-objects")
READ: Final = ("cat-file", "--buffer", "--batch=%(objectname) %(objecttype) %(objectsize) %(rest)")
COMMITS: Final = ("rev-list", "--all", "--reverse")
CHANGES: Final = ("diff-tree", "--stdin", "-r", "-m", "--root", "--raw", "--no-renames", "--no-abbrev")
SHORT: Final = 10  # characters of an object's id


class _Object(NamedTuple):
    id: str
    kind: str
    size: int
    path: str


def scan_history(repository: Repository, scan: Scan) -> None:
    """Search files, commits and tags that any reference or the index leads to; what fails is one of its problems."""
    where = str(repository.folder)
    if repository.shallow:
        what = "its history is not complete: older commits are not in this clone"
        scan.warnings.append(Problem(where, what, "git fetch --unshallow", warning=True))
    found: list[tuple[_Object, Hit]] = []
    commits: Mapping[str, str] = {}
    with suppress(Enough):
        try:
            _search(repository, scan, found)
        except BridgeError as error:
            scan.problems.append(error)
    with suppress(BridgeError):  # told already, or only the commits are not known
        commits = _commits(repository, {one.id for one, _ in found if one.kind == "blob"}, scan.deadline)
    for one, hit in found:
        scan.add(_place(one, commits), hit)


def _search(repository: Repository, scan: Scan, found: list[tuple[_Object, Hit]]) -> None:
    with pipeline(repository, scan.deadline, LIST, READ) as output:
        while header := output.readline():
            one = _object(header)
            if one is None:
                missing = Problem(str(repository.folder), "an object of its history is missing", "try `git fsck`")
                scan.problems.append(Refusal(missing))
                continue
            content = _Content(output, one.size)
            for hit in scan.hits(content) if one.kind != "tree" else ():
                found.append((one, hit))
                if len(found) > MOST:
                    raise Enough
            content.skip()


def _object(header: bytes) -> _Object | None:
    """Read the line that stands before an object's content; None where git does not have it."""
    fields = header.decode(errors="surrogateescape").rstrip("\n").split(" ", 3)
    if len(fields) < 4:
        return None
    return _Object(fields[0], fields[1], int(fields[2]), fields[3])


@dataclass
class _Content:
    """One object's content, which is followed by a line feed."""

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


def _commits(repository: Repository, blobs: Collection[str], deadline: float) -> Mapping[str, str]:
    """Return for each blob the oldest commit that brought it."""
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


def _place(one: _Object, commits: Mapping[str, str]) -> str:
    if one.kind != "blob":
        return f"{one.kind} {one.id[:SHORT]} (its message)"
    commit = commits.get(one.id)
    return f"commit {commit} {one.path}" if commit else f"object {one.id[:SHORT]} {one.path}"
