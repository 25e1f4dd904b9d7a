"""Finds ciphertexts that were in an older version of a document and not in the newest: an old value may be back.

Nobody makes the same ciphertext twice, so a value that is encrypted again never equals an older version of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bridge.git_history import BlobChange, Commit, Repository, contents, follow
from bridge.review.outline_change import OutlineChange


def replayed(repository: Repository, base: str, documents: Iterable[OutlineChange]) -> Mapping[bytes, Commit]:
    """Return, for each ciphertext that a change adds and that the history up to `base` has, the newest commit with it.

    GitError if git cannot tell.
    """
    wanted = {name: fresh for one in documents for name in _paths(one) if (fresh := _fresh(one))}
    if not wanted:
        return {}
    found: dict[bytes, Commit] = {}
    changes = follow(repository, wanted.keys(), base)
    ciphertexts: dict[str, set[bytes]] = {}
    for path, fresh in wanted.items():
        for blob in _blobs(changes[path]):
            ciphertexts.setdefault(blob, set()).update(fresh)
    versions = {change.blob: change.commit for path in wanted for change in reversed(changes[path]) if change.blob}
    for blob, content in contents(repository, ciphertexts):
        for ciphertext in ciphertexts[blob] - found.keys():
            if ciphertext in content and blob in versions:
                found[ciphertext] = versions[blob]
    return found


def _paths(document: OutlineChange) -> Iterator[str]:
    """Yield the names of a document's file on both sides."""
    yield from filter(None, dict.fromkeys((document.path, document.old_path)))


def _fresh(document: OutlineChange) -> set[bytes]:
    return {ciphertext for value in document.values for ciphertext in value.fresh}


def _blobs(changes: Sequence[BlobChange]) -> Iterator[str]:
    """Yield the ids of all versions, newest first."""
    for change in changes:
        yield from filter(None, (change.blob, *change.before))
