"""Finds out in git when the values of encrypted files were made: the first commit that has a value's ciphertext.

A ciphertext is random, so two versions of a file have the same one only if nobody has set the value in between. If an
earlier value was brought back, its age is still counted from its first commit.
"""

import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from bridge.config.reference import Reference
from bridge.git import LIMIT, Git, GitError, work_tree
from bridge.git_history import BlobChange, Repository, blobs_at, contents, follow
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Outliner, Provider
from bridge.sources.select import Place

_HEAD: Final = "HEAD"
_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_LATEST: Final = 253_402_300_799
"""The end of the year 9999. Anyone can make a commit with a later time."""
_Sealed: TypeAlias = Mapping[Place, tuple[bytes, ...]]
"""The ciphertexts of a document's values."""


class _File(NamedTuple):
    """A document that is a file: the repository's top, and the path from there."""

    reference: Reference
    provider: Outliner
    top: Path
    path: str


def made_times(
    providers: Mapping[str, Provider], references: Collection[Reference], context: Context
) -> Mapping[Reference, Mapping[Place, str]]:
    """Return when each value of these documents was made (RFC 3339), as far as git knows.

    Documents without a complete history are left out: those that are no files in git, shallow clones, and everything if
    git fails or takes too long.
    """
    begin = time.monotonic()
    # Half of the time that is left: the rest of the run needs the other half.
    deadline = begin + min(LIMIT, max(0.0, (context.deadline - begin) / 2))
    groups: dict[tuple[Path, str], list[_File]] = defaultdict(list)
    for file in _files(providers, references, context):
        revision = file.reference.revision
        groups[file.top, f"{revision}^{{commit}}" if revision else _HEAD].append(file)
    found: dict[Reference, Mapping[Place, str]] = {}
    for (top, start), group in groups.items():
        with suppress(GitError):
            repository = Repository(Git(top, context.environ), top, deadline)
            if not repository.is_shallow:
                found.update(_times(repository, start, group))
    return found


def _files(providers: Mapping[str, Provider], references: Collection[Reference], context: Context) -> Iterator[_File]:
    """Yield the documents that are files in a repository."""
    for reference in references:
        provider = providers[reference.provider]
        if not isinstance(provider, Outliner) or (reference.revision or "").startswith("-"):
            continue
        file = None
        with suppress(Exception):  # a provider's bug only costs the exact age
            file = provider.file(reference.path, context)
        real = Path(os.path.realpath(file)) if file else None
        top = work_tree(real.parent) if real else None
        if real and top and "\n" not in str(real):
            yield _File(reference, provider, top, str(real.relative_to(top)))


def _times(repository: Repository, start: str, files: list[_File]) -> Iterator[tuple[Reference, Mapping[Place, str]]]:
    """Yield the times of the documents of one repository, up to one revision."""
    paths = frozenset(file.path for file in files)
    history = follow(repository, paths, start)
    sealed = dict(_sealed(repository, start, files))
    first: dict[Reference, dict[Place, int]] = {reference: {} for reference in sealed}
    users = _users(files, history)
    for blob, content in contents(repository, users):
        for reference, moment in users[blob]:
            for place, texts in sealed.get(reference, {}).items():
                if all(text in content for text in texts):
                    first[reference][place] = min(moment, first[reference].get(place, moment))
    for reference, times in first.items():
        yield (
            reference,
            {place: datetime.fromtimestamp(moment, UTC).strftime(_FORMAT) for place, moment in times.items()},
        )


def _sealed(repository: Repository, start: str, files: list[_File]) -> Iterator[tuple[Reference, _Sealed]]:
    """Yield the ciphertexts of each document as a run reads it: from the work tree, or from the wanted revision."""
    blobs = blobs_at(repository, start, [file.path for file in files]) if start != _HEAD else {}
    committed = dict(contents(repository, blobs.values()))
    for file in files:
        with suppress(Exception):  # as above; also if the file has just been removed
            content = committed[blobs[file.path]] if file.path in blobs else (file.top / file.path).read_bytes()
            leaves = file.provider.outline(file.path, content).leaves
            yield file.reference, {place: leaf.sealed for place, leaf in leaves.items() if leaf.sealed}


def _users(
    files: list[_File], history: Mapping[str, Sequence[BlobChange]]
) -> Mapping[str, list[tuple[Reference, int]]]:
    """Return, for each version's id, the documents that had it, and the times of the commits that brought it."""
    users: dict[str, list[tuple[Reference, int]]] = defaultdict(list)
    for file in files:
        for change in history[file.path]:
            if change.blob and 0 < change.commit.time <= _LATEST:
                users[change.blob].append((file.reference, change.commit.time))
    return users
