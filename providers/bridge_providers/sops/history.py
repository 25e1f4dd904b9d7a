"""Finds recipients in git who were removed from a file and can still open its data key, for `bridge check`.

It only reports what is proven. Without git, in a shallow clone, or without time, it reports nothing.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bridge.git import Done, Git, GitError, work_tree
from bridge.provider import Context, Problem, ProviderError
from bridge_providers.sops import files, stores
from bridge_providers.sops.check_keys import RENEW
from bridge_providers.sops.lineage import Removed, Step, Version, removed, version_of
from bridge_providers.sops.tree import printable

SECONDS: Final = 10.0  # for all files of one work tree; a file takes a few hundredths of a second
COMMITS: Final = 2000  # the newest that changed the file
BYTES: Final = 2**24  # of all versions together
_RENAMES: Final = 20  # that are searched for
_NAME_SHOWN: Final = 70  # an age recipient has 62
_TODAY: Final = ""  # the id of the file in the work tree
_spent: Final[dict[Path, float]] = {}
"""Seconds that each work tree has taken in this run."""


def problems(path: str, context: Context) -> Iterator[Problem]:
    """Warn of each recipient who was removed while the data key stayed the same."""
    try:
        target = Path(os.path.realpath(files.locate(path, context.base)))
        tree = work_tree(target.parent)
        if tree is None or "\n" in str(target) or _spent.get(tree, 0.0) >= SECONDS:
            return
        now = _version(files.read(target), target.name)
        texts = [_message(removal, now) for removal in _removals(target, now, context, tree)] if now else []
    except (GitError, ProviderError):
        return
    for text in texts:
        yield Problem("", text, RENEW, warning=True)


def _removals(target: Path, now: Version, context: Context, tree: Path) -> list[Removed]:
    begin, spent = time.monotonic(), _spent.get(tree, 0.0)
    # Half of the time that is left for the run: the rest of the check needs the other half.
    history = _History(
        Git(target.parent, context.environ), begin + min(SECONDS - spent, (context.deadline - begin) / 2)
    )
    try:
        history.follow(target.name)
        versions = history.versions()
    finally:
        _spent[tree] = spent + time.monotonic() - begin
    return removed(_TODAY, history.steps, {_TODAY: now, **versions})


def _message(removal: Removed, now: Version) -> str:
    when = f"in commit {removal.commit[:10]}" if removal.commit else "since the last commit"
    count = f"{now.values} value{'s' * (now.values != 1)}"
    still = (
        f"its share of the data key still counts for {count}"
        if now.shared
        else f"the data key it had still opens {count}"
    )
    return f"{_short(removal.recipient)} was removed {when}, but {still}"


def _short(recipient: str) -> str:
    """Shorten a recipient that is a whole public key, but keep its end: keys of one kind begin alike."""
    text = printable(recipient)
    return text if len(text) <= _NAME_SHOWN else f"{text[:20]}…{text[-20:]}"


def _version(data: bytes, name: str) -> "Version | None":
    """Read one version of the file, or return None if it is not a sops file, as before it was encrypted."""
    try:
        return version_of(stores.load(data, stores.store_of(name)))
    except ProviderError:
        return None


class _History:
    """The changes of one file up to HEAD, under each name that it has had. Ids are those of git's blobs."""

    def __init__(self, git: Git, deadline: float) -> None:
        self._git: Final = git
        self._deadline: Final = deadline
        self._prefix = ""  # the folder, as the repository names it
        self._lookups = 0
        self.steps: Final[list[Step]] = []
        self._names: Final[dict[str, str]] = {}  # of each blob; the suffix says how to read it
        self._sizes: Final[dict[str, int]] = {}

    def follow(self, name: str) -> None:
        """Read the steps, newest first; GitError if git cannot tell."""
        self._prefix = self._ask("rev-parse", "--show-prefix").text
        head = self._blobs([f"HEAD:{self._prefix}{name}"])
        if not head:
            return  # not committed yet, or renamed since the last commit
        self.steps.append(Step(_TODAY, tuple(head.values()), None))
        left, seen = [("HEAD", self._prefix + name)], set()
        while left:
            start, path = left.pop(0)
            if (start, path) not in seen and "\n" not in path:
                seen.add((start, path))
                left += self._follow(start, path)

    def versions(self) -> dict[str, Version]:
        """Return the versions that can be read: as many of the newest as fit into the limits of size and time."""
        chosen: list[str] = []
        total = 0
        for blob in self._names:
            total += self._sizes[blob]
            if total > BYTES:
                break
            chosen.append(blob)
        readable: dict[str, Version] = {}
        for blob, data in self._contents(chosen):
            version = _version(data, self._names[blob])
            if version:
                readable[blob] = version
            if time.monotonic() > self._deadline:
                break
        return readable

    def _follow(self, start: str, path: str) -> list[tuple[str, str]]:
        """Add the steps under one name, and return the commits before which the file had another name."""
        words = ("--topo-order", "--full-history", "--simplify-merges", "--parents", f"--max-count={COMMITS}")
        listed = self._ask("rev-list", *words, start, "--", os.path.relpath(path, self._prefix or "."))
        near = {commit: parents for commit, *parents in map(str.split, listed.text.splitlines())}
        real = self._parents(list(near))
        commits = dict.fromkeys([*near, *(parent for parents in real.values() for parent in parents)])
        there = self._blobs(f"{commit}:{path}" for commit in commits)
        earlier: list[tuple[str, str]] = []
        for commit, parents in near.items():
            child = there.get(f"{commit}:{path}", "-")
            before = [there[place] for one in parents if (place := f"{one}:{path}") in there]
            for parent in real.get(commit, ()) if child != "-" else ():
                old = None if f"{parent}:{path}" in there else self._old_name(parent, commit, path)
                if old:
                    before.append(old[0])
                    earlier.append((parent, old[1]))
            before = [one for one in dict.fromkeys(before) if one != child]
            if before:
                self.steps.append(Step(child, tuple(before), commit))
        return earlier

    def _parents(self, commits: list[str]) -> dict[str, list[str]]:
        """Return the real parents of commits; in the history of one file, parents are its nearest changes."""
        if not commits:
            return {}
        listed = self._ask("rev-list", "--no-walk=unsorted", "--parents", "--stdin", feed="\n".join(commits))
        return {commit: parents for commit, *parents in map(str.split, listed.text.splitlines())}

    def _blobs(self, places: Iterable[str]) -> dict[str, str]:
        """Return the blob at each `commit:path` that has one."""
        asked = list(places)
        if not asked:
            return {}
        lines = self._ask("cat-file", "--batch-check", feed="\n".join(asked)).text.splitlines()
        blobs: dict[str, str] = {}
        for place, line in zip(asked, lines, strict=False):
            blob, _, rest = line.partition(" ")
            kind, _, size = rest.partition(" ")
            if kind == "blob" and size.isdecimal() and int(size) <= files.LIMIT:
                blobs[place] = blob
                self._names.setdefault(blob, place.partition(":")[2])
                self._sizes[blob] = int(size)
        return blobs

    def _old_name(self, parent: str, commit: str, path: str) -> tuple[str, str] | None:
        """Return the blob and the path that a commit renamed to this path, or None if the file is new there."""
        self._lookups += 1
        if self._lookups > _RENAMES:
            return None
        words = ("-r", "-z", "-M", "--raw", "--no-abbrev", "--diff-filter=R", parent, commit)
        parts = self._ask("diff-tree", *words).text.split("\0")
        for _, old, new in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
            if new == path:
                blobs = self._blobs([f"{parent}:{old}"])
                return next(((blob, old) for blob in blobs.values()), None)
        return None

    def _contents(self, blobs: list[str]) -> Iterator[tuple[str, bytes]]:
        if not blobs:
            return
        done = self._ask("cat-file", "--batch", feed="\n".join(blobs), most=BYTES + 100 * len(blobs))
        data, at = done.output, 0
        while (end := data.find(b"\n", at)) > 0:
            blob, kind, *size = data[at:end].decode().split(" ")
            begin, at = end + 1, end + 1
            if kind == "blob":
                at += int(size[0]) + 1
                yield blob, data[begin : at - 1]

    def _ask(self, *words: str, feed: str = "", most: int = BYTES) -> Done:
        stdin = os.fsencode(feed) + b"\n" if feed else b""
        done = self._git.run(*words, deadline=self._deadline, feed=stdin, most=most)
        if done.status:
            raise GitError(done.reason)
        return done
