"""Failures of the API server and of what is in front of it: what is told of them, first and once."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from bridge.testing.apiserver import Fault
from tests.desk import Desk
from tests.failures.failing import DOUBT, JSON, failing, objects, small


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cluster.api.BACKOFF", 0.01)


def is_write(method: str, path: str) -> bool:
    return method == "PATCH" and "dryRun" not in path and "/agent-secrets" in path


def is_dry_run(method: str, path: str) -> bool:
    return "dryRun" in path and "/agent-secrets" in path


def fails(desk: Desk, status: int) -> str:
    """Run a sync that writes no object; return its first error without the server's address."""
    before = objects(desk)
    result = desk.run("sync", "staging")
    desk.target.embedded.intercept = None
    assert result.status == status, result.err
    assert objects(desk) == before
    assert DOUBT not in result.err
    (error,) = [line for line in result.lines if line.startswith("bridge: error: ")]
    return error.removeprefix("bridge: error: ").replace(desk.target.embedded.url, "URL")


@pytest.fixture
def changed(desk: Desk) -> Desk:
    """Let one Secret be written before, and have a new value at the source now."""
    small(desk)
    desk.values(OPENAI_API_KEY="CANARY-new")
    return desk


OBJECT = "Secret/agent-secrets in namespace voice"
SERVER = "the API server at URL"
FOREIGN = f"{SERVER}: this is not a Kubernetes API server (status 200)"


@pytest.mark.parametrize(
    ("matches", "answer", "status", "error"),
    [
        (is_write, ("drop",), 75, f"{SERVER}: dropped the connection"),
        (is_write, (("status", 200, JSON, b"{}"),), 1, FOREIGN),
        (is_write, (("status", 502, {}, b"<html>"),), 75, f"{SERVER}: answers 502"),
        (is_write, (500, "CANARY-openai"), 75, f"{OBJECT}: {SERVER} answers 500 (InternalError)"),
        (is_write, (500, "etcdserver: mvcc: database space exceeded"), 75, f"{SERVER}: its database (etcd) is full"),
        (
            is_write,
            (500, "etcdserver: request is too large"),
            1,
            f"{OBJECT}: is too large for the cluster's database (etcd)",
        ),
        (
            is_dry_run,
            (500, 'failed calling webhook "guard.example.com": failed to call webhook: Post'),
            75,
            f'{OBJECT}: the admission webhook "guard.example.com" cannot be reached',
        ),
        (
            is_dry_run,
            (400, 'admission webhook "guard.example.com" does not support dry run'),
            1,
            f'{OBJECT}: the admission webhook "guard.example.com" does not support dry runs',
        ),
    ],
)
def test_write_that_was_not_made_says_what_is_wrong_and_has_no_doubt(
    changed: Desk, matches: Callable[[str, str], bool], answer: tuple[Any, ...], status: int, error: str
) -> None:
    failing(changed, matches, *answer)
    assert fails(changed, status) == error


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (
            ("status", 403, {}, b"<html>CANARY-openai"),
            1,
            "something in front of it, such as a gateway or a proxy, answers 403",
        ),
        (
            ("status", 302, {"Location": "http://CANARY-openai/"}, b""),
            1,
            "answers with a redirect (302), which bridge does not follow",
        ),
        (("status", 200, {}, b"<html>CANARY-openai"), 1, FOREIGN.removeprefix(f"{SERVER}: ")),
        ("drop", 75, "dropped the connection"),
        (("status", 503, {}, b""), 75, "answers 503"),
    ],
)
@pytest.mark.parametrize("spared", [0, 1])
def test_failure_of_server_is_reported_once_and_first(
    changed: Desk, fault: Fault, status: int, error: str, spared: int
) -> None:
    passed = count()
    changed.environment()
    changed.target.embedded.intercept = lambda *_: fault if next(passed) >= spared else None
    result = changed.run("sync", "staging")
    errors = [line for line in result.lines if line.startswith("bridge: error: ")]
    assert (errors, result.status) == (
        [f"bridge: error: the API server at {changed.target.embedded.url}: {error}"],
        status,
    )


def test_credentials_that_are_refused_are_reported_once_and_first(changed: Desk) -> None:
    failing(changed, lambda *_: True, 401, "Unauthorized")
    error = f"the credentials of context embedded of {changed.folder}/kubeconfig: {SERVER} rejected them"
    result = changed.run("sync", "staging")
    assert (result.lines[0].replace(changed.target.embedded.url, "URL"), result.status) == (
        f"bridge: error: {error}",
        1,
    )
