"""An example of a provider: it reads and writes documents that are JSON files in clear, so it is no place for secrets.

It is registered in pyproject.toml beside it, and it passes bridge.testing.contract.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bridge.provider import (
    Conflict,
    Context,
    Document,
    JsonError,
    NotFound,
    OptionError,
    ProviderError,
    Revision,
    SecretValue,
    dump_json,
    parse_json,
)


@dataclass(frozen=True)
class JsonFile:
    """Its fields are its section of the environment's file; `folder` is relative to that file."""

    concurrency: ClassVar[int] = 4
    folder: str = "."

    def __post_init__(self) -> None:
        if Path(self.folder).is_absolute():
            raise OptionError("folder", "must be a relative path")

    def open(self, context: Context) -> "JsonFileSession":
        """Return a session; nothing is read yet."""
        return JsonFileSession(context.base / self.folder)


class JsonFileSession:
    """One run's work with the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return the file's content: the fields of an object, of several in a list, or one text."""
        try:
            content = (self._folder / path).read_bytes()
        except FileNotFoundError:
            content = None
        if content is None:
            raise NotFound("no such document")
        found = _revision(content)
        if revision not in {None, found.id}:
            raise NotFound("it was changed since that revision")
        return Document(_parsed(content), found)

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Replace the file, if its content is at the expected revision."""
        file = self._folder / path
        if (_revision(file.read_bytes()) if file.exists() else None) != expect:
            raise Conflict("it was changed meanwhile")
        content = _written(document)
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(content)
        new.replace(file)
        return _revision(content)

    def close(self) -> None:
        """Do nothing: no file stays open."""


def _parsed(content: bytes) -> tuple[Mapping[str, object], ...] | SecretValue:
    """Make a document's content of a JSON text."""
    problem = ""
    try:
        found = parse_json(content)
    except JsonError as error:
        problem = str(error)
    if problem:  # not in the handler: Python would keep its exception as the context of this one
        raise ProviderError(problem)
    if isinstance(found, SecretValue):
        return found
    parts = [found] if isinstance(found, Mapping) else found
    if not all(isinstance(part, Mapping) for part in parts):
        raise ProviderError("its list holds something other than objects")
    return tuple(parts)


def _written(document: Document) -> bytes:
    content = document.content
    tree = content if isinstance(content, SecretValue) else content[0] if len(content) == 1 else content
    try:
        return dump_json(tree).encode()
    except JsonError as error:
        raise ProviderError(str(error), hint=error.hint) from None


def _revision(content: bytes) -> Revision:
    return Revision(hashlib.sha256(content).hexdigest()[:12])
