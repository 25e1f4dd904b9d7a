"""The example's files for the tests' own ends: a store that fails when it is told to, and one that is slow to write."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bridge_jsonfile import JsonFileSession

from bridge.provider import (
    Context,
    Denied,
    Document,
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
    """Its section may say how it should fail, which revision a document should have, and when it was written.

    A session tells `asked_time` only if the run asks for times.
    """

    concurrency: ClassVar[int] = 2
    fail: str | None = None
    revision: str = "1"
    order: int | None = None
    series: str = ""
    time: str = ""
    asked_time: str = ""

    def __post_init__(self) -> None:
        if self.fail is not None and self.fail not in (*FAILURES, "bug", "hang"):
            raise OptionError("fail", "must be a known failure")

    def open(self, context: Context) -> "PlainSession":
        return PlainSession(self, context)


class PlainSession:
    def __init__(self, provider: Plain, context: Context) -> None:
        self.provider = provider
        self.base = context.base
        self.dated = context.dated

    def read(self, path: str, revision: str | None = None) -> Document:
        if self.provider.fail == "bug":
            raise RuntimeError((self.base / path).read_text())
        if self.provider.fail == "hang":
            (self.base / "hangs").touch()
            threading.Event().wait()
        if self.provider.fail:
            failure = FAILURES[self.provider.fail]()
            raise failure
        if revision is not None:
            raise NotFound("no such document")
        document = JsonFileSession(self.base).read(path)
        provider = self.provider
        return document._replace(
            revision=Revision(provider.revision, provider.order, provider.series),
            time=(self.dated and provider.asked_time) or provider.time,
        )

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Shelf:
    """Files that are written too. `slow` is a file: a write waits while it exists and names the step."""

    concurrency: ClassVar[int] = 2
    slow: str | None = None

    def open(self, context: Context) -> "ShelfSession":
        return ShelfSession(self, context.base)


class ShelfSession(JsonFileSession):
    def __init__(self, provider: Shelf, base: Path) -> None:
        super().__init__(base)
        self.slow = base / (provider.slow or "")
        self.is_slow = bool(provider.slow)

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        if isinstance(document.content, SecretValue):
            raise ProviderError("a shelf holds fields")
        self._wait("before")
        new = super().write(path, document, expect=expect)
        self._wait("after")
        return new

    def _wait(self, step: str) -> None:
        """Hang while the file names this step, and tell by another file that it was reached."""
        while self.is_slow and self.slow.exists() and self.slow.read_text() == step:
            self.slow.with_suffix(".reached").touch()
            time.sleep(0.01)
