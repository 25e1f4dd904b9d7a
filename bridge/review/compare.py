"""Compares two states of an environment, and lists what cannot be known without a key.

Nobody makes the same ciphertext twice, so a value that is encrypted again never equals an older version of it. If a
ciphertext comes back, an old value may be back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from bridge.git_history import BlobChange, Commit, Repository, contents, follow
from bridge.named_tuple import NamedTuple
from bridge.review.change import SettingChange
from bridge.review.object_change import ObjectChange, objects
from bridge.review.outline_change import SEALED, OutlineChange, document_changes
from bridge.review.revisions import UNSHALLOW
from bridge.review.settings_change import settings
from bridge.review.state import Side
from bridge.review.variable_change import VariableChange, variables

EQUAL: Final = "a value with a new ciphertext may be the same value: without a key, the two cannot be compared"
UNVERIFIED: Final = "the MACs of the files are not verified: only a run with the key finds a manipulated file"
SHALLOW: Final = f"this is a shallow clone, so older versions are not searched for replayed values: {UNSHALLOW}"


class StateComparison(NamedTuple):
    """All that differs. `replayed` has, by ciphertext, the commit of the older version that it comes from."""

    settings: tuple[SettingChange, ...]
    objects: tuple[ObjectChange, ...]
    variables: tuple[VariableChange, ...]
    documents: tuple[OutlineChange, ...]
    replayed: Mapping[bytes, Commit] = {}

    def __bool__(self) -> bool:
        return bool(self.settings or self.objects or self.variables or self.documents)


def compare(before: Side, after: Side) -> StateComparison:
    """Return what differs between two states."""
    by_name = {one.name: one for one in variables(before, after)}
    return StateComparison(
        settings(before, after),
        objects(before, after, by_name),
        tuple(by_name.values()),
        document_changes(before, after),
    )


def unknown(before: Side, after: Side, changes: StateComparison, *, is_shallow: bool) -> Iterator[str]:
    """Yield what cannot be known without a key, a store or a cluster, as far as it matters here."""
    stored = [(value.before, value.after) for one in changes.documents for value in one.values]
    if any(SEALED in f"{old}" and SEALED in f"{new}" for old, new in stored):
        yield EQUAL
    if any(SEALED in f"{old}{new}" for old, new in stored):
        yield UNVERIFIED
        if is_shallow:
            yield SHALLOW
    for reference in dict.fromkeys((*before.documents, *after.documents)):
        sides = [side.documents[reference] for side in (before, after) if reference in side.documents]
        if all(one.path is None for one in sides):
            yield f"{reference} is not a file in this repository, so its values are not compared"
    for file in dict.fromkeys(filter(None, map(_env_file, (before, after)))):
        yield f"values from the env file ({file}) are not compared"
    if before.is_unread or after.is_unread:
        yield "the environment's file cannot be read on one side, so its settings and variables are not compared"
    elif any(side.environment and side.templates is None for side in (before, after)):
        yield "the templates cannot be read on one side, so objects, keys and variables are not compared"
    unread = [one for side in (before, after) for one, state in side.documents.items() if state.is_unread]
    yield from (f"{one} cannot be read on one side, so it is not compared" for one in dict.fromkeys(unread))


def _env_file(side: Side) -> str:
    file = side.environment.env_file if side.environment else None
    return file if isinstance(file, str) else side.environment.shown(file) if side.environment and file else ""


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
