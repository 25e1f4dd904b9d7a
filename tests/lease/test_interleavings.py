"""The newest values win: two runs that meet at every point, with everything that may happen there."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.objects import Live, ObjectId
from bridge.plan.build import Allowed
from bridge.testing.apiserver import EmbeddedCluster
from tests.clock import Clock
from tests.lease.interleaving import DELETED, EVENTS, EXPIRED, FIRST, NEW, OLD, Direct, Happens, World

pytestmark = pytest.mark.slow

Open = Callable[[str], World]
STATES = ("absent", "older", "edited", "immutable")


def one_by_one(
    function: Callable[[Any], Any], items: Iterable[Any], *, threads: int, deadline: float, step: object
) -> dict[Any, Any]:
    """Stand in for `parallel.each`: what is sent side by side arrives in a known order."""
    return {item: function(item) for item in items}


@pytest.fixture(params=["near", "far"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a namespace in the state that the two runs find, as often as wanted; near the cluster and far from it."""
    monkeypatch.setattr("bridge.cluster.waves.each", one_by_one)
    monkeypatch.setattr(Direct, "is_far", request.param == "far")
    clock, number = Clock(), iter(range(10**6))
    for module in ("bridge.cluster.api", "bridge.cluster.lease"):
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr("bridge.cluster.lease.PAUSE", 5.0)  # it is the clock that waits, and each look is a request
    with EmbeddedCluster() as cluster:
        monkeypatch.setattr("bridge.run.line.Ahead", lambda _: None)
        monkeypatch.setattr("bridge.cluster.api.Transport", lambda *_: Direct(cluster))
        cluster.write_kubeconfig(tmp_path / "kubeconfig")

        def open_it(state: str) -> World:
            found = World(cluster, tmp_path, f"n{next(number)}", clock)
            monkeypatch.setattr("bridge.testing.api.answer", found.serve)
            monkeypatch.setattr("bridge.run.inputs.read_each", found.read)
            if state != "absent":
                assert found.sync("setup").error is None
                assert found.value == FIRST
            if state == "edited":  # a key is taken back, and another one changes
                found.edit({"data": {"B": "eA=="}})
                found.edit({"data": {"B": "Q0FOQVJZLWI="}})
            if state == "immutable":
                found.edit({"immutable": True})
                found.allowed = Allowed(recreate=frozenset({ObjectId("Secret", "s")}))
            return found

        yield open_it


def requests(world: Open, state: str) -> tuple[int, int]:
    """Count the requests of a first run that nobody disturbs, and of one that finds what that has written."""
    found = world(state)
    found.meet()
    assert found.history[-1] == NEW
    return found.asked["A"], found.asked["B"]


def meet(world: Open, state: str, event: Happens, at: int, until: int = 0) -> World:
    found = world(state)
    found.event, found.at, found.until = event, at, until
    found.meet()
    assert found.asked["A"] >= at
    return found


def steps_back(history: list[str | None]) -> bool:
    """Say whether the older value came after the newer one, also if the object was not there in between."""
    return NEW in history and OLD in history[history.index(NEW) :]


def events(state: str) -> tuple[Happens, ...]:
    return EVENTS if state in ("absent", "immutable") else EVENTS + DELETED


def check(found: World, where: object) -> None:
    assert not steps_back(found.history), where
    event = found.event
    assert event
    if "create" in event.steps and "CANARY-theirs" in found.history:
        return  # which every run refuses to take from them
    if found.outcomes["B"].error is None and "delete" not in event.steps[1:]:
        assert found.value == NEW, where
    found.clock.sleep(EXPIRED)
    healed = found.sync("C")
    assert (healed.error, found.value) == (None, NEW), where
    assert not steps_back(found.history), where


@pytest.mark.parametrize("state", STATES)
def test_newer_value_is_never_replaced_by_older_one(world: Open, state: str) -> None:
    for at in range(1, requests(world, state)[0] + 1):
        for event in events(state):
            check(meet(world, state, event, at), (state, event.name, at))


BOTH = ("frozen", "slow", "lost answer, handled last", "hangs, and is handled later")


@pytest.mark.parametrize("state", ["absent", "older"])
@pytest.mark.parametrize("event", [one for one in EVENTS if one.name in BOTH], ids=lambda one: one.name)
def test_nor_if_other_run_is_frozen_too_and_goes_on_last(world: Open, state: str, event: Happens) -> None:
    first, second = requests(world, state)
    for at in range(1, first + 1):
        for until in range(1, second + 1):
            check(meet(world, state, event, at, until), (state, event.name, at, until))


def without_version(_: Live | None) -> dict[str, object]:
    return {}


def without_uid(live: Live | None) -> dict[str, object]:
    return {"resourceVersion": live.resource_version if live else "1"}


RULES = {
    "sources are read again": ("bridge.cluster.state.MemoryStore.mark", "as ever", "older"),
    "a create creates": ("bridge.cluster.objects.ABSENT", "", "absent"),
    "a new one after a deletion too": ("bridge.cluster.objects.ABSENT", "", "immutable"),
    "an update names the uid": ("bridge.cluster.objects.precondition", without_uid, "older"),
    "an update names the version": ("bridge.cluster.objects.precondition", without_version, "older"),
}


@pytest.mark.parametrize("world", ["near"], indirect=True)  # the rules are the same far away
@pytest.mark.parametrize("rule", RULES)
def test_without_any_of_rules_it_would_be(world: Open, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    place, wrong, state = RULES[rule]
    monkeypatch.setattr(place, wrong)
    points = range(1, requests(world, state)[0] + 1)
    assert any(steps_back(meet(world, state, event, at).history) for event in events(state) for at in points)
