"""Reads what one side of a comparison shows of an environment: its file, its templates and its documents."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, TypeVar

from bridge.config.environment import Environment, load_environment_file
from bridge.config.folder import SUFFIXES
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, load_templates
from bridge.config.textfile import decoded
from bridge.errors import BridgeError, ConfigError, Problem
from bridge.named_tuple import NamedTuple
from bridge.provider import Outline, Rules
from bridge.review.snapshot import Snapshot

T = TypeVar("T")


class DocumentState(NamedTuple):
    """A document on one side.

    - `path`: its file from the repository's top, or None if it is not a file in the repository.
    - `outline`: None if the file does not exist or cannot be read.
    - `rules`: the rules for new files that would apply to it, and `rules_file`: the file that has them.
    - `is_unread`, `are_rules_unread`: whether the file, or the file with the rules, exists and cannot be read.
    """

    path: str | None = None
    outline: Outline | None = None
    rules: Rules | None = None
    rules_file: str | None = None
    is_unread: bool = False
    are_rules_unread: bool = False


class Side(NamedTuple):
    """One side of a comparison.

    - `file`: the environment's file, or None if this side does not have the environment.
    - `environment`, `templates`: None if they do not exist or cannot be read.
    - `valid_sections`: the providers whose sections are valid, so that they cannot contain anything unexpected.
    """

    file: str | None = None
    environment: Environment | None = None
    templates: tuple[TemplateObject, ...] | None = None
    documents: Mapping[Reference, DocumentState] = {}
    valid_sections: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    @property
    def is_unread(self) -> bool:
        """Whether this side has the environment, but its file cannot be read."""
        return self.file is not None and self.environment is None


def are_comparable(before: Side, after: Side) -> bool:
    """Whether the objects of both sides are known: a side without the environment has none."""
    return all(side.file is None or side.templates is not None for side in (before, after))


class Documents(Protocol):
    """What an environment's providers say of documents, without a key. Every method may raise BridgeError."""

    @property
    def valid_sections(self) -> frozenset[str]:
        """The providers whose sections are valid."""
        ...

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the other providers that the environment uses."""
        ...

    def file(self, reference: Reference) -> Path | None:
        """Return the path of a document's file, or None if it is not a file."""
        ...

    def rules_file(self, reference: Reference) -> str:
        """Return the name of the file that has the rules for new documents."""
        ...

    def outline(self, reference: Reference, content: bytes) -> Outline:
        """Return what the content of a document's file shows."""
        ...

    def rules(self, reference: Reference, path: str, content: bytes) -> Rules | None:
        """Return the rules for a new file; see `Outliner.rules_for`."""
        ...


class FolderPlace(NamedTuple):
    """Where the environments' folder is: as the user named it, with links resolved, and the repository's top."""

    folder: Path
    real: Path
    top: Path

    def relative(self, path: Path) -> str | None:
        """Return a file's path from the repository's top, or None if it is not in the repository."""
        inside = self.real / path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        relative = os.path.relpath(os.path.normpath(inside), self.top)
        return None if relative == os.pardir or relative.startswith(os.pardir + os.sep) else relative


class StateReader:
    """Reads one side. `pinned` returns the files of a revision that a reference names, or raises BridgeError."""

    def __init__(
        self,
        place: FolderPlace,
        snapshot: Snapshot,
        open_documents: Callable[[Environment], Documents],
        pinned: Callable[[str], Snapshot],
    ) -> None:
        self._place: Final = place
        self._snapshot: Final = snapshot
        self._open: Final = open_documents
        self._pinned: Final = pinned
        self._problems: Final[list[Problem]] = []

    def state(self, name: str) -> Side:
        """Return what this side shows of an environment."""
        file = self._environment_file(name)
        if file is None:
            return Side(problems=tuple(self._problems))
        shown = self._place.relative(file)
        environment = self._attempt(lambda: load_environment_file(name, file, self._text))
        if environment is None:
            return Side(shown, problems=tuple(self._problems))
        documents = self._open(environment)
        self._problems.extend(documents.problems)
        files = self._files(environment, documents)
        rules = {reference: _rule_places(path, documents.rules_file(reference)) for reference, path in files.items()}
        templates = filter(None, map(self._place.relative, environment.templates))
        self._snapshot.fetch([*templates, *files.values(), *(one for places in rules.values() for one in places)])
        read = self._attempt(lambda: load_templates(environment, environment.namespace, self._text))
        states = {
            reference: self._document(reference, files.get(reference), rules.get(reference, ()), documents)
            for reference in dict.fromkeys(one.document for one in environment.references)
        }
        sections = documents.valid_sections
        return Side(shown, environment, read, states, sections, tuple(dict.fromkeys(self._problems)))

    def _environment_file(self, name: str) -> Path | None:
        files = [self._place.folder / f"{name}{suffix}" for suffix in SUFFIXES]
        paths = {file: path for file in files if (path := self._place.relative(file))}
        self._snapshot.fetch(paths.values())
        found = [file for file, path in paths.items() if self._exists(path)]
        if len(found) > 1:
            both = " and ".join(file.name for file in found)
            self._problems.append(Problem(str(self._place.folder), f"{both} both exist", "remove one of them"))
        return found[0] if found else None

    def _exists(self, path: str) -> bool:
        try:
            return self._snapshot.read(path) is not None
        except ConfigError:  # reported when the file is read
            return True

    def _files(self, environment: Environment, documents: Documents) -> Mapping[Reference, str]:
        """Return the file of each document that is a file in the repository."""
        files: dict[Reference, str] = {}
        for reference in dict.fromkeys(one.document for one in environment.references):
            file = self._attempt(lambda one=reference: documents.file(one))  # type: ignore[misc]
            path = self._place.relative(file) if file else None
            if path:
                files[reference] = path
        return files

    def _document(
        self, reference: Reference, path: str | None, rule_places: Iterable[str], documents: Documents
    ) -> DocumentState:
        if path is None:
            return DocumentState()
        before = len(self._problems)
        outline = self._attempt(lambda: self._outline(reference, path, documents))
        state = DocumentState(path, outline, is_unread=len(self._problems) > before)
        if reference.revision is not None:
            return state
        before = len(self._problems)
        found = self._attempt(lambda: self._rules(reference, path, rule_places, documents))
        rules_file, rules = found or (None, None)
        is_unread = len(self._problems) > before
        return state._replace(rules_file=rules_file, rules=rules, are_rules_unread=is_unread)

    def _outline(self, reference: Reference, path: str, documents: Documents) -> Outline | None:
        snapshot = self._snapshot
        if reference.revision is not None:
            snapshot = self._pinned(reference.revision)
            snapshot.fetch([path])
        content = snapshot.read(path)
        return None if content is None else documents.outline(reference, content)

    def _rules(
        self, reference: Reference, path: str, places: Iterable[str], documents: Documents
    ) -> tuple[str, Rules | None] | None:
        for place in places:
            content = self._snapshot.read(place)
            if content is not None:
                folder = PurePosixPath(place).parent
                return place, documents.rules(reference, str(PurePosixPath(path).relative_to(folder)), content)
        return None

    def _text(self, path: Path, shown: str) -> str:
        """Read a file for `load_environment_file` and `load_templates`."""
        relative = self._place.relative(path)
        content = self._snapshot.read(relative) if relative else None
        if content is None:
            if not relative:
                raise ConfigError(Problem(shown, "is outside the repository", "move it into the repository"))
            raise FileNotFoundError
        return decoded(content, shown, path)

    def _attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except BridgeError as error:
            self._problems.extend(error.problems)
            return None


def _rule_places(path: str, name: str) -> list[str]:
    """Return where the rules for a file may be: in its folder and in each folder above, up to the repository's top."""
    return [str(folder / name) for folder in PurePosixPath(path).parents] if name else []


def prefixed(label: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield problems with the side that has them."""
    for problem in problems:
        yield problem._replace(where=f"{label}: {problem.where}" if problem.where else label)
