"""Deletions, which are tried dry like every other change: with --prune and with --recreate."""

from collections.abc import Callable

import pytest

from bridge.testing.apiserver import Fault
from tests.desk import Desk
from tests.failures.failing import DOUBT, ONE_SECRET, failing
from tests.team import SECRETS

Scene = Callable[[Desk], tuple[str, ...]]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def leaving(desk: Desk) -> tuple[str, ...]:
    """Let a Secret leave the templates while another object is to be changed."""
    assert desk.run("sync", "staging").status == 0
    desk.write("base/secrets.yml", ONE_SECRET)
    desk.values(OPENAI_API_KEY="CANARY-new")
    return ("--prune",)


def retyped(desk: Desk) -> tuple[str, ...]:
    """Let a Secret want another type while another object is to be changed."""
    assert desk.run("sync", "staging").status == 0
    named = "metadata: {name: shared-secrets}"
    desk.write("base/secrets.yml", SECRETS.replace(named, f"{named}\ntype: example.com/other"))
    desk.values(OPENAI_API_KEY="CANARY-new")
    return ("--recreate", "Secret/shared-secrets")


def deletions(desk: Desk) -> int:
    return [method for method, _ in desk.target.embedded.requests].count("DELETE")


@pytest.mark.parametrize("scene", [leaving, retyped])
def test_deletion_is_tried_dry_before_anything_is_written(desk: Desk, scene: Scene) -> None:
    arguments = scene(desk)
    before = desk.target.versions()
    failing(desk, lambda method, _: method == "DELETE", 403, 'admission webhook "keep.example.com" denied the request:')
    result = desk.run("sync", "staging", *arguments)
    desk.target.embedded.intercept = None
    denied = 'Secret/shared-secrets in namespace voice: the admission webhook "keep.example.com" denies the change'
    assert (result.lines[0], result.status) == (f"bridge: error: {denied}", 1)
    assert deletions(desk) == 1
    assert desk.target.versions() == before


@pytest.mark.parametrize("scene", [leaving, retyped])
@pytest.mark.parametrize("fault", ["drop", "drop-after", ("status", 503, {}, b"")])
def test_dry_deletion_without_answer_is_tried_again_and_leaves_no_doubt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: Fault, scene: Scene
) -> None:
    monkeypatch.setattr("bridge.cluster.api.BACKOFF", 0.01)
    arguments = scene(desk)
    before = desk.target.versions()
    failing(desk, lambda method, _: method == "DELETE", fault)
    result = desk.run("sync", "staging", *arguments)
    desk.target.embedded.intercept = None
    assert result.status == 75
    assert DOUBT not in result.err
    assert deletions(desk) == 4
    assert desk.target.versions() == before
    assert desk.run("sync", "staging", *arguments).status == 0


@pytest.mark.parametrize("scene", [leaving, retyped])
def test_plan_tries_deletions_and_deletes_nothing(desk: Desk, scene: Scene) -> None:
    arguments = scene(desk)
    before = desk.target.versions()
    assert desk.run("plan", "staging", *arguments).status == 0
    assert deletions(desk) == 1
    assert desk.target.versions() == before
