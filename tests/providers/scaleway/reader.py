"""What the tests of this provider share: a session in front of the fake, and a look for what must not show."""

import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.provider import Context, Document, Node, SecretValue
from bridge_providers.scaleway import Scaleway
from tests.servers.scaleway import SecretManager

PATH = "/voice/staging/app"
VALUES = {"OPENAI_API_KEY": "CANARY-openai", "EMPTY": ""}


def context(
    base: Path, environ: Mapping[str, str], known: frozenset[str] = frozenset(), seconds: float = 30
) -> Context:
    """Return the context of a run; earlier ones have written from the `known` paths."""
    return Context(base, environ, time.monotonic() + seconds, lambda: known)


class Reader:
    """Reads from the fake as a run does."""

    def __init__(self, manager: SecretManager, base: Path) -> None:
        self.manager = manager
        self.base = base
        self.environ = manager.environ()

    def read(
        self, path: str = PATH, revision: str | None = None, *, known: bool = False, seconds: float = 30, **options: Any
    ) -> Document:
        """Read one document in a session of its own."""
        paths = frozenset({path}) if known else frozenset()
        session = Scaleway(**options).open(context(self.base, self.environ, paths, seconds))
        try:
            return session.read(path, revision)
        finally:
            session.close()

    def failure(self, path: str = PATH, revision: str | None = None, **more: Any) -> "Failure":
        """Read what cannot be read."""
        try:
            self.read(path, revision, **more)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            return Failure(error, self.manager.key)
        raise AssertionError("it was read")


class Failure:
    """An error, after all that it holds was looked through."""

    def __init__(self, error: Exception, key: str) -> None:
        shown = "".join(traceback.format_exception(error)) + "".join(map(repr, _chain(error)))
        assert "CANARY" not in shown
        assert key not in shown
        problem = error.problems[0]  # type: ignore[attr-defined]
        self.kind = type(error)
        self.what: str = problem.what
        self.hint: str = problem.hint
        self.retry_after: float | None = getattr(error, "retry_after", None)


def _chain(error: BaseException | None) -> list[object]:
    found: list[object] = []
    while error is not None:
        found += [error.args, vars(error)]
        error = error.__context__
    return found


def plain(node: Node) -> Any:
    """Open a tree: texts as they are, other leaves with their kind."""
    if isinstance(node, SecretValue):
        text = node.reveal().decode()
        return text if node.kind.value == "text" else (node.kind.value, text)
    if isinstance(node, Mapping):
        return {name: plain(child) for name, child in node.items()}
    return [plain(child) for child in node]


def fields(document: Document) -> Any:
    assert isinstance(document.content, tuple)
    return plain(document.content[0])


def whole(document: Document) -> bytes:
    assert isinstance(document.content, SecretValue)
    return document.content.reveal()
