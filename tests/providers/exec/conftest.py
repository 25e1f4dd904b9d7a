"""Programs as stores: scripts that the trust file lists, and sessions that start them."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Context, Document, Problem, Session
from bridge_providers.exec import Exec


def trusting(folder: Path, *commands: Sequence[str]) -> dict[str, str]:
    """The variable that names a trust file with these programs, outside the environments' folder."""
    file = folder / "trust.yaml"
    file.write_text(json.dumps({"programs": [list(one) for one in commands]}))
    file.chmod(0o600)
    return {"BRIDGE_TRUST": str(file)}


class Store:
    """A shell script as the program of a section."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "environments"
        self.base.mkdir()
        self.environ: dict[str, str] = {"CANARY_TOKEN": "CANARY-token", "PATH": "/usr/bin:/bin"}
        self.trusted: list[Sequence[str]] | None = []

    def command(self, script: str, *words: str) -> list[str]:
        """The section's command for a script, which the trust file lists from now on."""
        file = self.folder / "program"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o700)
        if self.trusted is not None:
            self.trusted = [[str(file), "get"]]
        return [str(file), "get", *words]

    @contextmanager
    def session(self, command: Sequence[str], seconds: float = 60, **section: Any) -> Iterator[Session]:
        environ = self.environ if self.trusted is None else self.environ | trusting(self.folder, *self.trusted)
        opened = Exec(command=command, **section).open(Context(self.base, environ, time.monotonic() + seconds))
        try:
            yield opened
        finally:
            opened.close()

    def read(self, command: Sequence[str], path: str = "app", revision: str | None = None, **section: Any) -> Document:
        with self.session(command, **section) as session:
            return session.read(path, revision)

    def failure(
        self, command: Sequence[str], path: str = "app", revision: str | None = None, **section: Any
    ) -> tuple[type[BaseException], Problem]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is part of the result
            self.read(command, path, revision, **section)
        problem: Problem = caught.value.problems[0]  # type: ignore[attr-defined]
        assert "CANARY" not in repr(problem)
        return type(caught.value), problem


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)
