"""Follows the history of many files at once, in a few runs of git: every change, under each name that a file has had.

`rev-list` finds the commits and `diff-tree` what each of them changed, for all files together. If a file appears in a
commit, `diff-tree -M` says which file it was before, and the search goes on under that name in the commit's parents.
Dates order nothing: a clock may have gone back.
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Final, TypeAlias, TypeVar

from bridge.git import Git, GitError, GitLate, end, kill, work_tree
from bridge.named_tuple import NamedTuple

SHORT: Final = 10
"""How many characters of a commit's id are shown."""
LARGEST: Final = 2**24
"""How many bytes a version may have to be read."""
_LONGEST_TIME: Final = 15  # digits
_MOST: Final = 2**28  # how many bytes git may print for one question
_FORMAT: Final = "--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%ct"
_FIELDS: Final = 5  # the zero bytes in a line of this format
_FILES: Final = frozenset({b"100644", b"100755"})  # the modes of regular files
_FEWER: Final = 8  # how many files a folder must have to be followed as a whole

Key = TypeVar("Key")
Part = TypeVar("Part")
Same: TypeAlias = Callable[[Part, Part], bool]


class Commit(NamedTuple):
    """A commit: who has written it, by name and address, and when (in seconds since 1970).

    `committed` is later than `time` if the commit was amended, rebased or picked.
    """

    id: str
    author: str
    email: str
    time: int
    committed: int = 0

    @property
    def short(self) -> str:
        """The id as it is shown."""
        return self.id[:SHORT]


class BlobChange(NamedTuple):
    """A version of a file, or its removal, that differs from what the commit's parents have.

    - `path`: the file's name in this commit, from the repository's top.
    - `blob`: the id of the new version, or None if the commit removed the file.
    - `before`: the ids of the other versions that the parents have; empty if the file is new.
    - `is_taken`: whether the commit only took over the version of a parent, as a merge or a rename does.
    """

    commit: Commit
    path: str
    blob: str | None
    before: tuple[str, ...]
    is_taken: bool = False


class Repository(NamedTuple):
    """A repository, in whose top folder git is run. All paths are relative to it."""

    git: Git
    top: Path
    deadline: float

    def ask(self, *words: str, feed: Iterable[str] = ()) -> bytes:
        """Return what git prints; raise GitError if it fails."""
        stdin = os.fsencode("".join(f"{line}\n" for line in feed))
        done = self.git.run(*words, deadline=self.deadline, feed=stdin, most=_MOST)
        if done.status:
            raise GitError(done.reason)
        return done.output

    @property
    def is_shallow(self) -> bool:
        """Whether the clone has only a part of the history."""
        return self.ask("rev-parse", "--is-shallow-repository").strip() != b"false"

    @property
    def has_commits(self) -> bool:
        """Whether HEAD is a commit; it is none in a new repository."""
        words = ("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return self.git.run(*words, deadline=self.deadline).status == 0


def repository_of(file: Path, environ: Mapping[str, str], deadline: float) -> Repository:
    """Return the repository that contains a file; GitError if there is none."""
    top = work_tree(file.parent)
    if top is None:
        raise GitError("not in a git repository")
    return Repository(Git(top, environ), top, deadline)


def blobs_at(repository: Repository, commit: str, paths: Iterable[str]) -> Mapping[str, str]:
    """Return the id of each file that is in a commit."""
    asked = [path for path in paths if "\n" not in path]
    if not asked:
        return {}
    lines = repository.ask("cat-file", "--batch-check", feed=[f"{commit}:{path}" for path in asked]).splitlines()
    found = (line.split(b" ") for line in lines)
    pairs = zip(asked, found, strict=False)
    return {path: words[0].decode() for path, words in pairs if len(words) == 3 and words[1] == b"blob"}


def names_of(changes: Iterable[BlobChange]) -> dict[str, str]:
    """Return each version's id with the name that it first had, newest first: its suffix says how to read it."""
    listed = list(changes)
    names = {change.blob: change.path for change in reversed(listed) if change.blob}
    order = dict.fromkeys(id_ for change in listed for id_ in (change.blob, *change.before) if id_)
    others = {id_: change.path for change in listed for id_ in change.before}
    return {id_: names.get(id_) or others[id_] for id_ in order}


def origins(
    changes: Iterable[BlobChange], now: Mapping[Key, Part], parts: Mapping[str, Mapping[Key, Part]], same: Same[Part]
) -> dict[Key, BlobChange]:
    """Return, for each part of a file as it is now, the newest change that brought it.

    `changes` are newest first. `parts` has the parts of each version; versions without an entry cannot be read.
    """
    found: dict[Key, BlobChange] = {}
    listed, left = list(changes), dict(now)
    earlier = {change.blob: change.before for change in reversed(listed) if change.blob not in parts}
    for change in listed:
        child = parts.get(change.blob) if change.blob else None
        if child is None or change.is_taken:
            continue
        before = [parts[one] for one in _readable(change.before, parts, earlier)]
        for key, part in [*left.items()]:
            if (
                key in child
                and same(child[key], part)
                and not any(key in old and same(old[key], part) for old in before)
            ):
                found[key] = change
                del left[key]
        if not left:
            break
    return found


def before_of(change: BlobChange, changes: Iterable[BlobChange], readable: Container[str | None]) -> tuple[str, ...]:
    """Return the versions before a change; instead of one that cannot be read, the versions before that."""
    if all(one in readable for one in change.before):
        return change.before
    earlier = {one.blob: one.before for one in changes if one.blob not in readable}
    return tuple(_readable(change.before, readable, earlier))


def _readable(
    versions: Iterable[str], readable: Container[str | None], earlier: Mapping[str | None, tuple[str, ...]]
) -> Iterator[str]:
    """Yield versions; instead of one that cannot be read, the versions before it."""
    left, seen = [*versions], set[str]()
    while left:
        version = left.pop(0)
        if version in readable:
            yield version
        elif version not in seen:
            seen.add(version)
            left += earlier.get(version, ())


def contents(repository: Repository, blobs: Iterable[str], sizes: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield the content of each blob. With `sizes`, stop before the blobs have more bytes in all than that."""
    asked = list(dict.fromkeys(blobs))
    if not asked:
        return
    wanted, total = [], 0
    for line in repository.ask("cat-file", "--batch-check", feed=asked).splitlines():
        blob, kind, *size = line.decode().split(" ")
        if kind != "blob" or int(size[0]) > LARGEST:
            continue  # not a file that anyone reads, or missing, as in a partial clone
        total += int(size[0])
        if sizes is not None and total > sizes:
            break
        wanted.append(blob)
    if wanted:
        yield from _read(repository, wanted)


def _read(repository: Repository, blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the contents while git prints them: it unpacks the next files while the caller parses these."""
    from subprocess import PIPE  # noqa: PLC0415 - start-up, as in bridge.git

    process = repository.git.start("cat-file", "--buffer", "--batch", stdin=PIPE)
    watch = threading.Timer(max(0.0, repository.deadline - time.monotonic()), kill, (process,))
    watch.daemon = True
    try:
        watch.start()
        assert process.stdin
        assert process.stdout
        threading.Thread(target=_feed, args=(process.stdin, blobs), daemon=True).start()
        count = 0
        while header := process.stdout.readline():
            blob, _, size = header.decode().split(" ")
            content = process.stdout.read(int(size) + 1)
            if len(content) <= int(size):
                break
            count += 1
            yield blob, content[:-1]
        process.wait()
    finally:
        watch.cancel()
        end(process)
    if count < len(blobs):
        if time.monotonic() >= repository.deadline:
            raise GitLate("git did not answer in time")
        raise GitError("an object is missing or damaged")


def _feed(pipe: IO[bytes], blobs: Sequence[str]) -> None:
    with suppress(OSError, ValueError), pipe:  # git may have ended
        pipe.write("".join(f"{blob}\n" for blob in blobs).encode())


def follow(
    repository: Repository, paths: Collection[str], start: str = "HEAD", most: int | None = None
) -> Mapping[str, Sequence[BlobChange]]:
    """Return the changes of each file up to a commit, newest first; GitError if git cannot tell.

    `paths` are relative to the repository's top. With `most`, only so many of the newest commits of each name count.
    """
    return _Follower(repository, most).follow(paths, start)


_Side: TypeAlias = "dict[str, tuple[str | None, str | None]]"
"""The files that differ between a commit and one of its parents: the old and the new blob, or None."""


class _Raw(NamedTuple):
    """A line of `diff-tree --raw`."""

    status: str
    old: str | None
    new: str | None
    path: str
    source: str


class _Listed(NamedTuple):
    """A commit that may change one of the files, and the nearest such commits before it."""

    commit: Commit
    parents: tuple[str, ...]


class _Source(NamedTuple):
    """What a file was before a commit: its name and its blob in a parent."""

    path: str
    blob: str


class _Trail(NamedTuple):
    """The changes of a file under one name, newest first, and the trails that lead on from there."""

    changes: list[BlobChange]
    earlier: list[tuple[str, str]]


class _Follower:
    """Follows files name by name. A trail begins at the commit that gave the file its next name, or at the newest."""

    def __init__(self, repository: Repository, most: int | None) -> None:
        self._repository: Final = repository
        self._most: Final = () if most is None else (f"--max-count={most}",)
        self._trails: Final[dict[tuple[str, str], _Trail]] = {}
        self._parents: Final[dict[str, tuple[str, ...]]] = {}
        self._newest = ""

    def follow(self, paths: Collection[str], start: str) -> Mapping[str, Sequence[BlobChange]]:
        """Return the changes of each file up to a commit."""
        left = {(start, path) for path in paths}
        self._newest = start
        while left:
            self._walk(left)
            left = {one for key in left for one in self._trails[key].earlier} - self._trails.keys()
        return {path: self._joined((start, path)) for path in paths}

    def _joined(self, first: tuple[str, str]) -> list[BlobChange]:
        changes: list[BlobChange] = []
        left, seen = [first], {first}
        while left:
            trail = self._trails[left.pop(0)]
            changes += trail.changes
            new = [one for one in dict.fromkeys(trail.earlier) if one not in seen]
            seen.update(new)
            left += new
        return changes

    def _walk(self, trails: set[tuple[str, str]]) -> None:
        """Find the changes of several files, each up to a commit of its own and under one name."""
        paths = frozenset(path for _, path in trails)
        listed = self._listed(sorted({start for start, _ in trails}), sorted(paths))
        before = self._before(listed, paths)
        changes = {(one.commit.id, one.path): one for one in _Graph(listed, before).changes()}
        sources = self._sources(_appeared(before))
        for (commit, path), found in sources.items():
            change = changes.get((commit, path)) or _taken(listed, before, commit, path)
            olds = [one.blob for one in found if one.blob != change.blob]
            before_it = tuple(dict.fromkeys([*change.before, *olds]))
            is_taken = change.is_taken or len(olds) < len(found)
            changes[commit, path] = change._replace(before=before_it, is_taken=is_taken)
        order = {one.commit.id: number for number, one in enumerate(listed)}
        by_path = defaultdict(list)
        for change in sorted(changes.values(), key=lambda one: order[one.commit.id]):
            by_path[change.path].append(change)
        parents = {one.commit.id: one.parents for one in listed}
        reachable: dict[str, Collection[str]] = {}
        for start, path in trails:
            if start not in reachable:
                # A name that became another one is followed from the commit that renamed it, which is listed too.
                reachable[start] = parents.keys() if start == self._newest else _ancestors(start, parents)
            own = [one for one in by_path[path] if one.commit.id in reachable[start]]
            earlier = [(one.commit.id, old.path) for one in own for old in sources.get((one.commit.id, path), ())]
            self._trails[start, path] = _Trail(own, earlier)

    def _listed(self, starts: list[str], paths: list[str]) -> list[_Listed]:
        """Return the commits that may change a file, newest first, and never a parent before its child."""
        words = ("--topo-order", "--full-history", "--parents", "--encoding=UTF-8", *self._most, _FORMAT)
        lines = self._repository.ask("rev-list", *words, *starts, "--", *self._places(paths)).split(b"\n")
        listed = []
        for line in lines:
            if line.count(b"\0") == _FIELDS:  # a line above each has only the id
                commit, parents, name, email, *times = line.decode(errors="replace").split("\0")
                listed.append(_Listed(Commit(commit, name, email, *map(_seconds, times)), tuple(parents.split())))
        return listed

    def _places(self, paths: Sequence[str]) -> Sequence[str]:
        """Return the paths, or their folders if these are fewer: git compares each name with all that it is given.

        With a limit on commits, others in a folder may not count.
        """
        folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 - names in git
        is_few = len(folders) * _FEWER < len(paths) and "" not in folders and not self._most
        return sorted(folders) if is_few else paths

    def _before(self, listed: list[_Listed], paths: frozenset[str]) -> Mapping[str, list[_Side]]:
        """Return, for each commit and each of its parents, the files that differ there."""
        real = self._real_parents([one.commit.id for one in listed])
        pairs = [(one.commit.id, parent) for one in listed for parent in real[one.commit.id] or ("",)]
        words = ("--stdin", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--root", "--always")
        # One folder, because git compares each name with all that it is given.
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 - names in git
        output = self._compare(pairs, *words, *(("--", folder) if folder else ()))
        found: dict[str, list[_Side]] = {one.commit.id: [] for one in listed}
        for (commit, _), side in zip(pairs, output, strict=True):
            found[commit].append({one.path: (one.old, one.new) for one in side if one.path in paths})
        return found

    def _real_parents(self, commits: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Return all parents of commits; `_listed` has only those that may change a file."""
        words = ("--no-walk=unsorted", "--parents", "--stdin")
        if new := [one for one in commits if one not in self._parents]:
            lines = self._repository.ask("rev-list", *words, feed=new).decode().splitlines()
            self._parents.update((commit, tuple(parents)) for commit, *parents in map(str.split, lines))
        return {one: self._parents.get(one, ()) for one in commits}

    def _sources(self, appeared: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], list[_Source]]:
        """Return what files were before they appeared in a commit: renamed, or in another format by the same name."""
        wanted = defaultdict(set)
        for commit, path in appeared:
            wanted[commit].add(path)
        real = self._real_parents(wanted)
        pairs = [(commit, parent) for commit, parents in real.items() for parent in parents]
        words = ("--stdin", "-r", "-z", "--raw", "--no-abbrev", "-M", "--diff-filter=RD", "--always")
        found: dict[tuple[str, str], list[_Source]] = defaultdict(list)
        for (commit, _), side in zip(pairs, self._compare(pairs, *words), strict=True):
            for one in side:
                for path in wanted[commit] if one.old else ():
                    if one.path == path if one.status == "R" else _is_same_in_other_format(one.source, path):
                        found[commit, path].append(_Source(one.source, one.old or ""))
        return found

    def _compare(self, pairs: Sequence[tuple[str, str]], *words: str) -> Sequence[list[_Raw]]:
        """Compare each commit with a parent, or with nothing; return the files that differ, pair by pair."""
        if not pairs:
            return []
        output = self._repository.ask("diff-tree", *words, feed=(f"{one} {other}".rstrip() for one, other in pairs))
        sides: list[list[_Raw]] = []
        parts = iter(output.split(b"\0"))
        for part in filter(None, parts):
            if not part.startswith(b":"):
                sides.append([])
                continue
            old_mode, new_mode, old, new, status = part[1:].split(b" ")
            source = os.fsdecode(next(parts))
            path = os.fsdecode(next(parts)) if status.startswith(b"R") else source
            before = old.decode() if old_mode in _FILES else None
            after = new.decode() if new_mode in _FILES else None
            sides[-1].append(_Raw(status[:1].decode(), before, after, path, source))
        if len(sides) != len(pairs):
            raise GitError("git's comparison of commits cannot be read")
        return sides


def _appeared(before: Mapping[str, list[_Side]]) -> set[tuple[str, str]]:
    """Return the files that a commit has and one of its parents has not."""
    return {
        (commit, path)
        for commit, sides in before.items()
        for side in sides
        for path, (old, new) in side.items()
        if new and not old
    }


def _taken(listed: list[_Listed], before: Mapping[str, list[_Side]], commit: str, path: str) -> BlobChange:
    """Return the change of a merge that has a file from one of its sides, where another side has not the name."""
    blob = next(side[path][1] for side in before[commit] if path in side)
    return BlobChange(next(one.commit for one in listed if one.commit.id == commit), path, blob, (), is_taken=True)


def _ancestors(start: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the listed commits before a commit."""
    found, left = set[str](), list(parents[start])
    while left:
        commit = left.pop()
        if commit not in found and commit in parents:
            found.add(commit)
            left += parents[commit]
    return found


class _Graph:
    """Decides which differences between a commit and its parents are changes of a file.

    A merge that took the version of one side changes the file only for the other side, and only if that side has
    changed the file too since they parted. `git log --simplify-merges` decides the same for one file.
    """

    def __init__(self, listed: list[_Listed], before: "Mapping[str, list[_Side]]") -> None:
        self._listed: Final = listed
        self._before: Final = before
        self._seen: Final[dict[str, int]] = {}  # for each commit, the set of changes up to it, as bits
        self._of_path: Final[dict[str, int]] = defaultdict(int)  # the bits of a file's changes
        self._children: Final[dict[str, int]] = defaultdict(int)
        self._bit = 1

    def changes(self) -> list[BlobChange]:
        """Return all changes, newest first."""
        for one in self._listed:
            for parent in one.parents:
                self._children[parent] += 1
        found: list[BlobChange] = []
        for one in reversed(self._listed):
            states = [self._take(parent) for parent in one.parents]
            state = _union(states)
            for change in self._of_commit(one, states):
                found.append(change)
                if not change.is_taken:
                    self._of_path[change.path] |= self._bit
                    state |= self._bit
                    self._bit <<= 1
            self._seen[one.commit.id] = state
        found.reverse()
        return found

    def _take(self, parent: str) -> int:
        """Return the changes up to a parent, and forget them after its last child: the sets are large."""
        self._children[parent] -= 1
        if self._children[parent]:
            return self._seen.get(parent, 0)
        return self._seen.pop(parent, 0)

    def _of_commit(self, one: _Listed, states: list[int]) -> Iterator[BlobChange]:
        sides = self._before[one.commit.id]
        for path in dict.fromkeys(name for side in sides for name in side):
            new = next(side[path][1] for side in sides if path in side)
            olds = [side[path][0] for side in sides if path in side]
            if is_taken := len(olds) < len(sides):
                olds = self._newer(path, sides, states)
                if not olds:
                    continue
            before = tuple(dict.fromkeys(filter(None, olds)))
            if new or before:  # neither is a file if a link was removed
                yield BlobChange(one.commit, path, new, before, is_taken)

    def _newer(self, path: str, sides: list[_Side], states: list[int]) -> list[str | None]:
        """Return the versions of those sides that have changes which the side that a merge took has not."""
        if len(states) < len(sides):
            return []  # git has left out a side on which no file has changed
        taken = _union(state for side, state in zip(sides, states, strict=True) if path not in side)
        own = self._of_path[path] & ~taken
        return [side[path][0] for side, state in zip(sides, states, strict=True) if path in side and state & own]


def _union(states: Iterable[int]) -> int:
    found = 0
    for state in states:
        found |= state
    return found


def _seconds(text: str) -> int:
    """Return a commit's time; a damaged commit may have none."""
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and digits.isascii() and len(digits) <= _LONGEST_TIME else 0


def _is_same_in_other_format(old: str, new: str) -> bool:
    """Return whether two names are equal but for their last suffix, as `a.yaml` and `a.json`."""
    return old != new and PurePosixPath(old).with_suffix("") == PurePosixPath(new).with_suffix("")
