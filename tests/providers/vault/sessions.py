"""What every test here does: open a session, read, look at what an error tells."""

import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import BridgeError
from bridge.provider import Context, Document, Node, SecretValue
from bridge_providers.vault import Vault
from tests.providers.sops.folder import everything_told_by, opened

CANARIES = ("CANARY", "hvs.", "hvb.")
"""Parts of the values and tokens of these tests: no message may hold one."""


@dataclass
class Desk:
    """Sessions with one server."""

    folder: Path
    address: str
    environ: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def context(self, seconds: float = 30.0) -> Context:
        return Context(self.folder, {"HOME": str(self.folder), **self.environ}, time.monotonic() + seconds)

    @contextmanager
    def session(self, **options: Any):
        provider = Vault(**{"address": self.address, **self.options, **options})
        session = provider.open(self.context())
        try:
            yield session
        finally:
            session.close()

    def read(self, path: str, revision: str | None = None, **options: Any) -> Document:
        with self.session(**options) as session:
            return session.read(path, revision)

    def values(self, path: str, revision: str | None = None, **options: Any) -> Any:
        """Return a document's fields, each leaf as its kind and bytes."""
        (content,) = self.read(path, revision, **options).content
        return opened(content)

    def texts(self, path: str, revision: str | None = None, **options: Any) -> dict[str, str]:
        """Return a flat document's fields as text."""
        return {name: leaf[1].decode() for name, leaf in self.values(path, revision, **options).items()}

    def refusal(self, kind: type[BridgeError], path: str = "app", revision: str | None = None, **options: Any) -> str:
        """Return the message with which a read fails, and make sure that it gives nothing away."""
        with self.session(**options) as session:
            return told(kind, lambda: session.read(path, revision))

    def reading(self, outcome: str, place: str = "secret/data/app", who: str = "token") -> str:
        """Return the message of a read that the server does not answer with a document."""
        return f"{self.address}: reading {place} as {who} {outcome}"

    def login(self, who: str, mount: str, outcome: str) -> str:
        """Return the message of a login that gives no token."""
        return f"{self.address}: the login as {who} at auth/{mount} {outcome}"


def told(kind: type[BridgeError], act: Any) -> str:
    """Return the message of the error that something raises: one line, without a value, a token or a context."""
    with pytest.raises(BridgeError) as caught:
        act()
    everything = everything_told_by(caught.value)
    assert type(caught.value) is kind, everything
    hints = "".join(problem.hint for problem in caught.value.problems)
    for canary in CANARIES:
        assert canary not in everything + hints
    message = str(caught.value)
    assert "\n" not in message
    return message


def tree(values: Mapping[str, str]) -> dict[str, Node]:
    return {name: SecretValue.of(text) for name, text in values.items()}
