"""AWS's services, as moto's server answers for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Context, Document, Problem, Revision, SecretValue, Session
from bridge_providers.aws import Aws
from tests.providers.vault.wire import Answer, Request, Wire, wire
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, ObjectStorage

REGION = "eu-west-3"


class Account:
    """An account of AWS's: moto's server, an administrator's clients, and sessions of bridge's."""

    def __init__(self, server: ObjectStorage, folder: Path, environ: dict[str, str]) -> None:
        self.server = server
        self.folder = folder
        self.environ = environ
        self.secrets = self.client("secretsmanager")
        self.parameters = self.client("ssm")

    def client(self, service: str) -> Any:
        return self.server.client(service, region=REGION)

    @contextmanager
    def session(self, seconds: float = 60, **section: str) -> Iterator[Any]:
        session: Session = Aws(**{"region": REGION, **section}).open(
            Context(self.folder, self.environ, time.monotonic() + seconds)
        )
        try:
            yield session
        finally:
            session.close()

    def read(self, path: str, revision: str | None = None, **section: str) -> Document:
        with self.session(**section) as session:
            document: Document = session.read(path, revision)
            return document

    def write(self, path: str, document: Document, expect: Revision | None) -> Revision:
        with self.session() as session:
            revision: Revision = session.write(path, document, expect=expect)
            return revision

    def failure(self, path: str, revision: str | None = None, **section: str) -> tuple[type[BaseException], Problem]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is part of the result
            self.read(path, revision, **section)
        assert caught.value.__context__ is None
        return type(caught.value), caught.value.problems[0]  # type: ignore[attr-defined]


@pytest.fixture
def account(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An empty account, whose endpoint and keys are in AWS's variables."""
    environ = {
        "AWS_ENDPOINT_URL": storage.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    return Account(storage, tmp_path, environ)


def opened(document: Document) -> Any:
    """A document's plain content."""
    content = document.content
    if isinstance(content, SecretValue):
        return content.reveal()
    (fields,) = content
    return _plain(fields)


def _plain(node: Any) -> Any:
    if isinstance(node, SecretValue):
        return node.reveal().decode()
    return {name: _plain(child) for name, child in node.items()}


@pytest.fixture
def relay(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A relay in front of moto's server, which bridge uses and the administrator's clients do not."""
    with wire(account.server.url) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
        account.environ["AWS_ENDPOINT_URL"] = made.address
        yield made


def operation(request: Request) -> str:
    """Which of the service's operations a request asks for."""
    return request.headers["x-amz-target"].rpartition(".")[2]


def refusal(code: str, status: int = 400, message: str = "CANARY-message", **headers: str) -> Answer:
    """An error as AWS's JSON services send it."""
    return Answer(
        status, {"__type": code, "Message": message}, {"content-type": "application/x-amz-json-1.1", **headers}
    )


def lost(relay: Wire, name: str) -> Callable[[Request], Answer | None]:
    """Pass every request on, but lose the answer to this operation."""

    def answer(request: Request) -> Answer | None:
        if operation(request) != name:
            return None
        relay._passed_on(request)
        return Answer(script=lambda connection: connection.close())

    return answer
