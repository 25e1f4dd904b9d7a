"""A store with one document and its history, in memory; each read and each write of it is a step of the stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bridge.provider import Conflict, Context, Document, NotFound, Revision, SecretValue
from bridge.sources.entry_points import EntryPoint
from tests.lease.stage import ACTOR, Stage

PROVIDERS = {"history": [EntryPoint("history", f"{__name__}:HistoryProvider", "tests")]}
"""Stands in for the installed providers."""
Content = Mapping[str, str]


class History:
    """The document's revisions, oldest first: the first one is 1."""

    current: "History"  # the one that sessions read

    def __init__(self, stage: Stage, *contents: Content) -> None:
        self.stage = stage
        self.contents = list(contents)
        self.writers: list[str] = []  # the actors that have written a revision with bridge

    @property
    def newest(self) -> int:
        return len(self.contents)

    def document(self, revision: int) -> Document:
        content = {name: SecretValue.of(text) for name, text in self.contents[revision - 1].items()}
        return Document((content,), Revision(str(revision), revision))


@dataclass(frozen=True)
class HistoryProvider:
    concurrency: ClassVar[int] = 1

    def open(self, context: Context) -> "HistorySession":
        return HistorySession(History.current)


class HistorySession:
    def __init__(self, history: History) -> None:
        self._history = history

    def read(self, path: str, revision: str | None = None) -> Document:
        self._history.stage.stop(f"read {path}")
        document = self._document(revision)
        self._history.stage.note(f"revision {document.revision.id}")
        return document

    def _document(self, revision: str | None) -> Document:
        if revision is None:
            return self._history.document(self._history.newest)
        if not revision.isdigit() or not 0 < int(revision) <= self._history.newest:
            raise NotFound("no such revision")
        return self._history.document(int(revision))

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        self._history.stage.stop(f"write {path}")
        current = self._history.document(self._history.newest).revision
        if expect != current:
            self._history.stage.note("conflict")
            raise Conflict("it was changed meanwhile")
        assert isinstance(document.content, tuple)
        (fields,) = document.content
        values = {name: value for name, value in fields.items() if isinstance(value, SecretValue)}
        self._history.contents.append({name: value.reveal().decode() for name, value in values.items()})
        self._history.writers.append(ACTOR.get())
        self._history.stage.note(f"wrote {self._history.newest}")
        return self._history.document(self._history.newest).revision

    def close(self) -> None:
        pass
