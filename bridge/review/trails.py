"""Reads the histories of an environment's encrypted files: each version's outline, and what came before it."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias, runtime_checkable

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.textfile import read_bounded
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.git import GitError, GitLate, work_tree
from bridge.git_history import LARGEST, BlobChange, Repository, blobs_at, contents, follow, names_of, repository_of
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, KeyTracer, Outline, Outliner, Provider, ProviderError

NOW: Final = ""
"""The id of a document as it is now."""
FETCH: Final = "run `git fetch --unshallow`"

Place: TypeAlias = tuple[int, tuple[str, ...]]
Step: TypeAlias = tuple[str, tuple[str, ...]]
"""A version's id, and the ids of the versions before it."""


@runtime_checkable
class Tracer(Outliner, KeyTracer, Protocol):
    """A provider whose documents are files in git that can be followed without a key."""


class Trail(NamedTuple):
    """The history of one document.

    - `path`: the file's name, from the repository's top; `shown`: for a message or a command.
    - `changes`: newest first.
    - `versions`: the outline of each version that can be read; NOW is the document's own.
    - `clear`: the versions from before the document was encrypted.
    - `unreadable`: the versions that cannot be read at all.
    - `names`: the name of each version's file.
    - `head`: the version in the current commit, or None if it does not have the file.
    - `content`: the document's file as it is now, encrypted.
    """

    reference: Reference
    tracer: Tracer
    repository: Repository
    path: str
    shown: str
    changes: Sequence[BlobChange]
    versions: Mapping[str, Outline]
    clear: frozenset[str]
    unreadable: frozenset[str]
    names: Mapping[str, str]
    head: str | None
    content: bytes

    @property
    def now(self) -> Outline:
        """The document as it is now."""
        return self.versions[NOW]

    @property
    def steps(self) -> list[Step]:
        """Every change with the versions before it, newest first."""
        steps: list[Step] = [(NOW, (self.head,))] if self.head else []
        return steps + [(change.blob or "-", change.before) for change in self.changes if change.before]


class _File(NamedTuple):
    reference: Reference
    tracer: Tracer
    path: Path
    shown: str
    content: bytes
    outline: Outline


def traced(environment: Environment, providers: Mapping[str, Provider]) -> Iterator[tuple[Reference, Tracer]]:
    """Yield the environment's documents that can be followed in git, without duplicates."""
    for reference in dict.fromkeys(one.document for one in environment.references):
        provider = providers.get(reference.provider)
        if isinstance(provider, Tracer):
            yield reference, provider


def read_trails(
    environment: Environment, providers: Mapping[str, Provider], context: Context, start: str = "HEAD"
) -> list[Trail]:
    """Read the history of every document that is a file in git, up to `start`; raise one error with all problems."""
    files, errors = [], list[BridgeError]()
    for reference, tracer in traced(environment, providers):
        try:
            if file := _file(reference, tracer, context):
                files.append(file)
        except ProviderError as error:
            where = str(reference)
            errors.append(Refusal(*(problem._replace(where=where) for problem in error.problems)))
    if errors:
        raise combine(errors)
    trails: dict[Reference, Trail] = {}
    for repository, group in _by_repository(files, context):
        trails |= {trail.reference: trail for trail in _trails(repository, group, start)}
    return [trails[file.reference] for file in files]


def _file(reference: Reference, tracer: Tracer, context: Context) -> _File | None:
    """Read a document as it is now; None if it is not a file."""
    found = tracer.file(reference.path, context)
    if found is None:
        return None
    if reference.revision is not None:
        message = "is fixed to a revision, so its history is not that of its value"
        raise ProviderError(message, hint="remove the revision from the reference")
    path = Path(os.path.realpath(found))
    content = _content(path, context)
    try:
        return _File(reference, tracer, path, os.path.normpath(found), content, tracer.outline(path.name, content))
    except ProviderError as error:
        problem = error.problems[0]
    raise ProviderError(problem.what, hint=problem.hint)


def _content(path: Path, context: Context) -> bytes:
    try:
        return read_bounded(path, context.deadline, LARGEST)
    except FileNotFoundError:
        problem = "no such file"
    except OSError as error:
        problem = f"cannot be read: {(error.strerror or 'unknown reason').lower()}"
    raise ProviderError(problem, hint="check the path in `sources` and `variables`")


def _by_repository(files: Iterable[_File], context: Context) -> Iterator[tuple[Repository, list[_File]]]:
    groups: dict[Path | None, list[_File]] = {}
    for file in files:
        groups.setdefault(work_tree(file.path.parent), []).append(file)
    for group in groups.values():
        yield _repository(group[0], context), group


def _repository(file: _File, context: Context) -> Repository:
    try:
        repository = repository_of(file.path, context.environ, context.deadline)
        if repository.is_shallow:
            raise Refusal(Problem(str(repository.top), "its history is incomplete: this is a shallow clone", FETCH))
        if repository.has_commits:
            return repository
        problem, hint = "the repository has no commits yet", "commit the file first"
    except GitLate:
        raise late() from None
    except GitError as error:
        problem, hint = str(error), "run this in a clone of the repository"
    raise Refusal(Problem(str(file.reference), f"cannot read its history: {problem}", hint))


def late() -> Refusal:
    """Return the error for a history that takes longer than the run may take."""
    return Refusal(Problem("git", "did not answer in time", "raise --timeout"))


def _trails(repository: Repository, files: Sequence[_File], start: str) -> Iterator[Trail]:
    paths = {file.reference: str(file.path.relative_to(repository.top)) for file in files}
    try:
        heads = blobs_at(repository, "HEAD", paths.values())
        histories = follow(repository, frozenset(paths.values()), start)
        names = {
            path: ({heads[path]: path} if path in heads else {}) | names_of(changes)
            for path, changes in histories.items()
        }
        outlines = _Outlines(repository, {paths[file.reference]: file.tracer for file in files}, names)
        for file in files:
            path = paths[file.reference]
            versions, clear = outlines.of(path)
            yield Trail(
                file.reference,
                file.tracer,
                repository,
                path,
                file.shown,
                histories[path],
                {NOW: file.outline, **versions},
                clear,
                frozenset(names[path].keys() - versions.keys()),
                names[path],
                heads.get(path),
                file.content,
            )
    except GitLate:
        raise late() from None
    except GitError as error:
        problem = str(error)
    else:
        return
    hint = "try `git fsck`; in a partial clone, fetch the missing objects first"
    raise Refusal(Problem(str(repository.top), f"cannot read its history: {problem}", hint))


class _Outlines:
    """The outlines of all versions of several files, which are read together."""

    def __init__(
        self, repository: Repository, tracers: Mapping[str, Tracer], names: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._names: Final = names
        self._outlines: Final[dict[tuple[str, str], Outline]] = {}
        self._clear: Final[set[tuple[str, str]]] = set()
        wanted: dict[str, dict[str, Tracer]] = {}
        for path, versions in names.items():
            for blob, name in versions.items():
                wanted.setdefault(blob, {}).setdefault(name, tracers[path])
        for blob, content in contents(repository, wanted):
            for name, tracer in wanted[blob].items():
                self._read(blob, name, tracer, content)
            if time.monotonic() > repository.deadline:
                raise GitLate

    def of(self, path: str) -> tuple[Mapping[str, Outline], frozenset[str]]:
        """Return the outlines of a file's versions, and which of them are not encrypted."""
        versions = self._names[path].items()
        found = {blob: self._outlines[blob, name] for blob, name in versions if (blob, name) in self._outlines}
        return found, frozenset(blob for blob, name in versions if (blob, name) in self._clear)

    def _read(self, blob: str, name: str, tracer: Tracer, content: bytes) -> None:
        outline = _outline(tracer, name, content)
        if outline is None and (outline := tracer.outline_in_clear(name, content)):
            self._clear.add((blob, name))
        if outline is not None:
            self._outlines[blob, name] = outline


def _outline(tracer: Tracer, name: str, content: bytes) -> Outline | None:
    try:
        return tracer.outline(name, content)
    except ProviderError:
        return None
