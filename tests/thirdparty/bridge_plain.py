"""A provider as a third party would write it: it reads JSON files, and fails when it is told to."""

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bridge.provider import (
    Conflict,
    Context,
    Denied,
    Document,
    Kind,
    Node,
    NotFound,
    OptionError,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
)

FAILURES = {
    "unavailable": lambda: Unavailable("the store is asleep", retry_after=0.01),
    "denied": lambda: Denied("the store does not know you", hint="log in"),
}


@dataclass(frozen=True)
class Plain:
    """Its section may say how it should fail."""

    concurrency: ClassVar[int] = 2
    fail: str | None = None
    revision: str = "1"
    order: int | None = None
    series: str = ""

    def __post_init__(self) -> None:
        if self.fail is not None and self.fail not in (*FAILURES, "bug", "hang"):
            raise OptionError("fail", "must be a known failure")

    def open(self, context: Context) -> "PlainSession":
        return PlainSession(self, context.base)


class PlainSession:
    def __init__(self, provider: Plain, base: Path) -> None:
        self.provider = provider
        self.base = base

    def read(self, path: str, revision: str | None = None) -> Document:
        file = self.base / path
        if self.provider.fail == "bug":
            raise RuntimeError(file.read_text())
        if self.provider.fail == "hang":
            import threading  # noqa: PLC0415

            (self.base / "hangs").touch()
            threading.Event().wait()
        if self.provider.fail:
            failure = FAILURES[self.provider.fail]()
            raise failure
        if revision is not None or not file.exists():
            raise NotFound("no such document")
        content = json.loads(file.read_bytes())
        found = Revision(self.provider.revision, self.provider.order, self.provider.series)
        if isinstance(content, str):
            return Document(SecretValue.of(content), found)
        documents = content if isinstance(content, list) else [content]
        return Document(tuple(_mapping(one) for one in documents), found)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Shelf:
    """JSON files again, which can be written too. `slow` is a file: a write waits while it exists."""

    concurrency: ClassVar[int] = 2
    slow: str | None = None

    def open(self, context: Context) -> "ShelfSession":
        return ShelfSession(self, context.base)


class ShelfSession:
    def __init__(self, provider: Shelf, base: Path) -> None:
        self.provider = provider
        self.base = base

    def read(self, path: str, revision: str | None = None) -> Document:
        file = self.base / path
        if revision is not None or not file.exists():
            raise NotFound("no such document")
        content = file.read_bytes()
        parsed = json.loads(content)
        documents = parsed if isinstance(parsed, list) else [parsed]
        return Document(tuple(map(_mapping, documents)), _digest(content))

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        file = self.base / path
        if isinstance(document.content, SecretValue):
            raise ProviderError("a shelf holds fields")
        if (_digest(file.read_bytes()) if file.exists() else None) != expect:
            raise Conflict("it was changed meanwhile")
        documents = [_plain(one) for one in document.content]
        content = json.dumps(documents[0] if len(documents) == 1 else documents).encode()
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(content)
        self._wait("before")
        new.replace(file)
        self._wait("after")
        return _digest(content)

    def _wait(self, step: str) -> None:
        """Hang while the file `slow` names this step, and tell by another file that it was reached."""
        slow = self.base / (self.provider.slow or "")
        while self.provider.slow and slow.exists() and slow.read_text() == step:
            slow.with_suffix(".reached").touch()
            time.sleep(0.01)

    def close(self) -> None:
        pass


def _digest(content: bytes) -> Revision:
    return Revision(str(zlib.crc32(content)))


def _plain(node: Node) -> Any:
    if isinstance(node, SecretValue):
        text = node.reveal().decode()
        return json.loads(text) if node.kind in (Kind.NUMBER, Kind.BOOLEAN) else text
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(one) for one in node]


def _mapping(given: Mapping[str, Any]) -> Mapping[str, Node]:
    return {key: _node(value) for key, value in given.items()}


def _node(given: Any) -> Node:
    if isinstance(given, dict):
        return _mapping(given)
    if isinstance(given, list):
        return [_node(one) for one in given]
    if given is None:
        return SecretValue(b"", Kind.NULL)
    if isinstance(given, str):
        return SecretValue.of(given)
    kind = Kind.BOOLEAN if isinstance(given, bool) else Kind.NUMBER
    return SecretValue(json.dumps(given).encode(), kind)
