"""All kinds of runs that meet: every order of their requests where that is possible, many of them elsewhere.

`make meetings` tries them all, in hours; without BRIDGE_MEETINGS=all, a part of each kind is tried.
"""

import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.desk import Target
from tests.lease.exploring import Order, explore, sample
from tests.lease.ground import Direct, EmbeddedGround, RealGround
from tests.lease.load import Load
from tests.lease.meeting import READERS, ROLLING, STATES, STRANGERS, Meeting
from tests.lease.room import Room, furnish
from tests.servers.apiserver import RealCluster

pytestmark = pytest.mark.slow

ALL = os.environ.get("BRIDGE_MEETINGS") == "all"
WRITERS = ("sync", "fleet", "set", "store", "rollback", "adopt", "approved")
KINDS = (*WRITERS, *ROLLING, *READERS, *STRANGERS)
Tell = Callable[[str], None]


def groups(size: int) -> list[tuple[str, ...]]:
    """Return each combination of kinds in which at least one actor writes with bridge."""
    found = itertools.combinations_with_replacement(KINDS, size)
    return [kinds for kinds in found if {*kinds} & {*WRITERS}]


def fits(state: str, kinds: Sequence[str]) -> bool:
    """Whether these kinds can meet in a state: a plan is approved only if it is not refused."""
    return not ("approved" in kinds and state == "foreign")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for environments; nothing of the real user's is seen."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "BRIDGE_CONFIG", "K8_ENV", "BRIDGE_TRUST", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


@pytest.fixture
def room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A room in the embedded cluster."""
    with EmbeddedCluster() as cluster:
        found = Room(folder, lambda clock: EmbeddedGround(cluster, clock))
        furnish(found, monkeypatch)
        yield found


@pytest.fixture
def real_room(folder: Path, monkeypatch: pytest.MonkeyPatch, real_cluster: RealCluster) -> Room:
    """A room in a real cluster."""

    def new() -> Target:
        return Target(real_cluster.namespace(), real_cluster.client, real_cluster.kubeconfig)

    found = Room(folder, lambda _clock: RealGround(new))
    furnish(found, monkeypatch)
    return found


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Print a figure, in a run of all of them."""

    def write(text: str) -> None:
        if ALL:
            with capsys.disabled():
                print(text, flush=True)  # noqa: T201 - this is its report

    return write


QUICK = [("sync", "publish"), ("sync", "edit"), ("fleet", "publish"), ("adopt", "delete")]


@pytest.mark.parametrize("state", STATES if ALL else ["older"])
@pytest.mark.parametrize("kinds", groups(2) if ALL else QUICK, ids=" ".join)
def test_every_order_of_two(room: Room, kinds: Sequence[str], state: str, tell: Tell) -> None:
    if fits(state, kinds):
        found = explore(partial(Meeting, room, state, kinds))
        tell(f" {found.orders} orders in {found.runs} runs")


OVERTAKEN = [("fleet", "set"), ("plans", "set"), ("states", "set"), ("plan", "set"), ("sync", "sync")]


@pytest.mark.parametrize("state", STATES if ALL else ["older"])
@pytest.mark.parametrize(
    "kinds", [pair for two in groups(2) for pair in (two, two[::-1])] if ALL else OVERTAKEN, ids=" ".join
)
def test_run_is_overtaken_at_each_request(room: Room, kinds: Sequence[str], state: str) -> None:
    """The first one is frozen before each of its requests in turn, until the other one is at its end."""
    if not fits(state, kinds):
        return
    for number in itertools.count(1):
        meeting = Meeting(room, state, kinds)
        first, second = meeting.stage.actors
        order = play(meeting, first, number)
        if not meeting.waiting or meeting.waiting == [second]:
            meeting.clear()
            return
        order += play(meeting, second) + play(meeting, first)
        meeting.end(order)


def play(meeting: Meeting, name: str, most: int = 10_000) -> Order:
    """Let an actor go on for so many requests, or to its end."""
    order: list[str] = []
    while name in meeting.waiting and len(order) < most:
        meeting.step(name)
        order.append(name)
    return tuple(order)


@pytest.mark.parametrize("kinds", groups(2), ids=" ".join)
def test_orders_of_two(room: Room, monkeypatch: pytest.MonkeyPatch, kinds: Sequence[str]) -> None:
    chance = random.Random(str(kinds))
    for state in STATES if ALL else [chance.choice(["absent", "older", "edited"])]:
        for far in [False, True] if ALL else [chance.random() < 0.5]:
            monkeypatch.setattr(Direct, "is_far", far)
            if fits(state, kinds):
                sample(partial(Meeting, room, state, kinds), f"{kinds} {state} {far}", 20 if ALL else 1)


def of_three() -> list[tuple[str, ...]]:
    return groups(3) if ALL else random.Random(3).sample(groups(3), 20)


@pytest.mark.parametrize("kinds", of_three(), ids=" ".join)
def test_orders_of_three(room: Room, kinds: Sequence[str]) -> None:
    for state in STATES if ALL else ["older"]:
        if fits(state, kinds):
            sample(partial(Meeting, room, state, kinds), f"{kinds} {state}", 5 if ALL else 1)


CROWD = ("sync", "sync", "sync", "fleet", "fleet", "set", "rollback", "publish", "edit")


@pytest.mark.parametrize("state", ["absent", "older"])
def test_orders_of_many(room: Room, state: str) -> None:
    sample(partial(Meeting, room, state, CROWD), state, 100 if ALL else 2)


@pytest.mark.parametrize("kinds", [(one, "sync" if one != "sync" else "set") for one in WRITERS], ids=" ".join)
def test_killed_run_is_repaired_by_others(room: Room, kinds: Sequence[str]) -> None:
    chance = random.Random(str(kinds))
    for _ in range(200 if ALL else 2):
        meeting = Meeting(room, "older", kinds)
        first, *others = meeting.stage.actors
        order = play(meeting, first, chance.randrange(1, 18))
        order += tuple(name for other in others for name in play(meeting, other, chance.randrange(5)))
        if first in meeting.waiting:
            meeting.kill(first)
        order += tuple(name for other in others for name in play(meeting, other))
        meeting.end(order)


@pytest.mark.parametrize("number", range(50 if ALL else 2))
def test_orders_in_real_cluster_under_load(real_room: Room, number: int) -> None:
    """Others write their own objects all the time, and one of them edits ours by hand."""
    chance = random.Random(number)
    for _ in range(10 if ALL else 2):
        kinds = chance.choice([one for one in groups(chance.choice([2, 3])) if not {*one} & {*ROLLING}])
        state = chance.choice([one for one in STATES if fits(one, kinds)])
        meeting = Meeting(real_room, state, kinds)
        with Load(meeting.target, edits=chance.random() < 0.5) as meeting.load:
            sample(lambda meeting=meeting: meeting, f"{number} {kinds} {state}", 1)


@pytest.mark.parametrize(
    ("place", "wrong", "kinds"),
    [
        ("bridge.run.apply._are_no_older", lambda _wanted: True, ("fleet", "set")),
        ("bridge.run.plan._is_overtaken", lambda _plan, _wanted: False, ("states", "set")),
        ("bridge.cluster.state.MemoryStore.mark", "as ever", ("sync", "set")),
    ],
)
def test_without_rule_there_would_be_order_that_is_wrong(
    room: Room, monkeypatch: pytest.MonkeyPatch, place: str, wrong: object, kinds: Sequence[str]
) -> None:
    monkeypatch.setattr(place, wrong)
    with pytest.raises(AssertionError, match=r"ended with 1|wrote an older revision"):
        test_run_is_overtaken_at_each_request(room, kinds, "older")
