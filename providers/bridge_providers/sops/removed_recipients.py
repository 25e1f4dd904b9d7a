"""Finds recipients in git who were removed from a file and can still open its data key, for `bridge check`.

It only reports what is proven. Without git, in a shallow clone, or without time, it reports nothing.
"""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bridge.git import Git, GitError, work_tree
from bridge.git_history import Repository, blobs_at, contents, follow, names_of
from bridge.provider import Context, Problem, ProviderError
from bridge_providers.sops import files
from bridge_providers.sops.check_keys import RENEW
from bridge_providers.sops.lineage import Removed, Step, Version, removed, version_of
from bridge_providers.sops.outline import outline
from bridge_providers.sops.tree import printable

SECONDS: Final = 10.0  # for all files of one work tree; a file takes a few hundredths of a second
COMMITS: Final = 2000  # the newest that changed the file
BYTES: Final = 2**24  # of all versions together
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
    deadline = begin + min(SECONDS - spent, (context.deadline - begin) / 2)
    try:
        repository = Repository(Git(tree, context.environ), tree, deadline)
        path = str(target.relative_to(tree))
        head = blobs_at(repository, "HEAD", [path])
        if not head:
            return []  # not committed yet, or renamed since the last commit
        changes = follow(repository, [path], most=COMMITS)[path]
        steps = [Step(_TODAY, (head[path],), None)]
        steps += [Step(one.blob or "-", one.before, one.commit.id) for one in changes if one.before]
        return removed(_TODAY, steps, {_TODAY: now, **_versions(repository, {head[path]: path} | names_of(changes))})
    finally:
        _spent[tree] = spent + time.monotonic() - begin


def _versions(repository: Repository, names: Mapping[str, str]) -> dict[str, Version]:
    """Return the versions that can be read: as many of the newest as fit into the limits of size and time."""
    readable: dict[str, Version] = {}
    for blob, data in contents(repository, names, BYTES):
        if version := _version(data, names[blob]):
            readable[blob] = version
        if time.monotonic() > repository.deadline:
            break
    return readable


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
        return version_of(outline(name, data))
    except ProviderError:
        return None
